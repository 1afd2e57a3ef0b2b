"""Whose turn it is, and why not the others."""

from datetime import timedelta

import pytest

from connectors import ports
from loop.choose import Reason
from loop.models import Ledger, Survey, Trigger
from loop.store import Store
from tests.loop.conftest import World, make_world

RELATION = "relationship"


def reasons(world: World, program: str = RELATION) -> dict[str, int]:
    """Return the counts by reason."""
    return {str(reason): n for reason, n in world.choose()[program].reasons.items()}


@pytest.mark.parametrize(
    "contact,reason",
    [
        ({"email": ""}, Reason.NO_ADDRESS),
        ({"email": "  "}, Reason.NO_ADDRESS),
        ({"email": "b.levy@expressl&t.net"}, Reason.INVALID_ADDRESS),
        ({"email": "nobody"}, Reason.INVALID_ADDRESS),
        ({"email": "two@acme.example, three@acme.example"}, Reason.INVALID_ADDRESS),
        ({"opted_out": True}, Reason.OPTED_OUT),
        ({"bounced": True}, Reason.BOUNCED),
        ({"last_name": "O'Brien", "email": "o'brien@acme.example"}, Reason.CHOSEN),
    ],
)
def test_a_record_s_own_reasons(world: World, contact: dict[str, object], reason: Reason) -> None:
    """Each record that cannot be asked says why in the ledger."""
    world.add(**contact)
    world.pull()

    assert reasons(world) == {reason: 1}
    assert world.only(Ledger).reason == reason


def test_nobody_is_asked_twice_within_the_rest(world: World) -> None:
    """The longer clock is told: the program's 90 days here, its day in the ledger."""
    world.add()
    world.ask()
    world.answer(9)

    world.clock.forward(days=89)
    assert reasons(world) == {Reason.NOT_DUE: 1}
    assert world.only(Ledger).next_at == world.clock.at + timedelta(days=1)
    world.clock.forward(days=1)
    assert reasons(world) == {Reason.CHOSEN: 1}


def test_the_rest_holds_across_programs(store: Store) -> None:
    """Asked about a case a month ago, they rest from the relationship survey too."""
    world = make_world(store, ask={"rest_days": 120})
    world.add()
    closed_case(world)
    world.ask()
    world.answer(9)

    world.clock.forward(days=100)
    assert reasons(world) == {Reason.RESTING: 1}


def test_an_open_survey_comes_first(world: World) -> None:
    """Whoever has a question to answer is not asked another, until it lapses."""
    world.add()
    world.ask()

    world.clock.forward(days=59)
    assert reasons(world) == {Reason.OPEN_SURVEY: 1}
    world.clock.forward(days=31)
    assert reasons(world) == {Reason.CHOSEN: 1}


def test_one_person_in_two_records_is_asked_once(world: World) -> None:
    """The same address, in other letters, is the same person."""
    world.add("c1", "ann@acme.example")
    world.add("c2", " Ann@ACME.example ")
    world.ask()

    assert len(world.mailer.sent) == 1
    world.answer(9)
    world.deliver()
    assert {score.contact_id for score in world.crm.state.scores.values()} == {"c1", "c2"}


def test_an_account_is_not_flooded(store: Store) -> None:
    """At most two people of Acme are asked; somebody of no account does not count."""
    world = make_world(store, ask={"per_account_max": 2})
    world.add_account()
    for n in range(4):
        world.add(f"c{n}", f"p{n}@acme.example", account_id="a1")
    world.add("free", "free@acme.example")
    world.pull()

    assert reasons(world) == {Reason.CHOSEN: 3, Reason.ACCOUNT_FULL: 2}
    assert reasons(world)[Reason.ACCOUNT_FULL] == 2


def test_a_day_has_its_number(store: Store) -> None:
    """Who does not fit today fits tomorrow."""
    world = make_world(store, ask={"per_day_max": 3, "per_account_max": 100})
    for n in range(5):
        world.add(f"c{n}", f"p{n}@acme.example")
    world.pull()

    assert reasons(world) == {Reason.CHOSEN: 3, Reason.DAY_FULL: 2}
    world.clock.forward(days=1)
    assert reasons(world)[Reason.CHOSEN] == 2


def test_a_sample_is_drawn_by_its_seed(store: Store) -> None:
    """A fifth of them, and the same fifth for the same seed."""
    programs = {RELATION: {"kind": "relationship", "sample": 0.2}}
    world = make_world(store, programs=programs, ask={"per_account_max": 1000})
    for n in range(500):
        world.add(f"c{n}", f"p{n}@acme.example")
    world.pull()

    first = world.choose(dry_run=True)[RELATION]
    again = world.choose(dry_run=True)[RELATION]
    assert {p.customer_id for p in first.chosen} == {p.customer_id for p in again.chosen}
    assert 60 < first.reasons[Reason.CHOSEN] < 140
    assert first.reasons.total() == 500


def test_a_dry_run_changes_nothing(world: World) -> None:
    """It counts the same, and nobody is chosen."""
    world.add()
    world.pull()

    choice = world.choose(dry_run=True)[RELATION]

    assert choice.reasons == {Reason.CHOSEN: 1}
    assert world.all(Survey) == []
    assert world.all(Ledger) == []


def closed_case(world: World, at_hours_ago: float = 2) -> None:
    """Close a case of Ann's."""
    at = world.clock.at - timedelta(hours=at_hours_ago)
    world.crm.state.triggers["k1"] = ports.Trigger(
        id="k1", event=ports.TriggerEvent.CASE_CLOSED, contact_id="c1", subject="Broken", at=at
    )


def test_a_closed_case_sets_a_survey_off_once(world: World) -> None:
    """The touchpoint comes before the relationship, and the event is spent."""
    world.add()
    closed_case(world)
    world.ask()

    survey = world.only(Survey)
    assert (survey.program, survey.trigger_id) == ("support", "memory_crm:k1")
    assert world.only(Trigger).survey_id == survey.id
    world.clock.forward(days=200)
    world.ask()
    assert [s.program for s in world.all(Survey)].count("support") == 1


def test_a_case_waits_its_hour_and_grows_stale(world: World) -> None:
    """Too fresh and too old set nothing off."""
    world.add(email="")
    world.add("c2", "ben@acme.example")
    closed_case(world, at_hours_ago=0.5)
    world.pull()
    assert world.choose(dry_run=True)["support"].reasons.total() == 0
    world.clock.forward(hours=1)
    assert world.choose(dry_run=True)["support"].reasons.total() == 1
    world.clock.forward(days=14)
    assert world.choose(dry_run=True)["support"].reasons.total() == 0


def test_whoever_is_gone_from_the_crm_is_not_asked(world: World) -> None:
    """A deleted contact is nobody to ask."""
    world.add()
    world.pull()
    del world.crm.state.contacts["c1"]
    world.pull()

    assert reasons(world) == {}
