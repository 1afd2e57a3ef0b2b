"""Stage 2, nothing -> chosen: whose turn it is, and why not the others.

`judge` decides, `people` fetches what it decides by, this file keeps the result. Every customer
who is passed over has the reason in the ledger.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session, col

from loop.app import App, Purpose
from loop.choose import people
from loop.choose.judge import Candidate, Reason, Room, Rules, judge
from loop.columns import new_id
from loop.config import Program
from loop.models import Customer, Ledger, Step, Survey, Trigger
from loop.outbox import Owed, owe
from loop.states import OPEN, Kind, Stage
from loop.store import chunks, table, upsert

__all__ = ["Choice", "Reason", "customers"]

ROWS: Final = 500
"""Rows written in one transaction: short, so that answers come in between."""


class Chosen(NamedTuple):
    """Somebody whose turn it is."""

    customer_id: str
    account_id: str


class Word(NamedTuple):
    """What was decided about somebody."""

    person: Candidate
    reason: Reason
    next_at: datetime | None
    """When it is their turn again, where a date says so."""


@dataclass(kw_only=True)
class Choice:
    """Whom one program chose, and why not the others."""

    program: str
    reasons: Counter[Reason] = field(default_factory=Counter)
    chosen: list[Chosen] = field(default_factory=list)
    next_due: Counter[str] = field(default_factory=Counter)
    """How many become due on which day (ISO, UTC)."""

    def add(self, word: Word) -> None:
        """Count a word."""
        self.reasons[word.reason] += 1
        if word.reason is Reason.CHOSEN:
            self.chosen.append(Chosen(word.person.customer_id, word.person.account_id))
        if word.next_at is not None:
            self.next_due[word.next_at.date().isoformat()] += 1


def customers(
    app: App, *, only: Collection[str] | None = None, dry_run: bool = False
) -> Iterator[Choice]:
    """Choose for each program (or `only` some), touchpoints first; `dry_run` changes nothing."""
    room = people.room(app)
    taken: set[str] = set()
    programs = [one for one in app.config.programs.items() if only is None or one[0] in only]
    for name, program in sorted(programs, key=lambda item: item[1].kind == "relationship"):
        rules = _rules(app, name, program)
        choice = Choice(program=name)
        for page in people.pages(app, rules):
            room.lately = people.asked_lately(app, page)
            words = [_judge(rules, person, room, taken) for person in page]
            for word in words:
                choice.add(word)
            if not dry_run:
                _keep(app, rules, words)
                room.taken.clear()  # the database has them
                taken.clear()
            if app.stopping.is_set():
                break
        yield choice


def _rules(app: App, name: str, program: Program) -> Rules:
    """Return what a program goes by.

    One with times of its own counts its days from date to date: a rest that began a second after
    nine is over at nine, and so it is where the clocks have changed since.
    """
    now = due_by = app.now()
    if program.at:
        due_by = people.midnights(program.timezone or app.config.schedule.timezone).following(now)
    return Rules(name=name, program=program, ask=app.config.ask, now=now, due_by=due_by)


def _judge(rules: Rules, person: Candidate, room: Room, taken: set[str]) -> Word:
    reason, again = judge(rules, person, room)
    if reason is Reason.CHOSEN and person.customer_id in taken:
        reason = Reason.OPEN_SURVEY
    if reason is Reason.CHOSEN:
        room.take(person.account_id)
        taken.add(person.customer_id)
    return Word(person, reason, again)


def _keep(app: App, rules: Rules, words: Sequence[Word]) -> None:
    """Make the surveys, and write down the words that are new."""
    chosen = [word.person for word in words if word.reason is Reason.CHOSEN]
    for start in range(0, len(chosen), ROWS):
        with app.store.write() as session:
            _make(app, session, rules, chosen[start : start + ROWS])
    now = app.now()
    rows = [
        {
            "program": rules.name,
            "customer_id": word.person.customer_id,
            "reason": word.reason,
            "at": now,
            "next_at": word.next_at,
        }
        for word in _news(app, rules, words)
    ]
    for start in range(0, len(rows), ROWS):
        with app.store.write() as session:
            upsert(
                session,
                Ledger,
                rows[start : start + ROWS],
                key=("program", "customer_id"),
                update=("reason", "at", "next_at"),
            )


def _news(app: App, rules: Rules, words: Sequence[Word]) -> list[Word]:
    """Return the words that the ledger does not have yet: most people wait as they did."""
    known: dict[str, tuple[str, datetime | None]] = {}
    query = select(col(Ledger.customer_id), col(Ledger.reason), col(Ledger.next_at))
    with app.store.read() as session:
        for some in chunks([word.person.customer_id for word in words]):
            mine = query.where(col(Ledger.program) == rules.name, col(Ledger.customer_id).in_(some))
            known |= {who: (was, at) for who, was, at in session.connection().execute(mine)}
    return [
        word for word in words if known.get(word.person.customer_id) != (word.reason, word.next_at)
    ]


def _make(app: App, session: Session, rules: Rules, chosen: Sequence[Candidate]) -> None:
    """Make the surveys, save for people whom somebody else has chosen meanwhile."""
    now = app.now()
    free = _still_free(app, session, rules, [person.customer_id for person in chosen])
    snapshots = people.snapshots(
        app, session, rules.program, [p for p in chosen if p.customer_id in free]
    )
    surveys = [
        _survey(app, rules.name, person, snapshots[person.customer_id])
        for person in chosen
        if person.customer_id in free
    ]
    session.add_all(surveys)
    session.add_all(
        Step(survey_id=survey.id, was="", to=Stage.CHOSEN, at=now, why=survey.program)
        for survey in surveys
    )
    session.flush()
    for survey in surveys:
        if survey.trigger_id:
            session.connection().execute(
                update(table(Trigger))
                .where(table(Trigger).c.id == survey.trigger_id)
                .values(survey_id=survey.id)
            )
    owe(
        session,
        [
            Owed(kind=Kind.ASK, about=survey.id, survey_id=survey.id, due_at=now)
            for survey in surveys
        ],
        now,
    )


def _still_free(app: App, session: Session, rules: Rules, customer_ids: Sequence[str]) -> set[str]:
    """Return those who have not been chosen since they were judged, and hold them fast."""
    held = select(col(Customer.id)).where(col(Customer.id).in_(customer_ids))
    held = held.order_by(col(Customer.id)).with_for_update()
    free = set(session.connection().execute(held).scalars())
    since = rules.due_by - timedelta(days=rules.ask.rest_days)
    busy = select(col(Survey.customer_id)).where(
        col(Survey.customer_id).in_(customer_ids),
        (col(Survey.stage).in_(OPEN) & (col(Survey.expires_at) > app.now()))
        | (col(Survey.chosen_at) > since),
    )
    return free - set(session.connection().execute(busy).scalars())


def _survey(app: App, program: str, person: Candidate, snapshot: dict[str, str]) -> Survey:
    survey_id, now = new_id(), app.now()
    return Survey(
        id=survey_id,
        program=program,
        customer_id=person.customer_id,
        contact_id=person.contact_id,
        account_id=person.account_id,
        owner_id=person.owner_id,
        trigger_id=person.trigger_id,
        stage=Stage.CHOSEN,
        chosen_at=now,
        expires_at=now + timedelta(days=app.config.ask.open_days),
        answer_hash=app.keys.hash_of(Purpose.ANSWER, survey_id),
        leave_hash=app.keys.hash_of(Purpose.LEAVE, survey_id),
        snapshot=snapshot,
    )
