"""`npsloop doctor`: look at everything that the loop needs, and say what to do next."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath

if TYPE_CHECKING:
    from rich.console import Console


def doctor(config: ConfigPath = CONFIG_PATH, *, as_json: AsJson = False) -> None:
    """Look at everything that the loop needs.

    Mails nobody and writes nothing. Ends with 3 where a check failed, with 4 where a service
    does not know us.
    """
    told: list[dict[str, Any]] = []
    for check in _looked(config):
        told.append(check)
        if not as_json:
            _draw(say.stdout(), check)
    failed = [check for check in told if not check["passed"]]
    data = {"version": say.VERSION, "passed": not failed, "checks": told}
    say.out(data, as_json=as_json, view=lambda _to: None)
    say.tell(f"{len(told) - len(failed)} passed, {len(failed)} failed")
    if any(check["unauthorized"] for check in failed):
        raise typer.Exit(say.EXIT_UNAUTHORIZED)
    if failed:
        raise typer.Exit(say.EXIT_FINDINGS)


def _looked(path: Path) -> Iterator[dict[str, Any]]:
    from loop.cli import checkup  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up
    from loop.config import BadConfig  # noqa: PLC0415 - quick start-up

    try:
        with opened(path, check=False) as app:
            yield _row("configuration", "file", found=str(path))
            for group, check in checkup.look(app, path):
                yield _row(
                    group,
                    check.name,
                    found=check.found,
                    remedy=check.remedy,
                    passed=check.passed,
                    unauthorized=check.unauthorized,
                )
    except BadConfig as error:
        remedy = "npsloop init writes one, npsloop config check looks it over"
        yield _row("configuration", "file", found=str(error), remedy=remedy, passed=False)


def _row(group: str, name: str, **found: Any) -> dict[str, Any]:  # noqa: ANN401 - a check's fields
    usual = {"passed": True, "found": "", "remedy": "", "unauthorized": False}
    return {"group": group, "name": name, **usual, **found}


def _draw(to: "Console", check: dict[str, Any]) -> None:
    mark, style = ("passed", "green") if check["passed"] else ("FAILED", "red")
    line = say.plain(f"{mark}  ", style)
    line.append_text(say.plain(f"{check['group']}: {check['name']}: {check['found']}"))
    to.print(line)
    if not check["passed"] and check["remedy"]:
        to.print(say.plain(f"        next: {check['remedy']}"))
