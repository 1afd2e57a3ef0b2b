"""`npsloop preview`: look at a mail or a page as a customer would get it, touching nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath

if TYPE_CHECKING:
    from connectors.ports import Mail
    from loop.app import App
    from loop.cli.scene import Scene

app = typer.Typer(
    help="Look at a mail or a page as a customer would.",
    no_args_is_help=True,
)

TEXT: Final = ".txt"

Customer = Annotated[
    str | None, typer.Option(help="A real one: address, id or record; else an invented one.")
]
Score = Annotated[int | None, typer.Option(min=0, max=10, help="What they answer.")]
Locale = Annotated[str, typer.Option(help="Their language: de, pt-BR; else as it is known.")]
Program = Annotated[str | None, typer.Option(help="The program; else the first one.")]
Open = Annotated[bool, typer.Option("--open", help="Open it in a browser.")]
Out = Annotated[
    Path | None, typer.Option(help="Where to write it (.txt: a mail's text); else a new file.")
]


@app.command()
def mail(  # noqa: PLR0913 - each is a flag
    name: Annotated[str, typer.Argument(help="ask, refer or thank.")] = "ask",
    config: ConfigPath = CONFIG_PATH,
    *,
    customer: Customer = None,
    score: Score = None,
    locale: Locale = "",
    program: Program = None,
    show: Open = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Write a mail as it would go out."""
    from loop.cli import scene  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    say.among(name, [*scene.MAILS], "mail")
    with opened(config) as loop, _played(loop, customer, program, locale) as played:
        made = played.mail(name, score)
    path = _put(out, made.text if out and out.suffix == TEXT else made.html, name)
    _tell(path, as_json=as_json, show=show, told=_told(name, made))


@app.command()
def page(  # noqa: PLR0913 - each is a flag
    name: Annotated[
        str,
        typer.Argument(help="survey, thanks, unsubscribe, unsubscribed, referral, gone or index."),
    ] = "survey",
    config: ConfigPath = CONFIG_PATH,
    *,
    customer: Customer = None,
    score: Score = None,
    locale: Locale = "",
    program: Program = None,
    show: Open = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Write a page as the customer would see it, in one file."""
    from loop.cli import scene  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    say.among(name, scene.PAGES, "page")
    with opened(config) as loop, _played(loop, customer, program, locale) as played:
        html = played.page(name, score)
    _tell(_put(out, html, name), as_json=as_json, show=show, told={"page": name})


@contextmanager
def _played(loop: "App", who: str | None, program: str | None, locale: str) -> "Iterator[Scene]":
    from loop.cli import people  # noqa: PLC0415 - quick start-up
    from loop.cli.scene import scene  # noqa: PLC0415 - quick start-up

    say.among(program, list(loop.config.programs), "program")
    customer_id = ""
    if who is not None:
        with loop.store.read() as session:
            customer_id = people.find(loop, session, who).id
    with scene(loop, customer_id=customer_id, program=program or "", locale=locale) as played:
        yield played


def _told(name: str, made: "Mail") -> dict[str, Any]:
    return {
        "mail": name,
        "subject": made.subject,
        "sender": made.sender,
        "sender_name": made.sender_name,
        "text": made.text,
    }


def _put(out: Path | None, content: str, name: str) -> Path:
    """Write it where the operator wants it, or into a new file that nobody else can read."""
    if out is not None:
        out.write_text(content, encoding="utf-8")
        return out
    handle, path = tempfile.mkstemp(prefix=f"npsloop-{name}-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    return Path(path)


def _tell(path: Path, *, as_json: bool, show: bool, told: dict[str, Any]) -> None:
    data = {"version": say.VERSION, "file": str(path), **told}
    say.out(data, as_json=as_json, view=lambda to: to.print(say.plain(path)))
    if "subject" in told and not as_json:
        say.tell(f"from {told['sender_name']}: {told['subject']}")
    if show:
        import webbrowser  # noqa: PLC0415 - only where one is wanted

        if not webbrowser.open(path.absolute().as_uri()):
            say.tell("there is no browser here: open the file yourself")
