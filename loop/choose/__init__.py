"""Stage 2, nothing -> chosen: whose turn it is, and why not the others.

`judge` decides, `people` fetches what it decides by, this file keeps the result. Every customer
who is passed over has the reason in the ledger.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

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
from loop.store import table, upsert

__all__ = ["Choice", "Reason", "customers"]

ROWS: Final = 500
"""Rows written in one transaction: short, so that answers come in between."""


@dataclass(kw_only=True)
class Choice:
    """Whom one program chose, and why not the others."""

    program: str
    reasons: Counter[Reason] = field(default_factory=Counter)
    chosen: list[Candidate] = field(default_factory=list)
    ledger: list[tuple[str, Reason, datetime | None]] = field(default_factory=list)
    """Customer, reason, and when it is their turn again where a date says so."""

    @property
    def next_due(self) -> Counter[str]:
        """Return how many become due on which day (ISO, UTC)."""
        return Counter(again.date().isoformat() for _, _, again in self.ledger if again)


def customers(app: App, *, dry_run: bool = False) -> Iterator[Choice]:
    """Choose for each program, touchpoints first; with `dry_run`, change nothing."""
    room = people.room(app)
    taken: set[str] = set()
    programs = sorted(app.config.programs.items(), key=lambda item: item[1].kind == "relationship")
    for name, program in programs:
        choice = _choose(
            app, Rules(name=name, program=program, ask=app.config.ask, now=app.now()), room, taken
        )
        if not dry_run:
            _keep(app, program, choice)
        yield choice


def _choose(app: App, rules: Rules, room: Room, taken: set[str]) -> Choice:
    choice = Choice(program=rules.name)
    for person in people.candidates(app, rules):
        reason, again = judge(rules, person, room)
        if reason is Reason.CHOSEN and person.customer_id in taken:
            reason = Reason.OPEN_SURVEY
        if reason is Reason.CHOSEN:
            room.take(person.account_id)
            taken.add(person.customer_id)
            choice.chosen.append(person)
        choice.reasons[reason] += 1
        choice.ledger.append((person.customer_id, reason, again))
    return choice


def _keep(app: App, program: Program, choice: Choice) -> None:
    now = app.now()
    for start in range(0, len(choice.chosen), ROWS):
        with app.store.write() as session:
            _make(app, session, program, choice, choice.chosen[start : start + ROWS])
    for start in range(0, len(choice.ledger), ROWS):
        rows = {
            customer_id: {
                "program": choice.program,
                "customer_id": customer_id,
                "reason": reason,
                "at": now,
                "next_at": again,
            }
            for customer_id, reason, again in choice.ledger[start : start + ROWS]
        }
        with app.store.write() as session:
            key = ("program", "customer_id")
            upsert(
                session, Ledger, list(rows.values()), key=key, update=("reason", "at", "next_at")
            )


def _make(
    app: App, session: Session, program: Program, choice: Choice, chosen: Sequence[Candidate]
) -> None:
    """Make the surveys, save for people whom somebody else has chosen meanwhile."""
    now = app.now()
    free = _still_free(app, session, [person.customer_id for person in chosen])
    snapshots = people.snapshots(
        app, session, program, [p for p in chosen if p.customer_id in free]
    )
    surveys = [
        _survey(app, choice.program, person, snapshots[person.customer_id])
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


def _still_free(app: App, session: Session, customer_ids: Sequence[str]) -> set[str]:
    """Return those who have not been chosen since they were judged, and hold them fast."""
    held = select(col(Customer.id)).where(col(Customer.id).in_(customer_ids))
    held = held.order_by(col(Customer.id)).with_for_update()
    free = set(session.connection().execute(held).scalars())
    since = app.now() - timedelta(days=app.config.ask.rest_days)
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
