"""What the answers say: NPS with its interval. Pure functions over counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from loop.states import Group

Z95: Final = 1.959964
SCALE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An NPS, how sure it is, and what it rests on. Points from -100 to 100."""

    score: float
    low: float
    high: float
    n: int
    promoters: int
    passives: int
    detractors: int


def nps(scores: Iterable[int]) -> Figure:
    """Return the NPS of some scores. Raise ValueError for one outside 0 to 10."""
    return of_groups(Counter(Group.of(score) for score in scores))


def of_groups(counts: Mapping[Group, int]) -> Figure:
    """Return the NPS of counted groups, with its 95 % interval.

    The interval is the adjusted Wald of Rocks (2016), "Interval estimation for the Net Promoter
    Score", The American Statistician 70(4): three answers are added, 3/4 to promoters and to
    detractors each, 3/2 to passives. The plain Wald says +-0 for five promoters of five. With no
    answers at all it is the whole scale.
    """
    promoters, passives, detractors = (
        counts.get(group, 0) for group in (Group.PROMOTER, Group.PASSIVE, Group.DETRACTOR)
    )
    n = promoters + passives + detractors
    low, high = _interval(promoters, detractors, n)
    return Figure(
        score=SCALE * (promoters - detractors) / n if n else 0.0,
        low=low,
        high=high,
        n=n,
        promoters=promoters,
        passives=passives,
        detractors=detractors,
    )


def _interval(promoters: int, detractors: int, n: int) -> tuple[float, float]:
    if n == 0:
        return -float(SCALE), float(SCALE)
    adjusted = n + 3
    happy, unhappy = (promoters + 0.75) / adjusted, (detractors + 0.75) / adjusted
    middle = happy - unhappy
    margin = Z95 * sqrt((happy + unhappy - middle**2) / adjusted)
    return max(-SCALE, SCALE * (middle - margin)), min(SCALE, SCALE * (middle + margin))
