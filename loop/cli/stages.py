"""`npsloop pull`, `choose` and `deliver`: one stage at a time, by hand."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath, DryRun, Yes

if TYPE_CHECKING:
    from rich.console import Console

    from connectors.errors import ConnectorError
    from loop.app import App
    from loop.choose import Choice
    from loop.cli.due import Delivery

DAYS_SHOWN: Final = 7


def pull(
    config: ConfigPath = CONFIG_PATH,
    *,
    crm: Annotated[str | None, typer.Option(help="Only this CRM.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring customers in from the CRMs: what changed since last time."""
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as app:
        names = say.among(crm, list(app.crms), "CRM")
        counts: dict[str, dict[str, Any]] = {}
        problems: list[ConnectorError] = []
        for name in names:
            counts[name], problem = _pulled(app, name)
            problems += [problem] if problem else []
    data = {"version": say.VERSION, "crms": counts}
    say.out(data, as_json=as_json, view=lambda to: _draw_pulled(to, counts))
    if not names:
        say.tell("no CRM is configured: npsloop init, or crms in the configuration")
    say.end(problems)


def _pulled(app: "App", name: str) -> "tuple[dict[str, Any], ConnectorError | None]":
    """Pull from one CRM; one that does not answer stops no other."""
    from connectors.errors import ConnectorError  # noqa: PLC0415 - quick start-up
    from loop import pull as stage  # noqa: PLC0415 - quick start-up
    from loop.cli.progress import progress  # noqa: PLC0415 - quick start-up

    counts: Counter[str] = Counter(owners=0, accounts=0, contacts=0, triggers=0, gone=0, bad=0)
    problem: ConnectorError | None = None
    with progress(f"pull {name}") as tick:
        try:
            for page in stage.customers(app, only=name):
                counts[page.records] += page.count
                counts["gone"] += page.gone
                counts["bad"] += page.bad
                tick(page.count)
        except ConnectorError as error:
            problem = error
    return {**counts, "problem": str(problem or "")}, problem


def _draw_pulled(to: "Console", crms: dict[str, dict[str, Any]]) -> None:
    for name, counts in crms.items():
        numbers = ", ".join(f"{counts[w]} {w}" for w in counts if w not in {"problem", "bad"})
        bad = f"; {counts['bad']} could not be kept, see the log" if counts["bad"] else ""
        to.print(say.plain(f"{name}: {numbers}{bad}"))


def choose(
    config: ConfigPath = CONFIG_PATH, *, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Choose whose turn it is, and tell why not the others.

    What is chosen is owed a mail: `npsloop ask` sends it, or `npsloop run` at its next turn.
    """
    from loop import choose as stage  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up
    from loop.cli.progress import progress  # noqa: PLC0415 - quick start-up

    choices = []
    with opened(config) as app, progress("choose", len(app.config.programs)) as tick:
        for choice in stage.customers(app, dry_run=dry_run):
            choices.append(choice)
            tick(1)
    data = {"version": say.VERSION, "dry_run": dry_run, "programs": told(choices)}
    say.out(data, as_json=as_json, view=lambda to: _draw_choices(to, choices))
    if not choices:
        say.tell("no program is configured: add one under programs in the configuration")
    elif dry_run:
        say.tell("nothing was changed")


def told(choices: "list[Choice]") -> dict[str, Any]:
    """Return choices as JSON has them."""
    return {
        choice.program: {
            "chosen": len(choice.chosen),
            "reasons": {str(reason): n for reason, n in choice.reasons.most_common()},
            "next_due": dict(sorted(choice.next_due.items())),
        }
        for choice in choices
    }


def _draw_choices(to: "Console", choices: "list[Choice]") -> None:
    for choice in choices:
        to.print(say.plain(f"{choice.program}: {len(choice.chosen)} chosen", "bold"))
        for reason, count in choice.reasons.most_common():
            if reason != "chosen":
                to.print(say.plain(f"{count:>8}  {reason}"))
        days = sorted(choice.next_due.items())
        if days:
            shown = ", ".join(f"{day} ({count})" for day, count in days[:DAYS_SHOWN])
            more = f" and {len(days) - DAYS_SHOWN} more days" if len(days) > DAYS_SHOWN else ""
            to.print(say.plain(f"    next due: {shown}{more}"))


def deliver(
    config: ConfigPath = CONFIG_PATH,
    *,
    lane: Annotated[
        str | None, typer.Option(help="Only this lane, as `npsloop status` shows them.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Deliver what is due: mails, and what goes onto records in the CRMs."""
    from loop import schedule  # noqa: PLC0415 - quick start-up
    from loop.cli.due import due, waiting  # noqa: PLC0415 - quick start-up
    from loop.cli.lock import shared  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as app, shared(app.store):
        lanes = say.among(lane, schedule.lanes(app), "lane")
        planned = {name: due(app, name) for name in lanes}
        later = waiting(app)
        plan = {
            name: {"due": len(ids), "later": later.get(name, 0)} for name, ids in planned.items()
        }
        _draw_plan(plan)
        done: list[Delivery] = []
        if not dry_run and any(planned.values()):
            total = sum(map(len, planned.values()))
            say.agree(f"Deliver {say.many(total, 'effect')}?", yes=yes)
            done = _delivered(app, planned)
    result = {each.lane: dict(each.states) for each in done}
    data = {"version": say.VERSION, "dry_run": dry_run, "plan": plan, "result": result}
    say.out(data, as_json=as_json, view=lambda to: draw_deliveries(to, done))
    if dry_run:
        say.tell("nothing was changed")
    say.end([each.problem for each in done if each.problem is not None])


def _delivered(app: "App", planned: dict[str, list[str]]) -> "list[Delivery]":
    from loop.cli.due import deliver as deliver_lane  # noqa: PLC0415 - quick start-up
    from loop.cli.progress import progress  # noqa: PLC0415 - quick start-up

    done = []
    for name, ids in planned.items():
        if ids:
            with progress(name, len(ids)) as tick:
                done.append(deliver_lane(app, name, ids, tick))
    return done


def _draw_plan(plan: dict[str, dict[str, int]]) -> None:
    for name, counts in plan.items():
        if any(counts.values()):
            later = f", {counts['later']} later" if counts["later"] else ""
            say.tell(f"{name}: {counts['due']} due{later}")
    if not any(counts["due"] for counts in plan.values()):
        say.tell("nothing is due")


def draw_deliveries(to: "Console", done: "list[Delivery]") -> None:
    """Draw how each lane ended, and what to do about what did not go well."""
    refused = 0
    for each in done:
        states = ", ".join(f"{count} {state}" for state, count in each.states.most_common())
        to.print(say.plain(f"{each.lane}: {states}"))
        refused += each.states["refused"] + each.states["unknown"]
    if refused:
        say.tell("next: npsloop effects list --state refused (or unknown)")
