"""The tables say what may follow what, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop import states
from loop.app import Keys, Purpose, hash_of
from loop.states import EffectState, Group, Kind, OutOfTurn, Stage


@pytest.mark.parametrize(
    "score,group",
    [
        *((score, Group.DETRACTOR) for score in range(7)),
        (7, Group.PASSIVE),
        (8, Group.PASSIVE),
        (9, Group.PROMOTER),
        (10, Group.PROMOTER),
    ],
)
def test_a_score_says_its_group(score: int, group: Group) -> None:
    """0 to 6, 7 and 8, 9 and 10."""
    assert Group.of(score) is group


@given(st.integers().filter(lambda score: not 0 <= score <= 10))
def test_nothing_is_clamped_onto_the_scale(score: int) -> None:
    """An 11 is no promoter."""
    with pytest.raises(ValueError, match="0 to 10"):
        Group.of(score)


def test_a_move_that_is_not_in_the_table_is_refused() -> None:
    """The message says what was tried."""
    with pytest.raises(OutOfTurn, match="a survey that is lapsed cannot become answered"):
        states.owed(Stage.LAPSED, Stage.ANSWERED)


@pytest.mark.parametrize("group", Group)
def test_every_answer_owes_its_write_back_and_its_follow_up(group: Group) -> None:
    """Whatever the survey was before."""
    for stage in states.ANSWERABLE:
        owed = states.owed(stage, Stage.ANSWERED, group)
        assert set(states.WRITE_BACK) < set(owed)
        assert len(set(owed) & {Kind.TASK, Kind.WORD, Kind.INVITE}) == 1


def test_who_was_forgotten_stays_so() -> None:
    """No table leads out of it."""
    assert not [to for was, to in states.SURVEY if was is Stage.FORGOTTEN]


def test_a_mail_that_was_handed_over_is_settled_by_evidence_alone() -> None:
    """From unknown, four ways lead on; none of them sends by itself."""
    ways = {to for was, to in states.EFFECT if was is EffectState.UNKNOWN}
    known = {EffectState.DONE, EffectState.REFUSED}
    assert ways == {*known, EffectState.DUE, EffectState.DROPPED}


def test_tokens_are_long_and_serve_one_purpose() -> None:
    """128 bits each, and different ones for each row, purpose and installation."""
    keys, others = Keys("a" * 32), Keys("b" * 32)
    tokens = {keys.token(purpose, row) for purpose in Purpose for row in ("x", "y")}
    tokens |= {others.token(purpose, "x") for purpose in Purpose}

    assert len(tokens) == 3 * len(Purpose)
    assert {len(token) for token in tokens} == {22}
    assert keys.hash_of(Purpose.ANSWER, "x") == hash_of(keys.token(Purpose.ANSWER, "x"))
