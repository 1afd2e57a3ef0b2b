"""`npsloop simulate kill`: real workers, killed again and again, and the count at the services."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import AsJson

if TYPE_CHECKING:
    from loop.rehearse.kill import Plan

SEED_BITS: Final = 31
WORKERS: Final = 3
POSTGRESQL: Final = ("postgresql://", "postgresql+psycopg://")


def kill(
    *,
    kills: Annotated[int, typer.Option(min=1, help="How often a worker is killed.")] = 80,
    seed: Annotated[int | None, typer.Option(help="Draws who does what, and when.")] = None,
    database_url: Annotated[
        str, typer.Option(help="A PostgreSQL server; a database is made there, and dropped again.")
    ] = "",
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many at once: 3 on PostgreSQL, 1 on SQLite.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill real workers with -9 while mails, scores and tasks go out, then count.

    Everything is played on 127.0.0.1. The services turn away 3 % of all calls, lose 5 % of their
    answers and 2 % of their events. Ends with 3 where anything was lost or doubled.
    """
    from loop.rehearse.kill import WRONG, Plan, rehearse  # noqa: PLC0415 - quick start-up

    if database_url and not database_url.startswith(POSTGRESQL):
        remedy = "name a PostgreSQL server, or leave it out for a SQLite file"
        raise say.fail(f"--database-url {database_url}: {remedy}", say.EXIT_USAGE)
    if not database_url and workers not in {None, 1}:
        raise say.fail("SQLite is for one process: --workers 1", say.EXIT_USAGE)
    plan = Plan(
        kills=kills,
        seed=secrets.randbits(SEED_BITS) if seed is None else seed,
        workers=workers or (WORKERS if database_url else 1),
        database_url=database_url,
    )
    found = {"version": say.VERSION, **rehearse(plan, say.tell)}
    say.out(found, as_json=as_json)
    if any(found[name] for name in WRONG):
        _tell(plan, found)
        raise typer.Exit(say.EXIT_FINDINGS)


def _tell(plan: "Plan", found: Mapping[str, Any]) -> None:
    """Say what went wrong, and how to see it again."""
    for example in found["examples"]:
        say.tell(example, "red")
    words = f"--kills {plan.kills} --seed {plan.seed} --workers {plan.workers}"
    if plan.database_url:
        words += " --database-url ..."
    say.tell(f"again: npsloop simulate kill {words}")
