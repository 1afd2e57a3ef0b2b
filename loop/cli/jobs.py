"""`npsloop jobs`: what runs when, how it went, and how to run or pause it."""

import signal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath, DryRun, Yes

if TYPE_CHECKING:
    from rich.console import Console

    from loop.app import App

MINUTE: Final = len("2030-01-07T09:00")
Name = Annotated[str, typer.Argument(help="As `npsloop jobs list` shows it.", metavar="NAME")]
Names = Annotated[
    list[str], typer.Argument(help="As `npsloop jobs list` shows them.", metavar="NAME")
]

app = typer.Typer(help="What runs when: look, run, pause, resume.", no_args_is_help=True)


@app.command(name="list")
def list_(config: ConfigPath = CONFIG_PATH, *, as_json: AsJson = False) -> None:
    """Show each job: when it last ran and how that went, and when it runs again."""
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop:
        found = _standings(loop)
    data = {"version": say.VERSION, "jobs": found}
    say.out(data, as_json=as_json, view=lambda to: draw(to, found))


@app.command()
def run(
    name: Name,
    config: ConfigPath = CONFIG_PATH,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run a job now, whatever its times. It is refused while the same job runs elsewhere."""
    from loop import schedule  # noqa: PLC0415 - quick start-up
    from loop.cli.ending import INTERRUPTED, ended_by_signal  # noqa: PLC0415 - quick start-up
    from loop.cli.lock import shared  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop, shared(loop.store):
        say.among(name, [*schedule.planned(loop)], "job")
        came: set[int] = set()
        if not dry_run:
            job = schedule.planned(loop)[name].job
            if job.outward:
                say.agree(f"Run {name} now: {job.what}?", yes=yes)
            with ended_by_signal(loop.stopping.set) as came:
                schedule.run(loop, name)
        found = _standings(loop)[name]
    data = {"version": say.VERSION, "dry_run": dry_run, "job": name, **found}
    say.out(data, as_json=as_json, view=lambda to: draw(to, {name: found}))
    if dry_run:
        say.tell("nothing was run")
    elif signal.SIGINT in came:
        raise typer.Exit(INTERRUPTED)
    elif found["problem"]:
        raise typer.Exit(say.EXIT_FAILED)


@app.command()
def pause(
    names: Names,
    config: ConfigPath = CONFIG_PATH,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let jobs fire no more until they are resumed; what runs is not interrupted."""
    from loop.schedule import pause as act  # noqa: PLC0415 - quick start-up

    _each(names, config, None if dry_run else act, as_json=as_json)


@app.command()
def resume(
    names: Names,
    config: ConfigPath = CONFIG_PATH,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let paused jobs fire again, from their next time on."""
    from loop.schedule import resume as act  # noqa: PLC0415 - quick start-up

    _each(names, config, None if dry_run else act, as_json=as_json)


def _each(names: list[str], config: ConfigPath, act: Any, *, as_json: bool) -> None:  # noqa: ANN401 - pause or resume
    """Do this with each job, or nothing; then show how they stand."""
    from loop import schedule  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop:
        for name in names:
            say.among(name, [*schedule.planned(loop)], "job")
        for name in names if act else ():
            act(loop, name)
        found = {name: each for name, each in _standings(loop).items() if name in names}
    data = {"version": say.VERSION, "dry_run": act is None, "jobs": found}
    say.out(data, as_json=as_json, view=lambda to: draw(to, found))
    if act is None:
        say.tell("nothing was changed")


def _standings(loop: "App") -> dict[str, dict[str, Any]]:
    from loop.cli import counts  # noqa: PLC0415 - quick start-up

    with loop.store.read() as session:
        return counts.jobs(loop, session)


def draw(to: "Console", jobs: dict[str, dict[str, Any]]) -> None:
    """Draw a line a job."""
    names = max((len(name) for name in jobs), default=0)
    plans = max((len(job["plan"]) for job in jobs.values()), default=0)
    for name, job in jobs.items():
        line = f"{name:<{names}}  {job['plan']:<{plans}}  {due(job):<24}  {went(job)}"
        to.print(say.plain(line, "red" if job["problem"] else ""))


def due(job: dict[str, Any]) -> str:
    """Return when it runs again, in words."""
    return f"due {job['next_run'][:MINUTE]} UTC" if job["next_run"] else "paused"


def went(job: dict[str, Any]) -> str:
    """Return how the last run went, in words."""
    if job["last_run"] is None:
        return "never ran"
    if job["running"]:
        return f"runs since {job['last_run'][:MINUTE]} UTC"
    ran = f"ran {job['last_run'][:MINUTE]} UTC, {job['seconds']:g} s"
    told = job["problem"] or job["result"]
    return f"{ran}: {told}" if told else ran
