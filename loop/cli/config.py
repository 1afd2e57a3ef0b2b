"""`npsloop config`: look the configuration over, show where it came from, print its schema."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath

if TYPE_CHECKING:
    from rich.console import Console

    from loop.config.origin import Setting

app = typer.Typer(
    help="Look the configuration over, and see where each value came from.", no_args_is_help=True
)


@app.command()
def check(config: ConfigPath = CONFIG_PATH, *, as_json: AsJson = False) -> None:
    """Look the configuration over, and tell everything that is wrong with it."""
    from loop.config import BadConfig, load  # noqa: PLC0415 - quick start-up

    try:
        loaded = load(config)
    except BadConfig as error:
        mistakes = [vars(mistake) for mistake in error.mistakes]
        text = str(error)
        data = {"passed": False, "mistakes": mistakes}
        say.out(data, as_json=as_json, view=lambda to: to.print(say.plain(text, "red")))
        raise typer.Exit(say.EXIT_FINDINGS) from error
    crms = ", ".join(crm.type for crm in loaded.crms) or "none"
    programs = ", ".join(loaded.programs) or "none"
    found = f"{config}: no mistakes (CRMs: {crms}; mailer: {loaded.mailer.type}; programs: "
    say.out(
        {"passed": True, "mistakes": []},
        as_json=as_json,
        view=lambda to: to.print(say.plain(f"{found}{programs})")),
    )


@app.command()
def show(
    config: ConfigPath = CONFIG_PATH,
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Tell where each value came from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show every setting as it is in force, secrets masked."""
    from loop.config.origin import nested, settings  # noqa: PLC0415 - quick start-up

    found = list(settings(config))
    if origin:
        told = {_dotted(each): {"value": each.value, "origin": each.origin} for each in found}
        say.out(told, as_json=as_json, view=lambda to: _draw_origins(to, found))
    else:
        tree = nested(iter(found))
        say.out(tree, as_json=as_json, view=lambda to: _draw_tree(to, tree))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from loop.config import sample  # noqa: PLC0415 - quick start-up
    from loop.config.schema import schema as of_config  # noqa: PLC0415 - quick start-up

    say.out(of_config(sample.types()), as_json=True)


@app.command()
def example() -> None:
    """Print a configuration that shows every setting, its default and what it means."""
    from loop.config import sample  # noqa: PLC0415 - quick start-up

    say.stdout().print(say.plain(sample.example(sample.types()).rstrip()))


def _dotted(setting: "Setting") -> str:
    return ".".join(map(str, setting.loc))


def _draw_origins(to: "Console", found: "list[Setting]") -> None:
    rows = [(_dotted(each), _inline(each.value), each.origin) for each in found]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        line = say.plain(f"{key:<{first}}  {value:<{min(second, 44)}}  ")
        line.append_text(say.plain(origin, "dim" if origin == "default" else "green"))
        to.print(line)


def _draw_tree(to: "Console", tree: dict[str, Any]) -> None:
    import yaml  # noqa: PLC0415 - quick start-up

    written = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    to.print(say.plain(written.rstrip()))


def _inline(value: object) -> str:
    import json  # noqa: PLC0415 - quick start-up

    return json.dumps(value, ensure_ascii=False)
