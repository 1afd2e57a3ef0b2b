"""When something is due: every so many seconds, or at times of the day somewhere.

A slot is one such moment, in UTC; it is the same in every process, whenever that was started.
A day on which the clocks change is a day like any other: what stands at a time that does not
exist then comes at the next moment that does, and what stands at one that comes twice, once.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo, available_timezones

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_WRITTEN: Final = re.compile(r"(?:([A-Za-z]{3})(?:-([A-Za-z]{3}))? +)?([0-9]{1,2}):([0-9]{2})")


class Plan(Protocol):
    """Says which moments are slots. Its text is how an operator reads it."""

    def latest(self, now: datetime) -> datetime:
        """Return the newest slot that is not after now."""

    def following(self, now: datetime) -> datetime:
        """Return the first slot after now."""


@dataclass(frozen=True)
class Every:
    """Each time so many seconds have passed, counted from 1970: no clock change touches it."""

    seconds: float

    def __str__(self) -> str:
        """Return `every 15 minutes`."""
        for length, unit in _UNITS:
            count, rest = divmod(self.seconds, length)
            if count and not rest:
                return f"every {unit}" if count == 1 else f"every {count:.0f} {unit}s"
        return f"every {self.seconds:g} seconds"

    def latest(self, now: datetime) -> datetime:
        """Return the newest slot that is not after now."""
        length = timedelta(seconds=self.seconds)
        return _EPOCH + (now - _EPOCH) // length * length

    def following(self, now: datetime) -> datetime:
        """Return the first slot after now."""
        return self.latest(now) + timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class TimeOfDay:
    """A time of the day, on some days of the week: `09:00`, `Mon 09:00`, `Mon-Fri 09:00`."""

    at: time
    weekdays: frozenset[int] = frozenset(range(7))
    """0 is Monday."""

    @classmethod
    def read(cls, text: str) -> "TimeOfDay":
        """Read what an operator wrote. Raise ValueError, with how it is written."""
        found = _WRITTEN.fullmatch(text.strip())
        try:
            if found is None:
                raise ValueError(text)  # noqa: TRY301 - told as the others are
            first, last, hour, minute = found.groups()
            at = time(int(hour), int(minute))
            return cls(at, _weekdays(first, last)) if first else cls(at)
        except ValueError:
            message = 'a time of the day is written "09:00", "Mon 09:00" or "Mon-Fri 09:00"'
            raise ValueError(message) from None


def _weekdays(first: str, last: str | None) -> frozenset[int]:
    """Return the days from one to the other, over the end of the week where need be."""
    start = DAYS.index(first.title())
    length = (DAYS.index((last or first).title()) - start) % 7 + 1
    return frozenset((start + n) % 7 for n in range(length))


@dataclass(frozen=True)
class At:
    """At times of the day, in a time zone."""

    written: Sequence[str]
    zone: str

    def __str__(self) -> str:
        """Return `Mon-Fri 09:00 Europe/Berlin`."""
        return f"{', '.join(self.written)} {self.zone}"

    def latest(self, now: datetime) -> datetime:
        """Return the newest slot that is not after now."""
        return max(slot for slot in self._around(now, -8, 1) if slot <= now)

    def following(self, now: datetime) -> datetime:
        """Return the first slot after now."""
        return min(slot for slot in self._around(now, -1, 8) if slot > now)

    def _around(self, now: datetime, first: int, last: int) -> Iterator[datetime]:
        """Give the slots of these days, counted from today, in no order."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        for each in map(TimeOfDay.read, self.written):
            for day in (today + n * _DAY for n in range(first, last + 1)):
                if day.weekday() in each.weekdays:
                    yield moment(day, each.at, zone)


def moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return when it is this time on this day, in UTC: the first such moment, or the next one.

    Clocks that go forward leave out some times: then it is the moment at which they do.
    """
    one, other = (
        datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    return one if one <= other else _change(other, one, zone)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clocks change, which they do between these two."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def is_zone(name: str) -> bool:
    """Tell whether there is such a time zone, spelled so."""
    return name in available_timezones()
