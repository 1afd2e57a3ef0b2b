"""What the commands ask of the database, they ask of SQLite and PostgreSQL alike."""

import pytest

from loop.cli import counts, due, found, known, people
from loop.cli.progress import progress
from loop.models import Customer, Effect
from loop.states import Kind
from loop.store import Store
from tests.loop.conftest import World, make_world


@pytest.fixture
def world(store: Store) -> World:
    """Give a world on each kind of database."""
    made = make_world(store)
    made.add_owner()
    made.add_account(owner_id="o1")
    return made


def around(world: World) -> None:
    """Let Ann be asked, answer, and all that follows."""
    world.add(account_id="a1", owner_id="o1")
    world.ask()
    world.answer(3, "slow")


def test_status_counts_the_same(world: World) -> None:
    around(world)
    world.deliver()

    told = counts.counted(world.app)

    assert told["surveys"]["answered"] == 1
    assert told["figure"]["detractors"] == 1
    assert told["cases"]["oldest_open"] == world.clock.at.isoformat()
    assert told["effects"]["memory_crm.tasks"]["done"] == 1


def test_nothing_lost_is_proven_the_same(world: World) -> None:
    around(world)

    assert [promise for promise in counts.invariants(world.app) if not promise["passed"]] == []


def test_what_is_due_is_planned_and_told_the_same(world: World) -> None:
    around(world)

    planned = due.due(world.app, "memory_crm.scores")
    with progress("scores", len(planned)) as tick:
        ended = due.deliver(world.app, "memory_crm.scores", planned, tick)

    assert ended.states == {"done": 1}
    assert due.due(world.app, "mail.letters", Kind.ASK) == []
    assert due.waiting(world.app) == {}


def test_effects_are_found_the_same(world: World) -> None:
    around(world)
    last = world.all(Effect)[0].id

    with world.app.store.read() as session:
        query = found.wanted(world.app, session, lane=None, state="due", who="ann@acme.example")
        total, newest = found.newest(session, query, 2)
        [one] = found.by_ids(session, [last[-8:]])
        more = found.more(session, one)

    assert (total, len(newest)) == (3, 2)
    assert one.id == last
    assert more["customer"]["email"] == "ann@acme.example"


def test_a_customer_is_known_the_same(world: World) -> None:
    around(world)

    with world.app.store.read() as session:
        customer = people.find(world.app, session, world.only(Customer).id)
        everything = known.everything(session, customer, world.app.now())
        plan = known.counted(session, customer)

    assert everything["surveys"][0]["answer"]["comment"] == "slow"
    assert plan["records"] == ["memory_crm:c1"]
    assert (plan["surveys"], plan["comments"], plan["effects"]) == (1, 1, 3)
