"""What runs when, and who handles which effect, on one page."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from connectors.errors import ConnectorError
from loop import ask, choose, close, follow_up, keep, leave, pull, refer, write_back
from loop.app import App
from loop.config import JobName
from loop.outbox import Handler, drain, reap, settle_by_evidence, settle_by_look_up
from loop.schedule.past import forget_old
from loop.slots import At, Every, Plan
from loop.states import MAIL, Kind, lane

log: Final = logging.getLogger(__name__)

HANDLERS: Final[Mapping[Kind, Handler]] = {
    Kind.ASK: ask.HANDLER,
    Kind.SCORE: write_back.SCORE,
    Kind.HISTORY: write_back.HISTORY,
    Kind.ROLL_UP: write_back.ROLL_UP,
    Kind.TASK: follow_up.TASK,
    Kind.WORD: follow_up.WORD,
    Kind.INVITE: refer.INVITE,
    Kind.LEAD: refer.LEAD,
}

FIRST_IN_CRM: Final = (Kind.SCORE, Kind.ROLL_UP, Kind.HISTORY, Kind.TASK, Kind.LEAD)
"""Contacts before tasks: a task locks the rows that a score is written to."""


Run = Callable[[App], str]
"""Returns what came of it, in words; none where there was nothing to do."""


@dataclass(frozen=True)
class Job:
    """Something that runs again and again, one at a time."""

    run: Run
    what: str
    outward: bool = False
    """It mails, or writes to a CRM: whoever runs it by hand is asked first."""


@dataclass(frozen=True)
class Planned:
    """A job, and when it runs, from the configuration."""

    job: Job
    plan: Plan
    skips_missed: bool = False


def deliver(app: App) -> int:
    """Deliver what is due in every lane; return how many effects were settled."""
    return sum(drain(app, name, HANDLERS) for name in lanes(app))


def lanes(app: App) -> list[str]:
    """Return the lanes in the order in which they are drained."""
    crm_lanes = [lane(name, kind) for name in app.crms for kind in FIRST_IN_CRM]
    return [lane(MAIL, Kind.ASK), *crm_lanes]


def planned(app: App) -> dict[str, Planned]:
    """Return every job by its name: ours, and one for each program that has times of its own."""
    own = app.config.schedule
    every = {"pull": own.pull_s, "choose": own.choose_s, "deliver": own.deliver_s}
    every |= {"close": own.close_s, "tidy": own.tidy_s}
    found: dict[str, Planned] = {}
    for ours, job in JOBS.items():
        at = own.at.get(ours)
        plan = At(at, own.timezone) if at else Every(every[ours])
        found[ours] = Planned(job, plan, ours in own.skip_missed)
    for name, program in app.config.programs.items():
        if program.at:
            job = Job(partial(_choose, only={name}), f"whose turn it is in {name}")
            plan = At(program.at, program.timezone or own.timezone)
            found[f"choose.{name}"] = Planned(job, plan, program.skip_missed)
    return found


def _pull(app: App) -> str:
    """Pull from every CRM; one that is down does not stop the others."""
    failed: list[ConnectorError] = []
    counts: Counter[str] = Counter()
    for name in app.crms:
        try:
            for page in pull.customers(app, only=name):
                counts[page.records] += page.count
        except ConnectorError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return _words(counts)


def _choose(app: App, only: Collection[str] | None = None) -> str:
    """Choose for some programs: where none is named, for all without times of their own."""
    if only is None:
        only = {name for name, program in app.config.programs.items() if not program.at}
    return _words(
        {f"by {one.program}": len(one.chosen) for one in choose.customers(app, only=only)}
    )


def _deliver(app: App) -> str:
    return _words({"settled": deliver(app)})


def _close(app: App) -> str:
    return _words(close.finished(app))


def _tidy(app: App) -> str:
    counts = Counter({"claims freed": reap(app), "settled": settle_by_evidence(app, HANDLERS)})
    while lapsed := leave.lapse(app):
        counts["lapsed"] += lapsed
    forget_old(app)
    counts += Counter({f"old {what} let go": count for what, count in keep.tidy(app).items()})
    counts["settled"] += settle_by_look_up(app, HANDLERS)
    return _words(counts)


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


JOBS: Final[Mapping[JobName, Job]] = {
    "pull": Job(_pull, "customers come in from the CRMs"),
    "choose": Job(_choose, "whose turn it is"),
    "deliver": Job(_deliver, "mails, scores and tasks go out", outward=True),
    "close": Job(_close, "what has been dealt with is closed"),
    "tidy": Job(_tidy, "surveys lapse, doubts are settled, what is old is let go"),
}
