"""The simulation can fail: whoever breaks the program in one of these ways is found out."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from loop import leave
from loop.app import App
from loop.models import Effect
from loop.outbox import claim, deliver, record
from loop.outbox.claim import Claimed
from loop.schedule import jobs
from loop.simulate import Database, open_database, run
from loop.states import EffectState, Kind

SEEDS: Final = range(150)
Break = Callable[[pytest.MonkeyPatch], None]


def a_doubtful_mail_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    """As other programs do: it is only mail."""
    patch.setattr(record, "MAIL_KINDS", frozenset())


def a_claim_is_not_committed(patch: pytest.MonkeyPatch) -> None:
    """Whoever asks next has the same batch."""
    real = claim.claim

    def claimed(app: App, lane: str, size: int, only: Kind | None = None) -> Claimed | None:
        found = real(app, lane, size, only)
        if found is not None:
            with app.store.write() as session:
                held = update(Effect).where(col(Effect.call_id) == found.call.id)
                session.connection().execute(held.values(state=EffectState.DUE))
        return found

    patch.setattr(deliver, "claim", claimed)


def an_outcome_is_never_recorded(patch: pytest.MonkeyPatch) -> None:
    """What was claimed stays so."""
    patch.setattr(deliver, "record", lambda *_: None)
    patch.setattr(jobs, "reap", lambda _app: 0)
    patch.setattr(deliver, "reap", lambda _app: 0)


def nobody_looks_who_has_left(patch: pytest.MonkeyPatch) -> None:
    """Suppression is not looked at in the claim."""
    patch.setattr(claim, "_stopped", lambda *_: {})


def what_the_provider_tells_is_not_minded(patch: pytest.MonkeyPatch) -> None:
    """Neither bounces nor complaints."""
    patch.setattr(leave, "OF_CONSEQUENCE", frozenset())


def what_changes_during_a_call_is_lost(patch: pytest.MonkeyPatch) -> None:
    """The newest answer is written once, and never again."""
    patch.setattr(record, "_due_again", lambda *_: None)


def an_answer_owes_nothing(patch: pytest.MonkeyPatch) -> None:
    """It is kept, and no task comes of it."""
    patch.setattr(sys.modules["loop.answer.keep"], "owe", lambda *_: None)


def a_forgotten_word_stays(patch: pytest.MonkeyPatch) -> None:
    """What a ticket was about names its person."""
    patch.setattr(leave, "_forget_words", lambda *_: None)


def a_mail_that_was_refused_is_done(patch: pytest.MonkeyPatch) -> None:
    """Nobody would ever know that it did not go out."""

    def refused(app: App, _: Session, effect: Effect, *_more: object) -> None:
        record._end(effect, EffectState.DONE, "", app.now())

    patch.setattr(record, "_refused", refused)


BREAKS: Final[Sequence[tuple[Break, str]]] = (
    (a_doubtful_mail_is_sent_again, "went out and is due"),
    (a_claim_is_not_committed, "nobody gets the same mail twice"),
    (an_outcome_is_never_recorded, "nothing is left to do"),
    (nobody_looks_who_has_left, "nobody is mailed after leaving"),
    (what_the_provider_tells_is_not_minded, "nobody is mailed after leaving"),
    (what_changes_during_a_call_is_lost, "the crm"),
    (an_answer_owes_nothing, "nothing that is owed is lost"),
    (a_forgotten_word_stays, "the forgotten are forgotten"),
    (a_mail_that_was_refused_is_done, "is done and never went out"),
)


@pytest.fixture
def database() -> Iterator[Database]:
    made = open_database()
    yield made
    made.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("broken,told", BREAKS, ids=[broken.__name__ for broken, _ in BREAKS])
def test_it_sees_that(
    broken: Break, told: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a few runs, and it says what is wrong."""
    broken(monkeypatch)

    found = (told in "\n".join(run(seed, database).broken) for seed in SEEDS)

    assert any(found)
