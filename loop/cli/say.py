"""How commands speak: results on stdout, messages on stderr, one exit code for each ending.

Whatever other people wrote (names, comments, a CRM's error text) goes through `plain`: it is
never read as markup and can never steer the terminal.
"""

import errno
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from connectors.errors import ConnectorError

VERSION: Final = 1
"""Of the shape of our JSON: a key is added at will, and never taken away within a version."""
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_FINDINGS: Final = 3
EXIT_UNAUTHORIZED: Final = 4

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="NPSLOOP_CONFIG", help="The configuration file."),
]
CONFIG_PATH: Final = Path("config.yaml")
"""The default of every `ConfigPath`."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, messages on stderr.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be done; do not.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, go ahead.")]

_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_OURS_TO_MEND: Final = frozenset(
    {
        errno.EACCES,
        errno.EADDRINUSE,
        errno.EADDRNOTAVAIL,
        errno.EISDIR,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)


@cache
def stdout() -> "Console":
    """Return the console for results."""
    from rich.console import Console  # noqa: PLC0415 - `--help` starts without it

    return Console(highlight=False, soft_wrap=True)


@cache
def stderr() -> "Console":
    """Return the console for messages and progress."""
    from rich.console import Console  # noqa: PLC0415 - `--help` starts without it

    return Console(stderr=True, highlight=False, soft_wrap=True)


def safe(text: object) -> str:
    r"""Return the text with control and direction characters spelled out (`\x1b`)."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def plain(text: object, style: str = "") -> "Text":
    """Return other people's text, fit for a console or a table's cell."""
    from rich.text import Text  # noqa: PLC0415 - `--help` starts without it

    return Text(safe(text), style)


def tell(text: object, style: str = "") -> None:
    """Say something to the operator, on stderr."""
    stderr().print(plain(text, style))


def out(
    data: Mapping[str, Any],
    *,
    as_json: bool,
    view: Callable[["Console"], None] | None = None,
) -> None:
    """Print a result on stdout: JSON, or what `view` draws, or a line per key."""
    if as_json:
        written = json.dumps(data, ensure_ascii=False, indent=2, default=str)
        sys.stdout.write(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", written) + "\n")
    elif view is not None:
        view(stdout())
    else:
        stdout().print(_lines(data))


def fail(text: object, code: int = EXIT_FAILED) -> typer.Exit:
    """Say what went wrong, in red. Return the exit, to be raised by the caller."""
    tell(text, "red")
    return typer.Exit(code)


def agree(question: str, *, yes: bool) -> None:
    """Ask before anything that mails or writes to a CRM; off a terminal `--yes` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise fail(f"{question} Say --yes to go ahead, --dry-run to look first.", EXIT_USAGE)
    if not typer.confirm(question, err=True):
        raise fail("Nothing was done.")


def many(count: int, what: str) -> str:
    """Return `1 mail`, `2 mails`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def among(wanted: str | None, known: Sequence[str], what: str) -> Sequence[str]:
    """Return what was asked for, or all there are. An unknown one is wrong usage."""
    if wanted is None:
        return known
    if wanted in known:
        return [wanted]
    near = get_close_matches(wanted, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise fail(f"no such {what}: {wanted}. {hint}Known: {', '.join(known) or 'none'}", EXIT_USAGE)


def end(problems: "Sequence[ConnectorError]") -> None:
    """Say what went wrong with other services, and end as the worst of it asks for."""
    from connectors.errors import Unauthorized  # noqa: PLC0415 - only needed at the end

    for problem in problems:
        tell(problem, "red")
    if any(isinstance(problem, Unauthorized) for problem in problems):
        raise typer.Exit(EXIT_UNAUTHORIZED)
    if problems:
        raise typer.Exit(EXIT_FAILED)


class Loop(TyperGroup):
    """A group of commands that says what an operator can mend in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as Typer has it
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            code = _code_for(error)
            if code is None:
                raise
            raise fail(_words_for(error), code) from error


def _code_for(error: Exception) -> int | None:
    """Return the exit code of an error that the operator can mend, None for a bug."""
    from connectors.errors import (  # noqa: PLC0415 - only needed when something fails
        ConnectorError,
        Unauthorized,
    )
    from loop.config.errors import Mendable  # noqa: PLC0415 - brings pydantic

    if isinstance(error, Unauthorized):
        return EXIT_UNAUTHORIZED
    if isinstance(error, Mendable | ConnectorError):
        return EXIT_FAILED
    if isinstance(error, OSError) and error.errno in _OURS_TO_MEND:
        return EXIT_FAILED
    return None


def _words_for(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _lines(data: Mapping[str, Any], indent: str = "") -> "Text":
    """Return the data a line per key, nested mappings indented."""
    from rich.text import Text  # noqa: PLC0415 - `--help` starts without it

    width = max((len(str(key)) for key in data), default=0)
    lines = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            lines.append(Text(f"{indent}{safe(key)}"))
            lines.append(_lines(value, f"{indent}  "))
        else:
            lines.append(Text(f"{indent}{safe(key):<{width}}  {safe(value)}"))
    return Text("\n").join(lines)
