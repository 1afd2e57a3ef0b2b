"""Mails about which nobody could know: settled by evidence, or by an operator, never by hope."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlmodel import select

from connectors.errors import Unavailable
from connectors.memory import MemoryMailer
from connectors.ports import Sought
from connectors.sandbox.faults import Fault
from connectors.sandbox.faults import Kind as FaultKind
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sandbox.server import running
from connectors.sendgrid import SendGrid, SendGridConfig
from connectors.smtp import Smtp, SmtpConfig
from loop import schedule
from loop.models import Effect, Survey
from loop.outbox import settle_by_look_up
from loop.outbox.claim import claim
from loop.outbox.evidence import may_come, waits_for_operator
from loop.states import EffectState, Kind, Stage
from loop.store import Store
from tests.loop.conftest import World, make_world

LETTERS = "mail.letters"


def doubtful(world: World, *names: str, accepted: bool = True) -> None:
    """Let the mails to these people be in doubt: their answers were lost, or nobody sent them."""
    for name in names:
        world.add(name, f"{name}@acme.example")
    world.pull()
    world.choose()
    if accepted:
        world.mailer.lose = len(names)
        world.deliver()
    else:
        claim(world.app, LETTERS, len(names))
        world.clock.forward(minutes=11)
        schedule.run(world.app, "tidy")
    assert states(world) == [EffectState.UNKNOWN] * len(names)


def states(world: World) -> list[EffectState]:
    return [effect.state for effect in world.all(Effect) if effect.kind is Kind.ASK]


def look_up(world: World) -> int:
    return settle_by_look_up(world.app, schedule.HANDLERS)


class Noting(MemoryMailer):
    """A mailer that notes what it is asked for."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.asked: list[Sought] = []
        self.most = most

    def look_up(self, sought: Sequence[Sought]) -> Mapping[str, bool]:
        self.asked += sought[: self.most]
        return super().look_up(sought[: self.most])


@pytest.fixture
def noting(world: World) -> Noting:
    mailer = Noting()
    world.app, world.mailer = replace(world.app, mailer=mailer), mailer
    return mailer


def test_the_provider_s_records_prove_that_a_mail_was_accepted(world: World) -> None:
    doubtful(world, "ann")
    world.clock.forward(minutes=6)

    schedule.run(world.app, "tidy")

    assert states(world) == [EffectState.DONE]
    assert world.only(Survey).stage is Stage.ASKED


def test_a_mail_that_the_records_do_not_show_stays_unknown(world: World) -> None:
    """Records lag behind: what they lack may still have gone."""
    doubtful(world, "ann", accepted=False)

    for _ in range(300):
        world.clock.forward(minutes=10)
        schedule.run(world.app, "tidy")
        world.deliver()

    assert states(world) == [EffectState.UNKNOWN]
    assert world.mailer.sent == []
    assert "; the provider's records did not show it at 2030-01-0" in world.only(Effect).problem
    assert world.only(Effect).problem.count("records") == 1


def test_events_have_some_minutes_before_anybody_asks(world: World, noting: Noting) -> None:
    doubtful(world, "ann")

    world.clock.forward(minutes=4)
    look_up(world)
    assert noting.asked == []
    world.clock.forward(minutes=2)
    look_up(world)
    assert len(noting.asked) == 1


def test_a_mail_is_asked_for_more_and_more_seldom(world: World, noting: Noting) -> None:
    doubtful(world, "ann", accepted=False)

    for _ in range(26 * 60):
        world.clock.forward(minutes=1)
        look_up(world)

    assert 7 <= len(noting.asked) <= 10


def test_what_could_not_be_asked_for_comes_first_next_time(world: World, noting: Noting) -> None:
    noting.most = 2
    doubtful(world, "ann", "bob", "cid", "dee", "eve", accepted=False)
    world.clock.forward(minutes=6)

    for _ in range(3):
        look_up(world)

    assert len({one.key for one in noting.asked}) == 5


def test_a_mail_is_sought_where_and_when_it_may_have_gone(world: World, noting: Noting) -> None:
    doubtful(world, "ann")
    world.add("ann", "ann.new@acme.example")
    world.pull()
    begun = world.clock.at
    world.clock.forward(minutes=6)

    look_up(world)

    [asked] = noting.asked
    assert asked.key == world.only(Effect).key
    assert sorted(asked.to) == ["ann.new@acme.example", "ann@acme.example"]
    assert asked.since <= begun <= asked.until < world.clock.at
    assert states(world) == [EffectState.DONE]


@pytest.mark.parametrize("trouble", ["searchable", "down"])
def test_an_account_that_cannot_be_asked_leaves_all_as_it_is(world: World, trouble: str) -> None:
    doubtful(world, "ann")
    world.clock.forward(minutes=6)
    setattr(world.mailer, trouble, trouble == "down")

    assert schedule.run(world.app, "tidy")

    assert states(world) == [EffectState.UNKNOWN]


def test_sendgrid_s_logs_are_proof(store: Store) -> None:
    """The whole way: its answer is lost, no event comes, and its logs show the mail."""
    world = make_world(store, sender={"email": "feedback@example.com"})
    world.clock.at = datetime.now(UTC)
    with SendGridSandbox() as sandbox, running(sandbox.application) as address:
        mailer = SendGrid(SendGridConfig(api_key=SecretStr(sandbox.api_key), origin=address))
        world.app = replace(world.app, mailer=mailer)
        sandbox.faults.add(Fault(kind=FaultKind.LOST, times=1))
        for name in ("ann", "bob"):
            world.add(name, f"{name}@acme.example")
        world.ask()
        assert sorted(states(world)) == [EffectState.DONE, EffectState.UNKNOWN]

        world.clock.forward(minutes=6)
        schedule.run(world.app, "tidy")
        mailer.close()

    assert states(world) == [EffectState.DONE] * 2
    assert len(sandbox.state.inbox) == 2


def test_a_mailer_that_has_no_records_is_not_asked(world: World) -> None:
    doubtful(world, "ann")
    world.clock.forward(minutes=6)
    world.app = replace(world.app, mailer=Smtp(SmtpConfig(host="127.0.0.1")))

    assert look_up(world) == 0
    assert states(world) == [EffectState.UNKNOWN]


def test_a_lane_whose_service_is_shut_claims_nothing(world: World) -> None:
    """The reason is told once, not by each effect."""
    doubtful(world, "ann")
    world.add("bob", "bob@acme.example")
    world.pull()
    world.choose()
    world.mailer.__dict__["budgets"] = ()
    shut = Unavailable("mail", "the day is spent", retry_after_s=3_600.0)
    world.mailer.__dict__["shut"] = lambda: shut

    assert world.deliver() == 0

    due = [effect for effect in world.all(Effect) if effect.state is EffectState.DUE]
    assert [(effect.problem, effect.tries) for effect in due] == [("", 0)]
    world.mailer.__dict__["shut"] = lambda: None
    assert world.deliver() == 1


def test_a_mail_waits_for_the_operator_after_26_hours(world: World) -> None:
    """SendGrid posts an event again for 24 hours; nothing is sent by itself, ever."""
    doubtful(world, "ann", accepted=False)
    unknown_since = world.only(Effect).settled_at

    for hours, waits in ((25, 0), (0.99, 0), (0.01, 1), (24 * 30, 1)):
        world.clock.forward(hours=hours)
        schedule.run(world.app, "tidy")
        world.deliver()
        assert waiting(world) == waits

    assert world.only(Effect).settled_at == unknown_since
    assert world.mailer.sent == []


def test_late_evidence_still_counts(world: World) -> None:
    doubtful(world, "ann")
    world.clock.forward(hours=40)
    assert waiting(world) == 1

    schedule.run(world.app, "tidy")

    assert waiting(world) == 0
    assert states(world) == [EffectState.DONE]


def waiting(world: World) -> int:
    """Return how many mails wait for the operator: as the query has it, and as each says."""
    now = world.app.now()
    with world.app.store.read() as session:
        found = session.scalars(select(Effect).where(waits_for_operator(now))).all()
    for effect in world.all(Effect):
        if effect.state is EffectState.UNKNOWN:
            assert may_come(effect, now) is (effect.id not in {one.id for one in found})
    return len(found)
