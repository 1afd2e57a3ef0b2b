"""When something is due, on days on which the clocks change too."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.slots import At, Every, Plan, TimeOfDay, moment

NEW_YEAR = datetime(2026, 1, 1, 12, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
GAPS_AT_MIDNIGHT = {"America/Nuuk", "America/Godthab", "America/Scoresbysund"}
"""Where the last hour of a day is left out: what stands there comes on the next day."""


def slots(plan: Plan, start: datetime, end: datetime, tick: timedelta) -> list[datetime]:
    """Return what a clock that ticks finds to be due, each slot as often as it is new."""
    found, newest, now = [], plan.latest(start), start
    while now < end:
        now += tick
        if plan.latest(now) > newest:
            newest = plan.latest(now)
            found.append(newest)
    return found


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("written", ["00:30", "02:30", "03:00"])
def test_a_daily_time_comes_once_a_day_all_the_year(zone: str, written: str) -> None:
    """On the two days on which the clocks change, too."""
    there = ZoneInfo(zone)

    found = slots(At([written], zone), NEW_YEAR, NEW_YEAR.replace(year=2027), timedelta(minutes=50))

    days = Counter(slot.astimezone(there).date() for slot in found)
    assert set(days.values()) == {1}
    assert len(days) == 365
    usual = TimeOfDay.read(written).at
    unusual = [slot for slot in found if slot.astimezone(there).time() != usual]
    assert len(unusual) == (written == "02:30" and zone != "Asia/Tokyo")


def test_a_time_that_the_clocks_leave_out_comes_when_they_change() -> None:
    there = ZoneInfo("Europe/Berlin")

    found = moment(date(2026, 3, 29), time(2, 30), there)

    assert found.astimezone(there) == datetime(2026, 3, 29, 3, 0, tzinfo=there)


def test_a_time_that_comes_twice_counts_the_first_time() -> None:
    found = moment(date(2026, 10, 25), time(2, 30), ZoneInfo("Europe/Berlin"))

    assert found == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2024, 1, 1), date(2035, 12, 1)),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_each_day_has_its_moment_in_every_zone(zone: str, day: date, at: time) -> None:
    """One after the other, on that day, not before its time."""
    there = ZoneInfo(zone)

    found = [moment(day + timedelta(days=n), at, there) for n in range(3)]

    assert found[0] < found[1] < found[2]
    local = found[0].astimezone(there)
    assert local.date() == day or zone in GAPS_AT_MIDNIGHT
    assert local.replace(tzinfo=None) >= datetime.combine(day, at)
    assert At([f"{at:%H:%M}"], zone).latest(found[0]) == found[0]


@settings(max_examples=100, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    written=st.lists(st.sampled_from(["00:00", "Mon 02:30", "Sat-Mon 23:59", "9:00"]), min_size=1),
    now=st.integers(0, 10 * 365 * 24 * 60).map(lambda n: NEW_YEAR + timedelta(minutes=n)),
)
def test_nothing_lies_between_a_slot_and_the_next(
    zone: str, written: list[str], now: datetime
) -> None:
    plan = At(written, zone)

    latest, following = plan.latest(now), plan.following(now)

    assert latest <= now < following
    assert plan.following(latest) == following
    assert plan.latest(following) == following


def test_days_of_the_week_are_those_of_the_place() -> None:
    """Monday morning in Auckland is Sunday in UTC."""
    there = ZoneInfo("Pacific/Auckland")
    found = At(["Mon 08:00"], "Pacific/Auckland").following(NEW_YEAR)

    assert found.astimezone(there) == datetime(2026, 1, 5, 8, tzinfo=there)
    assert found.weekday() == 6


def test_days_may_go_over_the_end_of_the_week() -> None:
    assert TimeOfDay.read("Sat-Mon 10:00").weekdays == {5, 6, 0}
    assert TimeOfDay.read("fri 7:05") == TimeOfDay(time(7, 5), frozenset({4}))


@pytest.mark.parametrize("text", ["9", "24:00", "09:60", "Mo 09:00", "Mon-Frei 09:00", "", "9:5"])
def test_what_is_no_time_is_told_with_how_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match='"Mon-Fri 09:00"'):
        TimeOfDay.read(text)


def test_intervals_are_the_same_in_every_process() -> None:
    """Whenever it was started: they are counted from 1970."""
    plan = Every(900)

    assert plan.latest(NEW_YEAR) == NEW_YEAR
    assert plan.latest(NEW_YEAR + timedelta(minutes=14)) == NEW_YEAR
    assert plan.following(NEW_YEAR) == NEW_YEAR + timedelta(minutes=15)


def test_plans_are_told_in_words() -> None:
    told = [str(Every(s)) for s in (0.5, 1, 5, 60, 900, 5400, 3600, 172_800)]

    assert told == [
        "every 0.5 seconds",
        "every second",
        "every 5 seconds",
        "every minute",
        "every 15 minutes",
        "every 90 minutes",
        "every hour",
        "every 2 days",
    ]
    assert str(At(["06:00", "Mon 09:00"], "Asia/Tokyo")) == "06:00, Mon 09:00 Asia/Tokyo"
