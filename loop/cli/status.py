"""`npsloop status`: where everything stands."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.jobs import due, went
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath

if TYPE_CHECKING:
    from rich.console import Console

MINUTE: Final = len("2030-01-07T09:00")


def status(
    config: ConfigPath = CONFIG_PATH,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Prove that nothing was lost; ends with 3 where it was.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show where everything stands."""
    from loop.cli import counts  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as app:
        data = {"version": say.VERSION, **counts.counted(app)}
        promises = counts.invariants(app) if check else []
    if check:
        data["check"] = promises
    say.out(data, as_json=as_json, view=lambda to: _draw(to, data))
    if any(not promise["passed"] for promise in promises):
        raise say.fail("something was lost: look at the lines above", say.EXIT_FINDINGS)


def _draw(to: "Console", data: dict[str, Any]) -> None:
    _draw_loop(to, data)
    _draw_effects(to, data["effects"])
    _draw_jobs(to, data["jobs"])
    if data["workers"] is not None:
        _line(to, "workers", f"{data['workers']} heard of lately")
    _draw_to_do(to, data)
    for promise in data.get("check", []):
        mark, style = ("passed", "green") if promise["passed"] else ("FAILED", "red")
        found = f" ({', '.join(promise['found'])})" if promise["found"] else ""
        to.print(say.plain(f"{mark}  {promise['name']}{found}", style))


def _draw_loop(to: "Console", data: dict[str, Any]) -> None:
    figure, response = data["figure"], data["response"]
    nps = "no answer yet"
    if figure["n"]:
        interval = f"{figure['low']:+.0f} to {figure['high']:+.0f}"
        nps = f"{figure['score']:+.0f} ({interval}, n {figure['n']})"
    rate = "" if response["rate"] is None else f", {response['rate']:.0%} answered"
    _line(to, "customers", _listed(data["customers"], zero=True))
    _line(to, "surveys", _listed(data["surveys"]) or "none yet")
    _line(to, "NPS", f"{nps}{rate}")


def _draw_effects(to: "Console", lanes: dict[str, dict[str, int]]) -> None:
    for lane, states in lanes.items():
        _line(to, lane, _listed(states))


def _draw_jobs(to: "Console", jobs: dict[str, dict[str, Any]]) -> None:
    for name, job in jobs.items():
        _line(to, f"job {name}", f"{due(job)}, {went(job)}", "red" if job["problem"] else "")


def _draw_to_do(to: "Console", data: dict[str, Any]) -> None:
    """Draw what waits for a person, with the next command."""
    cases = data["cases"]
    if cases["open"]:
        _line(
            to, "open cases", f"{cases['open']}, the oldest since {cases['oldest_open'][:MINUTE]}"
        )
    if data["in_doubt"]:
        _line(to, "mails in doubt", f"{data['in_doubt']}: evidence may still come")
    if data["to_settle"]:
        text = f"{data['to_settle']}: npsloop effects list --state unknown, then settle each"
        _line(to, "mails to settle", text, "yellow")
    for service, problem in data["shut"].items():
        _line(to, f"{service} waits", problem, "yellow")
    if data["without_owner"]:
        text = f"{data['without_owner']}: set follow_up.fallback_owner, then npsloop effects retry"
        _line(to, "without owner", f"{text} --lane ... --state refused", "yellow")


def _line(to: "Console", name: str, text: str, style: str = "") -> None:
    to.print(say.plain(f"{name:<24}{text}", style))


def _listed(counts: dict[str, int], *, zero: bool = False) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count or zero)
