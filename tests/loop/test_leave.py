"""The ways out."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.ports import MailEvent, MailEventKind, TriggerEvent
from connectors.ports import Trigger as Closed
from loop import leave
from loop.models import Answer, Contact, Customer, Effect, Revision, Suppression, Survey, Trigger
from loop.models import MailEvent as Kept
from loop.schedule import HANDLERS
from loop.states import EffectState, Kind, Stage
from loop.store import Store
from tests.loop.conftest import MONDAY, World, make_world


def event(world: World, kind: MailEventKind, n: int = 0, **more: Any) -> MailEvent:  # noqa: ANN401 - an event's fields
    """Return something that happened to the first mail that asks."""
    [key] = [e.key for e in world.all(Effect) if e.kind is Kind.ASK][:1]
    at = MONDAY + timedelta(minutes=n)
    return MailEvent(id=f"{kind}-{n}", mail_key=key, kind=kind, at=at, **more)


def take(world: World, *events: MailEvent) -> int:
    """Let the provider tell."""
    return leave.take_events(world.app, events, HANDLERS)


@pytest.fixture
def asked(world: World) -> World:
    """Give a world in which Ann was asked."""
    world.add()
    world.ask()
    return world


def test_a_hard_bounce_ends_the_survey_and_the_writing(asked: World) -> None:
    """The address is never written to again; a soft bounce changes nothing."""
    take(asked, event(asked, MailEventKind.BOUNCED, 1))
    assert asked.only(Survey).stage is Stage.ASKED

    take(asked, event(asked, MailEventKind.BOUNCED, 2, permanent=True))
    assert asked.only(Survey).stage is Stage.BOUNCED
    assert asked.only(Suppression).reason == "bounced"


def test_a_complaint_is_an_unsubscribe(asked: World) -> None:
    """Whoever presses "spam" is not written to again, and no page can undo it."""
    take(asked, event(asked, MailEventKind.COMPLAINED))
    with asked.app.store.write() as session:
        leave.resubscribe(asked.app, session, asked.only(Survey))

    assert asked.only(Suppression).reason == "complained"


def test_a_bounce_that_was_a_mistake_does_not_keep_the_answer_out(asked: World) -> None:
    """A person who answers has got the mail."""
    take(asked, event(asked, MailEventKind.BOUNCED, permanent=True))
    asked.answer(8)

    assert asked.only(Survey).stage is Stage.ANSWERED


def test_events_of_mails_that_are_not_ours_change_nothing(asked: World) -> None:
    """Somebody else's mail goes through the same account."""
    foreign = MailEvent(id="x", mail_key="", kind=MailEventKind.BOUNCED, at=MONDAY, permanent=True)
    unknown = MailEvent(id="y", mail_key="ask:nobody", kind=MailEventKind.COMPLAINED, at=MONDAY)

    assert take(asked, foreign, unknown) == 0
    assert asked.all(Suppression) == []


HISTORY = (
    (MailEventKind.PROCESSED, 0),
    (MailEventKind.DELIVERED, 1),
    (MailEventKind.OPENED, 2),
    (MailEventKind.CLICKED, 3),
    (MailEventKind.COMPLAINED, 4),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(order=st.permutations([*HISTORY, *HISTORY, HISTORY[4]]))
def test_any_order_and_any_copies_end_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[MailEventKind, int]]
) -> None:
    """Copies and disorder are harmless."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('events') / 'npsloop.db'}")
    store.upgrade()
    world = make_world(store)
    world.add()
    world.ask()

    for kind, n in order:
        take(world, event(world, kind, n))

    assert len(world.all(Kept)) == len(HISTORY)
    assert world.only(Survey).stage is Stage.UNSUBSCRIBED
    assert world.only(Suppression).reason == "complained"
    store.close()


def test_a_survey_that_nobody_answers_lapses(asked: World) -> None:
    """After sixty days the link is over."""
    asked.clock.forward(days=59)
    assert leave.lapse(asked.app) == 0
    asked.clock.forward(days=1)
    assert leave.lapse(asked.app) == 1
    assert asked.only(Survey).stage is Stage.LAPSED


def test_who_is_forgotten_leaves_no_word_behind(asked: World, store: Store) -> None:
    """Names, address and comments are gone; the score stays, and no mail goes out again."""
    asked.answer(2, "my secret words")
    with asked.app.store.write() as session:
        leave.forget(asked.app, session, session.get_one(Customer, asked.only(Customer).id))

    told = " ".join(
        repr(row)
        for model in (Contact, Customer, Survey, Answer, Revision)
        for row in asked.all(model)
    )
    for word in ("Ann", "Archer", "ann@acme.example", "my secret words"):
        assert word not in told
    assert asked.only(Answer).score == 2
    asked.clock.forward(days=365)
    asked.ask()
    assert len(asked.mailer.sent) == 1


def forget(world: World) -> str:
    """Forget Ann, and return her record's id."""
    customer_id = world.only(Survey).customer_id
    with world.app.store.write() as session:
        leave.forget(world.app, session, session.get_one(Customer, customer_id))
    return world.only(Contact).remote_id


def words(world: World) -> str:
    return " ".join(repr(row) for model in (Contact, Customer, Trigger) for row in world.all(model))


def test_no_pull_brings_back_who_was_forgotten(asked: World) -> None:
    """Not her record, whatever it says now, nor what is written about her, nor her address."""
    record = forget(asked)

    asked.add(record, "ann.anew@acme.example")
    asked.add("c2", "Ann@acme.example")
    for n, contact_id in enumerate((record, "c2")):
        asked.crm.state.triggers[f"t{n}"] = Closed(
            id=f"t{n}",
            event=TriggerEvent.CASE_CLOSED,
            contact_id=contact_id,
            subject="Ann's secret",
            at=asked.clock.at,
        )
    asked.clock.forward(days=365)
    asked.ask()

    assert "Ann" not in words(asked)
    assert "ann" not in words(asked)
    assert len(asked.mailer.sent) == 1


def test_a_record_that_comes_to_be_of_somebody_forgotten_is_erased(asked: World) -> None:
    """It was Ben's, and has Ann's address now."""
    forget(asked)
    asked.add("c2", "ben@acme.example", first_name="Ben", last_name="Baker")
    asked.pull()
    asked.add("c2", "ann@acme.example")
    asked.clock.forward(days=365)
    asked.ask()

    [ben] = [contact for contact in asked.all(Contact) if contact.remote_id == "c2"]
    assert (ben.name, ben.email) == ("", "")
    assert ben.gone_at is not None
    assert len(asked.mailer.sent) == 1


def test_an_unsubscribe_reaches_what_is_due_already(asked: World) -> None:
    """The invitation that waits is not sent."""
    asked.answer(10)
    with asked.app.store.write() as session:
        leave.unsubscribe(asked.app, session, asked.only(Survey))
    asked.deliver()

    [invite] = [e for e in asked.all(Effect) if e.kind is Kind.INVITE]
    assert invite.state is EffectState.SUPPRESSED
    assert len(asked.mailer.sent) == 1
