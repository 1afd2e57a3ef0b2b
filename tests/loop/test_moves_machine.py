"""Surveys, cases, referrals and effects move as their tables say, in whatever order it is tried."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlmodel import Session, SQLModel, delete, select

from loop import mend, moves, states
from loop.models import Case, Customer, Effect, Referral, Step, Survey
from loop.schedule import HANDLERS
from loop.states import CaseState, EffectState, Kind, OutOfTurn, ReferralState, Stage
from loop.store import Store
from tests.loop.conftest import MONDAY, World, make_world

Move = Callable[[Session, Any, Any, Any], None]
ID: Final = "s1"


class Moved(RuleBasedStateMachine):
    """One row, and everything that somebody might want it to become."""

    model: type[SQLModel]
    column: str
    words: type[StrEnum]
    table: frozenset[tuple[StrEnum, StrEnum]]
    prefix = ""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store, self.steps = store, 0
        with store.write() as session:
            for table in reversed(SQLModel.metadata.sorted_tables):
                session.connection().execute(delete(table))
            session.add(Customer(id="p1", created_at=MONDAY))
            session.flush()
            session.add(survey())
            session.flush()
            session.add_all(row for row in (case(), referral()) if isinstance(row, self.model))
        self.state = self.now()

    def now(self) -> StrEnum:
        with self.store.read() as session:
            return self.words(getattr(session.exec(select(self.model)).one(), self.column))

    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        """Try any move: it is done where the table has it, and else nothing is changed."""
        to = data.draw(st.sampled_from(self.words))
        allowed = (self.state, to) in self.table
        try:
            with self.store.write() as session:
                row = session.exec(select(self.model)).one()
                verb(self.model)(session, row, to, MONDAY + timedelta(days=self.steps))
        except OutOfTurn:
            assert not allowed
        else:
            assert allowed
            self.state, self.steps = to, self.steps + 1

    @invariant()
    def the_row_says_so_and_each_move_left_its_step(self) -> None:
        assert self.now() is self.state
        with self.store.read() as session:
            steps = session.exec(select(Step).order_by(Step.at)).all()
        assert len(steps) == self.steps
        if steps:
            assert steps[-1].to == f"{self.prefix}{self.state}"
        assert all(one.to == other.was for one, other in pairwise(steps))


class Surveys(Moved):
    model, column, words, table = Survey, "stage", Stage, frozenset(states.SURVEY)


class Cases(Moved):
    model, column, words, table, prefix = Case, "state", CaseState, states.CASE, "case "

    @invariant()
    def only_what_is_over_has_an_end(self) -> None:
        with self.store.read() as session:
            closed_at = session.exec(select(Case)).one().closed_at
        assert (closed_at is None) == (self.state is CaseState.OPEN)


class Referrals(Moved):
    model, column, words, table = Referral, "state", ReferralState, states.REFERRAL
    prefix = "referral "


def verb(model: type[SQLModel]) -> Move:
    return {Survey: moves.survey, Case: moves.case, Referral: moves.referral}[model]


def survey() -> Survey:
    return Survey(
        id=ID,
        program="relationship",
        customer_id="p1",
        contact_id="crm:c1",
        chosen_at=MONDAY,
        expires_at=MONDAY + timedelta(days=60),
        answer_hash="a",
        leave_hash="l",
    )


def case() -> Case:
    return Case(survey_id=ID, opened_at=MONDAY)


def referral() -> Referral:
    return Referral(
        survey_id=ID, customer_id="p1", link_hash="r", created_at=MONDAY, expires_at=MONDAY
    )


class Effects(RuleBasedStateMachine):
    """One question's mail in any state, and an operator who tries everything on it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.sent = world, len(world.mailer.sent)
        world.mailer.sent.clear()
        self._set(EffectState.DUE)

    def _set(self, state: EffectState) -> None:
        with self.world.app.store.write() as session:
            effect = session.exec(select(Effect).where(Effect.kind == Kind.ASK)).one()
            effect.state, effect.due_at = state, self.world.clock.at
            session.get_one(Survey, effect.survey_id).stage = Stage.CHOSEN
        self.state = state

    @rule(state=st.sampled_from(EffectState))
    def becomes(self, state: EffectState) -> None:
        """Whatever became of it."""
        self._set(state)

    @rule(verb=st.sampled_from(["again", "drop", *mend.SETTLED_AS]))
    def tries(self, verb: str) -> None:
        """An operator's word is obeyed where the table has the move, and else changes nothing."""
        to = {"again": EffectState.DUE, "drop": EffectState.DROPPED} | mend.SETTLED_AS
        try:
            with self.world.app.store.write() as session:
                effect = session.exec(select(Effect).where(Effect.kind == Kind.ASK)).one()
                if verb == "again":
                    mend.again(self.world.app, session, effect)
                elif verb == "drop" and self.state is not EffectState.UNKNOWN:
                    mend.drop(self.world.app, session, effect)
                else:
                    mend.settle(self.world.app, session, effect, verb, HANDLERS)
        except OutOfTurn:
            assert self._now() is self.state
        else:
            assert self._now() is to[verb]
            assert self.state is to[verb] or (self.state, to[verb]) in states.EFFECT
            self.state = to[verb]

    def _now(self) -> EffectState:
        with self.world.app.store.read() as session:
            effect = session.exec(select(Effect).where(Effect.kind == Kind.ASK)).one()
            return EffectState(effect.state)

    @rule()
    def deliver(self) -> None:
        """What is due goes out; what is in any other state does not."""
        before = len(self.world.mailer.sent)
        self.world.deliver()
        went = len(self.world.mailer.sent) - before
        assert went == (self.state is EffectState.DUE)
        self.state = EffectState.DONE if went else self.state
        assert self._now() is self.state


@pytest.fixture(scope="module")
def lite() -> Iterator[Store]:
    made = Store("sqlite://")
    made.upgrade()
    yield made
    made.close()


def run(machine: Callable[[], RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # called as a class is
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("machine", [Surveys, Cases, Referrals])
def test_a_row_moves_as_its_table_says_and_else_stays_untouched(
    machine: type[Moved], lite: Store
) -> None:
    """Each move that is done leaves its step."""
    run(lambda: machine(lite))


def test_an_operator_moves_a_mail_as_the_table_says(lite: Store) -> None:
    """Nothing that may have gone out goes out again by any of it."""
    world = make_world(lite)
    world.add()
    world.pull()
    world.choose()

    run(lambda: Effects(world))
