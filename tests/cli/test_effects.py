"""What `npsloop effects` promises."""

import pytest

from connectors.errors import Refused
from connectors.memory import MemoryMailer
from connectors.ports import Mail, Outcome
from loop.models import Effect, Survey
from loop.states import EffectState, Stage
from tests.cli.conftest import Desk


@pytest.fixture
def refused(ann: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Give a desk where Ann's question was refused."""

    def send(self: MemoryMailer, mails: list[Mail]) -> list[Outcome]:
        problem = "no such \x1b[31m[bold]sender[/bold]"
        return [Outcome(error=Refused("memory_mailer", problem)) for _ in mails]

    with monkeypatch.context() as broken:
        broken.setattr(MemoryMailer, "send", send)
        ann.world.ask()
    return ann


@pytest.fixture
def doubtful(ann: Desk) -> Desk:
    """Give a desk where nobody knows whether Ann's question arrived."""
    ann.world.mailer.lose = 1
    ann.world.ask()
    return ann


# list and show


def test_effects_are_listed_without_naming_anybody(ann: Desk) -> None:
    ann.world.ask()

    told = ann.told("effects", "list")

    [effect] = told["effects"]
    assert (effect["lane"], effect["state"]) == ("mail.letters", "done")
    assert told["total"] == 1
    assert "acme.example" not in ann.run("effects", "list").output


def test_effects_are_listed_by_lane_state_and_customer(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3)

    assert ann.told("effects", "list", "--lane", "memory_crm.tasks")["total"] == 1
    assert ann.told("effects", "list", "--state", "due")["total"] == 4
    assert ann.told("effects", "list", "--customer", "Ann@ACME.example")["total"] == 4
    assert ann.told("effects", "list", "--limit", "1")["total"] == 5


@pytest.mark.parametrize("flag", [["--lane", "mail.leters"], ["--state", "refusd"]])
def test_what_there_is_not_is_wrong_usage(ann: Desk, flag: list[str]) -> None:
    done = ann.run("effects", "list", *flag)

    assert done.exit_code == 2
    assert "did you mean" in done.stderr


def test_an_unknown_customer_is_told_in_words(ann: Desk) -> None:
    done = ann.run("effects", "list", "--customer", "nobody@acme.example")

    assert done.exit_code == 1
    assert "nobody by this address" in done.stderr


def test_a_problem_never_steers_the_terminal(refused: Desk) -> None:
    done = refused.run("effects", "list")

    assert "\x1b" not in done.stdout
    assert r"no such \x1b[31m[bold]sender[/bold]" in done.stdout


def test_one_effect_is_shown_with_its_customer(ann: Desk) -> None:
    ann.world.ask()
    effect = ann.world.only(Effect)

    told = ann.told("effects", "show", effect.id[-8:])

    assert told["id"] == effect.id
    assert told["customer"]["email"] == "ann@acme.example"
    assert "ann@acme.example" in ann.run("effects", "show", effect.id).stdout


def test_an_effect_is_shown_with_its_newest_call(ann: Desk) -> None:
    ann.world.ask()

    call = ann.told("effects", "show", ann.world.only(Effect).id)["call"]

    assert (call["worker"], call["effects"], call["problem"]) == ("test", 1, "")
    assert call["started_at"] == call["ended_at"] == ann.world.clock.at.isoformat()


@pytest.mark.parametrize("begin", ["ffffffff", "abc", "%%%%%%%"])
def test_an_unknown_effect_is_told_in_words(ann: Desk, begin: str) -> None:
    done = ann.run("effects", "show", begin)

    assert done.exit_code == 1
    assert "Traceback" not in done.output


# retry


def test_a_refused_question_is_tried_again(refused: Desk) -> None:
    effect = refused.world.only(Effect)

    told = refused.told("effects", "retry", effect.id[-8:], "--yes")

    assert told["moved"] == [effect.id]
    assert refused.world.only(Effect).state is EffectState.DUE
    assert refused.world.only(Survey).stage is Stage.CHOSEN


def test_a_lane_is_tried_again_as_a_whole(refused: Desk) -> None:
    told = refused.told("effects", "retry", "--lane", "mail.letters", "--state", "refused", "--yes")

    assert len(told["moved"]) == 1


def test_what_a_customer_is_owed_is_tried_again(refused: Desk) -> None:
    told = refused.told("effects", "retry", "--customer", "ann@acme.example", "--yes")

    assert len(told["moved"]) == 1


def test_nothing_is_tried_again_without_a_yes(refused: Desk) -> None:
    before = refused.dump()

    done = refused.run("effects", "retry", "--state", "refused")

    assert done.exit_code == 2
    assert refused.dump() == before


def test_a_dry_retry_changes_nothing(refused: Desk) -> None:
    before = refused.dump()

    told = refused.told("effects", "retry", "--state", "refused", "--dry-run")

    assert len(told["plan"]) == 1
    assert refused.dump() == before


def test_a_mail_is_never_sent_twice(ann: Desk) -> None:
    ann.world.ask()
    before = ann.dump()

    done = ann.run("effects", "retry", ann.world.only(Effect).id, "--yes")

    assert done.exit_code == 1
    assert "a mail that is done cannot become due" in done.stderr
    assert ann.dump() == before


@pytest.mark.parametrize("flags", [[], ["--state", "done"], ["--state", "unknown"]])
def test_only_some_are_tried_again_in_bulk(ann: Desk, flags: list[str]) -> None:
    assert ann.run("effects", "retry", *flags, "--yes").exit_code == 2


# drop


def test_what_is_due_is_dropped(ann: Desk) -> None:
    ann.world.choose()

    told = ann.told("effects", "drop", ann.world.only(Effect).id, "--yes")

    assert len(told["moved"]) == 1
    assert ann.world.only(Effect).state is EffectState.DROPPED


@pytest.mark.parametrize(
    "flags",
    [["--state", "refused"], ["--lane", "mail.letters"], ["--customer", "ann@acme.example"]],
)
def test_what_is_refused_is_dropped_in_bulk(refused: Desk, flags: list[str]) -> None:
    told = refused.told("effects", "drop", *flags, "--yes")

    assert len(told["moved"]) == 1
    assert refused.world.only(Effect).state is EffectState.DROPPED


@pytest.mark.parametrize("flags", [[], ["--state", "done"], ["--state", "claimed"]])
def test_only_some_are_dropped_in_bulk(ann: Desk, flags: list[str]) -> None:
    assert ann.run("effects", "drop", *flags, "--yes").exit_code == 2


def test_what_is_over_is_not_dropped(ann: Desk) -> None:
    ann.world.ask()

    done = ann.run("effects", "drop", ann.world.only(Effect).id, "--yes")

    assert done.exit_code == 1
    assert "a mail that is done cannot become dropped" in done.stderr


# settle


def test_a_young_doubt_waits_for_evidence(doubtful: Desk) -> None:
    done = doubtful.run("effects", "list", "--state", "unknown")

    assert "evidence may come" in done.stdout
    assert "settle" not in done.stderr
    [row] = doubtful.told("effects", "list")["effects"]
    assert row["waits_for"] == "evidence"


def test_an_old_doubt_waits_for_the_operator(ann: Desk) -> None:
    ann.world.clock.forward(hours=-27)
    ann.world.mailer.lose = 1
    ann.world.ask()

    done = ann.run("effects", "list", "--state", "unknown")

    assert "waits for you" in done.stdout
    assert "npsloop effects settle ID sent, or not-sent, or drop" in done.stderr
    [row] = ann.told("effects", "list")["effects"]
    assert row["waits_for"] == "operator"


@pytest.mark.parametrize(
    "said,state",
    [
        ("sent", EffectState.DONE),
        ("not-sent", EffectState.DUE),
        ("drop", EffectState.DROPPED),
    ],
)
def test_a_doubtful_mail_is_settled(doubtful: Desk, said: str, state: EffectState) -> None:
    effect = doubtful.world.only(Effect)

    doubtful.told("effects", "settle", effect.id, said, "--yes")

    assert doubtful.world.only(Effect).state is state


def test_only_a_doubtful_mail_is_settled(ann: Desk) -> None:
    ann.world.ask()

    done = ann.run("effects", "settle", ann.world.only(Effect).id, "sent", "--yes")

    assert done.exit_code == 1


def test_a_mail_is_settled_in_three_ways_only(doubtful: Desk) -> None:
    effect = doubtful.world.only(Effect)

    done = doubtful.run("effects", "settle", effect.id, "snt", "--yes")

    assert done.exit_code == 2
    assert "did you mean sent?" in done.stderr
