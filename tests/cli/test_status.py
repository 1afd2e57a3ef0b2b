"""What `npsloop status` promises."""

import pytest
from sqlalchemy import delete
from sqlmodel import col

from connectors.errors import Unavailable
from connectors.memory import MemoryCrm
from loop import schedule
from loop.models import Effect
from loop.states import EffectState, Kind
from tests.cli.conftest import Desk


def test_everything_is_counted(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(9, "love it")
    ann.world.deliver()
    schedule.run(ann.world.app, "close")

    told = ann.told("status")

    assert told["customers"] == {"memory_crm": 1, "people": 1}
    assert told["surveys"]["closed"] == 1
    assert told["figure"] == {
        "score": 100.0,
        "low": told["figure"]["low"],
        "high": told["figure"]["high"],
        "n": 1,
        "promoters": 1,
        "passives": 0,
        "detractors": 0,
    }
    assert told["figure"]["low"] < told["figure"]["high"]
    assert told["response"] == {"asked": 1, "answered": 1, "rate": 1.0}
    assert told["effects"]["mail.letters"]["done"] == 2
    assert told["jobs"]["close"]["problem"] == ""
    assert told["jobs"]["close"]["next_run"] > told["jobs"]["close"]["last_run"]
    assert told["jobs"]["pull"]["last_run"] is None


def test_an_open_case_is_told_with_its_age(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(2)
    ann.world.deliver()

    told = ann.told("status")

    assert told["cases"]["open"] == 1
    assert told["cases"]["oldest_open"] is not None
    assert "open cases              1, the oldest since 2" in ann.run("status").stdout


def test_a_mail_in_doubt_waits_for_evidence_first(ann: Desk) -> None:
    ann.world.clock.forward(hours=-25)
    ann.world.mailer.lose = 1
    ann.world.ask()

    told = ann.told("status")

    assert (told["in_doubt"], told["to_settle"]) == (1, 0)
    assert "mails in doubt          1: evidence may still come" in ann.run("status").stdout


def test_after_26_hours_a_mail_in_doubt_is_told_with_the_next_command(ann: Desk) -> None:
    ann.world.clock.forward(hours=-27)
    ann.world.mailer.lose = 1
    ann.world.ask()

    told = ann.told("status")

    assert (told["in_doubt"], told["to_settle"]) == (0, 1)
    assert "npsloop effects list --state unknown" in ann.run("status").stdout


def test_a_service_that_allows_no_calls_is_told_with_its_reason(
    ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lanes wait, and so do the pulls."""
    shut = Unavailable("memory_crm", "our share is spent: nothing goes out until tomorrow")
    monkeypatch.setattr(MemoryCrm, "budgets", (), raising=False)
    monkeypatch.setattr(MemoryCrm, "shut", lambda _: shut, raising=False)

    assert ann.told("status")["shut"] == {"memory_crm": shut.problem}
    assert "memory_crm waits        our share is spent" in ann.run("status").stdout


def test_a_task_that_nobody_can_take_is_told(ann: Desk) -> None:
    ann.world.crm.state.owners.clear()
    ann.world.add("c2", "cleo@acme.example", owner_id="")
    ann.world.pull()
    ann.run("ask", "--yes")
    [survey] = [each for each in _surveys(ann) if each.contact_id == "memory_crm:c2"]
    ann.world.answer(0, survey=survey)
    ann.world.deliver()

    assert ann.told("status")["without_owner"] == 1
    assert "follow_up.fallback_owner" in ann.run("status").stdout


def test_an_empty_loop_has_no_figure(desk: Desk) -> None:
    told = desk.told("status")

    assert told["figure"]["n"] == 0
    assert told["response"]["rate"] is None
    assert "no answer yet" in desk.run("status").stdout


def test_the_newest_answer_of_each_person_counts(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(9)
    ann.world.clock.forward(days=120)
    ann.world.choose()
    [_, second] = sorted(_surveys(ann), key=lambda each: each.chosen_at)
    ann.world.answer(0, survey=second)

    assert ann.told("status")["figure"]["detractors"] == 1
    assert ann.told("status")["figure"]["n"] == 1


def test_nothing_lost_is_proven(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3, "slow")
    ann.world.deliver()

    told = ann.told("status", "--check")

    assert all(promise["passed"] for promise in told["check"])
    assert "mail.letters: 1 queued = 1 done" in [promise["name"] for promise in told["check"]]


def test_a_lost_question_is_a_finding(ann: Desk) -> None:
    ann.world.choose()
    with ann.world.app.store.write() as session:
        session.connection().execute(delete(Effect).where(col(Effect.kind) == Kind.ASK))

    done = ann.run("status", "--check")

    assert done.exit_code == 3
    assert "FAILED  every survey has its question" in done.stdout


def test_a_lost_write_back_is_a_finding(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3)
    with ann.world.app.store.write() as session:
        session.connection().execute(delete(Effect).where(col(Effect.kind) == Kind.HISTORY))

    assert ann.run("status", "--check").exit_code == 3


def test_a_claim_that_nobody_holds_is_a_finding(ann: Desk) -> None:
    ann.world.choose()
    with ann.world.app.store.write() as session:
        effect = session.get_one(Effect, ann.world.only(Effect).id)
        effect.state, effect.call_id = EffectState.CLAIMED, "over"

    assert ann.run("status", "--check").exit_code == 3


def test_looking_changes_nothing(ann: Desk) -> None:
    ann.world.ask()
    before = ann.dump()

    ann.run("status", "--check")

    assert ann.dump() == before


def _surveys(desk: Desk) -> list[object]:
    from loop.models import Survey  # noqa: PLC0415 - beside its only use

    return list(desk.world.all(Survey))
