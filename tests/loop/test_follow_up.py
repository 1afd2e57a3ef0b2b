"""A task for a detractor, and whose it is."""

from collections.abc import Sequence
from datetime import date

import pytest

from connectors.errors import Refused
from connectors.ports import Outcome, Priority, Task
from loop import outbox, schedule
from loop.config import FollowUp
from loop.follow_up import due
from loop.models import Case, Effect
from loop.outbox import Handler
from loop.states import CaseState, EffectState, Kind
from loop.store import Store
from tests.loop.conftest import CRM, World, make_world

TASKS = f"{CRM}.tasks"


def unhappy(world: World, score: int = 2, **contact: object) -> None:
    """Let Ann be asked and give a low score."""
    world.add(**contact)
    world.ask()
    world.answer(score, "slow")
    world.deliver()


def task(world: World) -> Task:
    """Return the only task."""
    [found] = world.crm.state.tasks.values()
    return found


@pytest.mark.parametrize(
    "opened,expected",
    [
        (date(2030, 1, 7), date(2030, 1, 9)),
        (date(2030, 1, 10), date(2030, 1, 14)),
        (date(2030, 1, 11), date(2030, 1, 15)),
        (date(2030, 1, 12), date(2030, 1, 15)),
        (date(2029, 12, 31), date(2030, 1, 3)),
    ],
)
def test_a_task_is_due_in_business_days(opened: date, expected: date) -> None:
    """Saturdays, Sundays and holidays do not count."""
    settings = FollowUp(due_business_days=2, holidays=frozenset({date(2030, 1, 1)}))
    assert due(settings, opened) == expected


def test_a_task_that_is_due_at_once_is_due_on_a_business_day() -> None:
    """Opened on a Saturday, due on Monday."""
    assert due(FollowUp(due_business_days=0), date(2030, 1, 12)) == date(2030, 1, 14)


def test_the_contact_s_owner_comes_first(world: World) -> None:
    """Then the account's."""
    world.add_owner("o2", "Otto Other")
    unhappy(world, account_id="a1", owner_id="o2")
    assert task(world).owner_id == "o2"


def test_the_account_s_owner_comes_next(world: World) -> None:
    """The contact's has left the company."""
    world.add_owner("o2", "Otto Other", active=False)
    unhappy(world, account_id="a1", owner_id="o2")
    assert task(world).owner_id == "o1"


@pytest.mark.parametrize("named", ["o9", "o9@us.example"])
def test_the_fallback_comes_last(store: Store, named: str) -> None:
    """By id or by address."""
    world = make_world(store, follow_up={"fallback_owner": {CRM: named}})
    world.add_owner("o9", "Felix Fallback")
    unhappy(world)
    assert task(world).owner_id == "o9"


def test_a_task_that_nobody_can_take_is_loud(store: Store) -> None:
    """The operator reads which setting is missing; once it is there the task is made."""
    world = make_world(store, follow_up={"fallback_owner": {}})
    unhappy(world)

    [effect] = [e for e in world.all(Effect) if e.kind is Kind.TASK]
    assert effect.state is EffectState.REFUSED
    assert f"follow_up.fallback_owner.{CRM}" in effect.problem


def test_an_owner_whom_the_crm_will_not_have_is_passed_over(world: World) -> None:
    """We thought them active; the CRM knows better, and the next one gets the task."""
    world.add(account_id="a1", owner_id="o1")
    world.ask()
    world.answer(1)

    def picky(_crm: object, tasks: Sequence[Task]) -> Sequence[Outcome]:
        if tasks[0].owner_id == "o1":
            return [Outcome(error=Refused("crm", "owner is inactive", code="inactive_owner"))]
        return world.crm.put_tasks(tasks)

    own = schedule.HANDLERS[Kind.TASK]
    handler = Handler(request=own.request, send=picky, done=own.done, refused=own.refused)
    outbox.drain(world.app, TASKS, {**schedule.HANDLERS, Kind.TASK: handler})

    assert task(world).owner_id == "o9"


@pytest.mark.parametrize(
    "score,priority", [(0, Priority.HIGH), (3, Priority.HIGH), (4, Priority.NORMAL)]
)
def test_the_angriest_come_first(world: World, score: int, priority: Priority) -> None:
    """Up to 3 is urgent."""
    unhappy(world, score)
    assert task(world).priority is priority


def test_the_task_leads_to_the_record_and_to_the_answer(world: World) -> None:
    """Both links stand in it, and the customer's words."""
    unhappy(world)
    body = task(world).body

    assert "https://crm.example/contact/c1" in body
    assert "http://127.0.0.1:8025/s/" in body
    assert "slow" in body


def test_a_task_that_the_owner_finished_stays_finished(world: World) -> None:
    """Another edit of the answer does not reopen it."""
    unhappy(world)
    world.crm.finish(task(world).key, world.clock.at)
    world.close()
    world.clock.forward(hours=1)
    world.answer(1, "still slow")
    world.deliver()

    assert world.only(Case).state is CaseState.RESOLVED
    assert task(world).key in world.crm.state.finished


def test_a_task_that_somebody_deleted_is_not_made_again(world: World) -> None:
    """They dismissed it; the case says so."""
    unhappy(world)
    world.crm.state.tasks.clear()
    assert world.close()["dismissed"] == 1
    world.deliver()
    assert world.crm.state.tasks == {}


def test_a_word_that_is_not_a_passive_s_any_more_is_not_sent(store: Store) -> None:
    """They changed their mind while it waited."""
    world = make_world(store, follow_up={"wait_minutes": 30})
    world.add()
    world.ask()
    world.answer(8)
    world.deliver()
    world.clock.forward(minutes=10)
    world.answer(10)
    world.clock.forward(minutes=30)
    world.deliver()

    [word] = [e for e in world.all(Effect) if e.kind is Kind.WORD]
    assert word.state is EffectState.DROPPED
