"""A wish to be left alone, and what only looks like one."""

import pytest

from loop.answer import says_stop


@pytest.mark.parametrize(
    "comment",
    [
        "STOP",
        "stop",
        " Stop! ",
        "STOP.",
        "\u201cSTOP\u201d",
        "\uff33\uff34\uff2f\uff30",
        "Unsubscribe",
    ],
)
def test_these_words_are_a_wish(comment: str) -> None:
    """In any letters and punctuation."""
    assert says_stop(comment)


@pytest.mark.parametrize(
    "comment",
    ["", "stop sending broken routers", "I cannot stop recommending you", "nonstop", "bus stop"],
)
def test_these_are_something_to_hear(comment: str) -> None:
    """More than the bare word is a comment."""
    assert not says_stop(comment)
