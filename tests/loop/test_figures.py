"""What the answers say, and how sure that is."""

import json
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop import figures
from loop.states import Group

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "published" / "nps_cases.json"


def test_five_promoters_of_five_are_not_certain() -> None:
    """The plain formula says 100, give or take nothing."""
    figure = figures.nps([10, 10, 9, 9, 10])

    assert figure.score == 100
    assert (round(figure.low, 1), figure.high) == (17.5, 100)


def test_the_example_of_the_paper() -> None:
    """60 promoters, 25 passives, 15 detractors of 100."""
    figure = figures.of_groups({Group.PROMOTER: 60, Group.PASSIVE: 25, Group.DETRACTOR: 15})

    assert (figure.score, round(figure.low, 1), round(figure.high, 1)) == (45, 29.3, 58.0)


def test_nothing_is_known_of_nobody() -> None:
    """Without an answer the interval is the whole scale."""
    figure = figures.nps([])

    assert (figure.n, figure.low, figure.high) == (0, -100, 100)


@pytest.mark.parametrize("score", [-1, 11, 99])
def test_a_score_off_the_scale_is_refused(score: int) -> None:
    """An 11 that stands for "blank" is no promoter."""
    with pytest.raises(ValueError, match="0 to 10"):
        figures.nps([9, score])


@given(st.lists(st.integers(0, 10), min_size=1, max_size=200))
def test_the_interval_holds_the_middle_of_the_scale_s_way(scores: list[int]) -> None:
    """Low is below high, both on the scale, and the groups add up."""
    figure = figures.nps(scores)

    assert -100 <= figure.low < figure.high <= 100
    assert figure.promoters + figure.passives + figure.detractors == figure.n == len(scores)


@pytest.mark.parametrize("n,least", [(5, 0.88), (10, 0.92), (20, 0.93)])
def test_the_interval_covers_what_it_promises(n: int, least: float) -> None:
    """By enumeration of all samples, over a grid of populations."""
    for happy in range(1, 10):
        for unhappy in range(1, 10 - happy):
            p, d = happy / 10, unhappy / 10
            assert covered(n, p, d) >= least, (n, p, d)


def covered(n: int, p: float, d: float) -> float:
    """Return how often the interval holds the true NPS."""
    true, total = 100 * (p - d), 0.0
    for promoters in range(n + 1):
        for detractors in range(n - promoters + 1):
            rest = n - promoters - detractors
            figure = figures.of_groups(
                {Group.PROMOTER: promoters, Group.DETRACTOR: detractors, Group.PASSIVE: rest}
            )
            if figure.low <= true <= figure.high:
                ways = comb(n, promoters) * comb(n - promoters, detractors)
                total += ways * p**promoters * d**detractors * (1 - p - d) ** rest
    return total


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published cases are not on this machine")
def test_published_scores_come_out() -> None:
    """What others have calculated from the same scores."""
    cases = [c for c in json.loads(PUBLISHED.read_text()) if "scores" in c["inputs"]]
    tried = 0
    for case in cases:
        if "nps_fraction" in case["published"]:
            figure = figures.nps(case["inputs"]["scores"])
            expected = 100 * case["published"]["nps_fraction"]
            assert figure.score == pytest.approx(expected, abs=100 * case["tolerance"])
            tried += 1
    assert tried > 3
