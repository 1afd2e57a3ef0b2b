"""`npsloop simulate`: everything that can go wrong, from a seed, and whether our promises hold."""

import hashlib
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import kill, say
from loop.cli.progress import progress
from loop.cli.say import AsJson

if TYPE_CHECKING:
    from rich.console import Console

    from loop.simulate import Verdict

SEED_BITS: Final = 31
LINES_SHOWN: Final = 40
FAILED_SHOWN: Final = 3
app = typer.Typer(invoke_without_command=True)
app.command()(kill.kill)


@app.callback()
def simulate(
    context: typer.Context,
    *,
    runs: Annotated[int, typer.Option(min=1, help="How many runs.")] = 300,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The first run's; each further run's is one more.")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="A PostgreSQL to run on, in a schema of its own; else in memory."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let everything go wrong in an invented world, and see whether our promises hold.

    Crashes, lost answers, stalled workers, wrong clocks: all of it in one thread, from one seed,
    and the same again with the same seed. Nothing leaves this machine.
    """
    if context.invoked_subcommand is not None:
        return
    from loop.simulate import open_database, run  # noqa: PLC0415 - quick start-up

    if database_url is not None and not database_url.startswith("postgresql"):
        raise say.fail("--database-url is for PostgreSQL: leave it out otherwise", say.EXIT_USAGE)
    first = secrets.randbits(SEED_BITS) if seed is None else seed
    database, began = open_database(database_url), time.monotonic()
    tally = Tally()
    try:
        with progress("runs", runs) as tick:
            for each in range(first, first + runs):
                tally.add(run(each, database))
                tick(1)
    finally:
        database.close()
    took_s = time.monotonic() - began
    found = {"version": say.VERSION, "runs": runs, "seed": first, **tally.told()}
    found |= {"seconds": round(took_s, 1), "ms_per_run": round(1000 * took_s / runs, 1)}
    say.out(found, as_json=as_json, view=lambda to: _draw(to, found))
    if tally.failed:
        raise typer.Exit(say.EXIT_FINDINGS)


@dataclass
class Tally:
    """What came of many runs."""

    failed: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    """The same for runs in which the same happened."""

    def add(self, verdict: "Verdict") -> None:
        """Count one more."""
        self.counts.update(verdict.counts)
        self.digest = hashlib.sha256(f"{self.digest}{verdict.digest}".encode()).hexdigest()
        if verdict.broken:
            failed = {
                "seed": verdict.seed,
                "broken": list(verdict.broken),
                "replay": f"npsloop simulate --runs 1 --seed {verdict.seed}",
                "trace": list(verdict.trace[-LINES_SHOWN:]),
            }
            self.failed.append(failed)

    def told(self) -> dict[str, Any]:
        """Return it as it is printed."""
        counts = dict(sorted(self.counts.items()))
        return {"failed": self.failed, "counts": counts, "digest": self.digest}


def _draw(to: "Console", found: dict[str, Any]) -> None:
    for failed in found["failed"][:FAILED_SHOWN]:
        to.print(say.plain("\n".join(failed["trace"]), "dim"))
        to.print(say.plain("\n".join(failed["broken"]), "red"))
        to.print(say.plain(f"again: {failed['replay']}"))
    seeds = [str(failed["seed"]) for failed in found["failed"]]
    last = found["seed"] + found["runs"] - 1
    kept = f"{len(seeds)} broke a promise: {', '.join(seeds)}" if seeds else "every promise held"
    to.print(
        say.plain(f"{say.many(found['runs'], 'run')}, seeds {found['seed']} to {last}: {kept}")
    )
    counts = ", ".join(
        f"{count} {what.replace('_', ' ')}" for what, count in found["counts"].items()
    )
    to.print(say.plain(f"{counts}; {found['ms_per_run']} ms a run"))
