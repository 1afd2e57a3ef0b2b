"""`npsloop effects`: what is owed to the outside world, and what an operator does about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath, DryRun, Yes

if TYPE_CHECKING:
    from rich.console import Console
    from sqlmodel import Session

    from loop.app import App
    from loop.models import Effect

app = typer.Typer(
    help="See what is owed to others; retry, drop or settle it.",
    no_args_is_help=True,
)

LIMIT: Final = 50
SHORT: Final = 12
MINUTE: Final = len("2030-01-07T09:00")
RETRYABLE: Final = ("refused", "due", "dropped", "suppressed", "expired")
DROPPABLE: Final = ("refused", "due", "unknown")

WAITS: Final = {"": "", "evidence": "evidence may come", "operator": "waits for you"}

Lane = Annotated[str | None, typer.Option(help="Of this lane only.")]
State = Annotated[str | None, typer.Option(help="In this state only: refused, unknown, due ...")]
Who = Annotated[str | None, typer.Option(help="Of this customer only: address or id.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or how they end.", metavar="ID")]
Move = Callable[["App", "Session", "Effect"], None]


@app.command("list")
def list_effects(  # noqa: PLR0913 - each is a flag
    config: ConfigPath = CONFIG_PATH,
    *,
    lane: Lane = None,
    state: State = None,
    customer: Who = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List effects, the newest first."""
    from loop.cli import found  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop, loop.store.read() as session:
        query = found.wanted(loop, session, lane=lane, state=state, who=customer)
        total, newest = found.newest(session, query, limit)
        rows = [found.row(effect, loop.now()) for effect in newest]
    data = {"version": say.VERSION, "total": total, "effects": rows}
    say.out(data, as_json=as_json, view=lambda to: _draw(to, rows))
    if total > len(rows):
        say.tell(f"{total - len(rows)} more: --limit {total}")
    if any(row["waits_for"] == "operator" for row in rows):
        say.tell("how a mail ended: npsloop effects settle ID sent, or not-sent, or drop")


@app.command()
def show(
    effect: Annotated[str, typer.Argument(help="Id, or how it ends.", metavar="ID")],
    config: ConfigPath = CONFIG_PATH,
    *,
    as_json: AsJson = False,
) -> None:
    """Show one effect: whom it is for, and what happened to it."""
    from loop.cli import found  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop, loop.store.read() as session:
        [shown] = found.by_ids(session, [effect])
        data = {
            "version": say.VERSION,
            **found.row(shown, loop.now()),
            **found.more(session, shown),
        }
    say.out(data, as_json=as_json)


@app.command()
def retry(  # noqa: PLR0913 - each is a flag
    ids: Ids = None,
    config: ConfigPath = CONFIG_PATH,
    *,
    lane: Lane = None,
    state: State = None,
    customer: Who = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let effects be due now, once you have mended what was wrong: the refused, or as you say.

    A mail that was handed over, or may have been, is never sent a second time.
    """
    from loop import mend  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop:
        chosen = _by_ids(loop, ids) if ids else _in_bulk(loop, lane, state, customer, RETRYABLE)
        how = _How("try again", dry_run=dry_run, yes=yes, as_json=as_json)
        _move(loop, chosen, mend.again, how)


@app.command()
def drop(  # noqa: PLR0913 - each is a flag
    ids: Ids = None,
    config: ConfigPath = CONFIG_PATH,
    *,
    lane: Lane = None,
    state: State = None,
    customer: Who = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let effects be, the refused or as you say: they are not delivered any more."""
    from loop import mend  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop:
        chosen = _by_ids(loop, ids) if ids else _in_bulk(loop, lane, state, customer, DROPPABLE)
        how = _How("drop", dry_run=dry_run, yes=yes, as_json=as_json)
        _move(loop, chosen, mend.drop, how)


@app.command()
def settle(  # noqa: PLR0913 - each is a flag
    effect: Annotated[str, typer.Argument(help="Id, or how it ends.", metavar="ID")],
    said: Annotated[str, typer.Argument(help="sent, not-sent or drop.", metavar="HOW")],
    config: ConfigPath = CONFIG_PATH,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say how a doubtful mail ended: look it up at your mail provider first.

    `not-sent` sends it: where it did arrive, the customer gets it twice.
    """
    from loop import mend  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up
    from loop.schedule import HANDLERS  # noqa: PLC0415 - quick start-up

    say.among(said, [*mend.SETTLED_AS], "way to settle a mail")
    with opened(config) as loop:

        def move(loop: "App", session: "Session", moved: "Effect") -> None:
            mend.settle(loop, session, moved, said, HANDLERS)

        how = _How(f"settle as {said}", dry_run=dry_run, yes=yes, as_json=as_json)
        _move(loop, _by_ids(loop, [effect]), move, how)


@dataclass(frozen=True)
class _How:
    """What is done, and how the operator wants it."""

    verb: str
    dry_run: bool
    yes: bool
    as_json: bool


def _by_ids(loop: "App", ids: Sequence[str]) -> list[dict[str, Any]]:
    from loop.cli import found  # noqa: PLC0415 - quick start-up

    with loop.store.read() as session:
        return [found.row(effect, loop.now()) for effect in found.by_ids(session, ids)]


def _in_bulk(
    loop: "App", lane: str | None, state: str | None, who: str | None, states: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the effects of a lane, a state, a customer, in one of these states: else the first."""
    from loop.cli import found  # noqa: PLC0415 - quick start-up

    if lane is None and state is None and who is None:
        raise say.fail("name effects by id, or give --lane, --state or --customer", say.EXIT_USAGE)
    say.among(state, states, "state for this")
    with loop.store.read() as session:
        query = found.wanted(loop, session, lane=lane, state=state or states[0], who=who)
        return [found.row(effect, loop.now()) for effect in session.scalars(query)]


def _move(loop: "App", chosen: list[dict[str, Any]], move: Move, how: _How) -> None:
    """Show the plan, ask, move one by one, and tell what could not be moved and why."""
    _draw(say.stderr(), chosen[:LIMIT])
    moved: list[str] = []
    not_moved: dict[str, str] = {}
    if chosen and not how.dry_run:
        say.agree(f"{how.verb.capitalize()}: {say.many(len(chosen), 'effect')}?", yes=how.yes)
        for row in chosen:
            problem = _moved(loop, row["id"], move)
            if problem:
                not_moved[row["id"]] = problem
            else:
                moved.append(row["id"])
    data: dict[str, Any] = {"version": say.VERSION, "dry_run": how.dry_run}
    data |= {"plan": [row["id"] for row in chosen], "moved": moved, "not_moved": not_moved}
    say.out(
        data,
        as_json=how.as_json,
        view=lambda to: to.print(say.plain(f"{how.verb}: {len(moved)} of {len(chosen)}")),
    )
    for effect_id, problem in not_moved.items():
        say.tell(f"{effect_id[-SHORT:]}: {problem}", "red")
    if not_moved:
        raise typer.Exit(say.EXIT_FAILED)


def _moved(loop: "App", effect_id: str, move: Move) -> str:
    """Move one effect in a transaction of its own; return why it could not be moved."""
    from loop.models import Effect  # noqa: PLC0415 - quick start-up
    from loop.states import OutOfTurn  # noqa: PLC0415 - quick start-up

    try:
        with loop.store.write() as session:
            move(loop, session, session.get_one(Effect, effect_id, with_for_update=True))
    except OutOfTurn as error:
        return str(error)
    return ""


def _draw(to: "Console", rows: list[dict[str, Any]]) -> None:
    for row in rows:
        problem = f"  {row['problem']}" if row["problem"] else ""
        line = f"{row['id'][-SHORT:]}  {row['state']:<10}  {row['lane']:<22}"
        when = WAITS[row["waits_for"]] or row["due_at"][:MINUTE]
        to.print(say.plain(f"{line}  {row['kind']:<8}  {when}{problem}"))
    if not rows:
        say.tell("there are none")
