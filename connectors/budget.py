"""Rate budgets: at most so many calls in any so many seconds, whoever makes them.

A `Budget` asks its keeper for calls, a handful at a time. The keeper in memory counts for the
threads of one process; `loop.budgets` has one that counts for all processes on a database.

Time is cut into slices, twenty to a window. A keeper gives calls out of the present slice, as
many as the slices of a window around it do not hold yet, and what was given is good until the
slice ends. So no window exceeds the limit, wherever it begins.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from connectors.errors import Unavailable

SLICES: Final = 20
HELD_S_MAX: Final = 1.0
"""How long a handful is good at most: a pause that others were asked for is seen by then."""
PATIENCE_S: Final = 15.0
"""Whoever would have to wait longer is told so instead."""


class Limit(NamedTuple):
    """At most `calls` calls in any `per_s` seconds."""

    name: str
    calls: int | None
    """None where the service says it: as many as it last said, any number before that."""
    per_s: float


class Grant(NamedTuple):
    """What a keeper gives: calls, or how long to wait for one."""

    calls: int = 0
    for_s: float = 0.0
    """How long they are good."""
    wait_s: float = 0.0
    paused: bool = False
    """The wait is one that the service asked for."""


class Keeper(Protocol):
    """Counts calls, for all who ask it."""

    def take(self, limit: Limit, most: int) -> Grant:
        """Give up to `most` calls; with none asked for, only say how long one would wait.

        Raise `Unavailable` where nobody can tell.
        """
        ...

    def pause(self, limit: Limit, seconds: float) -> None:
        """Give no calls for this long."""
        ...


@dataclass
class Spent:
    """What a keeper remembers of a limit. Times are seconds by the keeper's clock."""

    calls: int | None = None
    """How many the limit was last."""
    slices: list[tuple[float, int]] = field(default_factory=list)
    """When each slice began, and how many calls were given out of it."""
    paused_until: float = 0.0

    def take(self, limit: Limit, most: int, now: float) -> Grant:
        """Give up to `most` calls and remember them."""
        self.calls = self.calls if limit.calls is None else limit.calls
        width = limit.per_s / SLICES
        start = max(now // width * width, self.slices[-1][0] if self.slices else 0.0)
        if start > now + limit.per_s:  # the clock was put back
            self.slices, start = [], now // width * width
        oldest = start - limit.per_s - width / 2
        self.slices = [(begun, given) for begun, given in self.slices if begun > oldest]
        if now < self.paused_until:
            return Grant(wait_s=self.paused_until - now, paused=True)
        if (wait_s := self._wait_s(limit.per_s + width, now)) > 0 or most == 0:
            return Grant(wait_s=wait_s)
        given = most if self.calls is None else min(most, self.calls - self.given)
        if self.slices and self.slices[-1][0] == start:
            self.slices[-1] = (start, self.slices[-1][1] + given)
        else:
            self.slices.append((start, given))
        return Grant(given, for_s=min(start + width - now, HELD_S_MAX))

    @property
    def given(self) -> int:
        """How many calls the slices hold."""
        return sum(given for _, given in self.slices)

    def pause(self, seconds: float, now: float) -> None:
        """Give no calls for this long; a longer pause stands."""
        self.paused_until = max(self.paused_until, now + seconds)

    def _wait_s(self, kept_s: float, now: float) -> float:
        """Return how long it is until enough slices have gone for one more call."""
        if self.calls is None:
            return 0.0
        over = self.given - self.calls
        for begun, given in self.slices:
            if over < 0:
                break
            over -= given
            if over < 0:
                return max(begun + kept_s - now, 0.001)
        return 0.0


class InMemory:
    """Keeps budgets for the threads of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: dict[str, Spent] = {}
        self._lock = threading.Lock()

    def take(self, limit: Limit, most: int) -> Grant:
        """Give up to `most` calls."""
        with self._lock:
            return self._of(limit).take(limit, most, self._clock())

    def pause(self, limit: Limit, seconds: float) -> None:
        """Give no calls for this long."""
        with self._lock:
            self._of(limit).pause(seconds, self._clock())

    def _of(self, limit: Limit) -> Spent:
        return self._spent.setdefault(limit.name, Spent())


class Budget:
    """The calls that one service allows us. Its methods may be called from any thread.

    `name` is unique among those of a keeper; `calls` may change at any time, and is None where
    the service has yet to say it. `why` is told where there are none left for a while.
    """

    def __init__(
        self, name: str, calls: int | None, per_s: float, *, why: str = "too many calls at once"
    ) -> None:
        self.name = name
        self.calls = calls
        self.per_s = per_s
        self.why = why
        self.patience_s = PATIENCE_S
        self.keeper: Keeper = InMemory()
        self._lock = threading.Lock()
        self._held = 0
        self._good_until = 0.0
        self._size = 1

    @property
    def limit(self) -> Limit:
        """What the keeper is asked by."""
        return Limit(self.name, self.calls, self.per_s)

    def spend(self, service: str) -> None:
        """Take one call, waiting for it where need be.

        Raise `Unavailable` where that would take long: the time is in it.
        """
        while (grant := self._taken()) is not None:
            if grant.wait_s > self.patience_s:
                raise self._told(service, grant)
            time.sleep(grant.wait_s)

    def pause(self, seconds: float) -> None:
        """Send nothing for this long, in no process: the service asked for it.

        Where the keeper cannot be told, the service will say it again.
        """
        with self._lock:
            self._held = 0
        with suppress(Unavailable):  # an answer is being read that must not get lost
            self.keeper.pause(self.limit, seconds)

    def shut(self, service: str) -> Unavailable | None:
        """Return why no call can be made for a good while; None where one can."""
        grant = self.keeper.take(self.limit, 0)
        return self._told(service, grant) if grant.wait_s > self.patience_s else None

    def _taken(self) -> Grant | None:
        """Take a call out of the handful, or a new handful; return the wait where there is none.

        A handful that was used up makes the next one larger, one that was not makes it smaller;
        none is larger than the limit's own pace, as what is not used is spent all the same.
        """
        with self._lock:
            asked_at = time.monotonic()
            if self._held and asked_at < self._good_until:
                self._held -= 1
                return None
            most = max(int((self.calls or 0) * min(1 / SLICES, HELD_S_MAX / self.per_s)), 1)
            self._size = max(self._size // 2, 1) if self._held else min(self._size * 2, most)
            grant = self.keeper.take(self.limit, self._size)
            self._held, self._good_until = max(grant.calls - 1, 0), asked_at + grant.for_s
            return None if grant.calls else grant

    def _told(self, service: str, grant: Grant) -> Unavailable:
        why = "it asked us to wait" if grant.paused else self.why
        until = datetime.now(UTC) + timedelta(seconds=grant.wait_s)
        problem = f"{why}: nothing goes out until {until:%Y-%m-%d %H:%M:%S} UTC"
        return Unavailable(service, problem, retry_after_s=grant.wait_s)
