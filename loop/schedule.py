"""What runs when, and who handles which effect, on one page."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from connectors.errors import ConnectorError
from loop import ask, choose, close, follow_up, leave, pull, refer, write_back
from loop.app import App
from loop.models import JobRun
from loop.outbox import Handler, drain, reap, settle_by_evidence
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


@dataclass(frozen=True)
class Job:
    """Something that runs again and again."""

    run: Callable[[App], object]
    every: Callable[[App], float]
    """Seconds between two runs, from the configuration."""
    what: str


def _pull(app: App) -> None:
    """Pull from every CRM; one that is down does not stop the others."""
    failed: list[ConnectorError] = []
    for name in app.crms:
        try:
            for _ in pull.customers(app, only=name):
                pass
        except ConnectorError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _choose(app: App) -> None:
    for choice in choose.customers(app):
        log.info("program %s chose %d", choice.program, len(choice.chosen))


def deliver(app: App) -> int:
    """Deliver what is due in every lane; return how many effects were settled."""
    return sum(drain(app, name, HANDLERS) for name in lanes(app))


def lanes(app: App) -> list[str]:
    """Return the lanes in the order in which they are drained."""
    crm_lanes = [lane(name, kind) for name in app.crms for kind in FIRST_IN_CRM]
    return [lane(MAIL, Kind.ASK), *crm_lanes]


def _tidy(app: App) -> None:
    reap(app)
    settle_by_evidence(app, HANDLERS)
    while leave.lapse(app):
        pass


JOBS: Final[Mapping[str, Job]] = {
    "pull": Job(_pull, lambda app: app.config.schedule.pull_s, "customers come in from the CRM"),
    "choose": Job(_choose, lambda app: app.config.schedule.choose_s, "whose turn it is"),
    "deliver": Job(deliver, lambda app: app.config.schedule.deliver_s, "mails, scores, tasks"),
    "close": Job(close.finished, lambda app: app.config.schedule.close_s, "what is dealt with"),
    "tidy": Job(_tidy, lambda app: app.config.schedule.tidy_s, "surveys lapse, claims are freed"),
}


def run(app: App, name: str) -> bool:
    """Run a job and write down how it went; tell whether it went well."""
    started, problem = app.now(), ""
    try:
        JOBS[name].run(app)
    except ConnectorError as error:
        problem = str(error)
        log.warning("job %s: %s", name, problem)
    except Exception as error:
        problem = f"a bug of ours: {type(error).__name__}; see the log"
        log.exception("job %s met a bug of ours", name)
    row = JobRun(name=name, started_at=started, ended_at=app.now(), problem=problem)
    with app.store.write() as session:
        session.merge(row)
    return not problem
