"""Real processes that fire jobs on one database, killed again and again."""

import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

import pytest
from sqlmodel import col, select

from loop.models import JobRun
from loop.store import Store
from tests.loop.ticking import live

LASTS_S = 6
PATIENCE_S = 60
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.loop.ticking"])


class Herd:
    """Processes that are born and killed."""

    def __init__(self, url: str, diary: Path) -> None:
        self.url, self.diary = url, diary
        self.alive: list[BaseProcess] = []
        self.dead: set[int | None] = set()

    def grow(self) -> None:
        """Let one more live."""
        process = FORKS.Process(target=live, args=(self.url, self.diary))
        process.start()
        self.alive.append(process)

    def kill(self, place: int = 0) -> None:
        """Kill one."""
        process = self.alive.pop(place)
        process.kill()
        process.join()
        self.dead.add(process.pid)


@pytest.fixture
def herd(database_url: str, tmp_path: Path) -> Iterator[Herd]:
    (tmp_path / "diary").touch()
    made = Herd(database_url, tmp_path / "diary")
    yield made
    while made.alive:
        made.kill()


def rows(store: Store) -> list[JobRun]:
    with store.read() as session:
        return list(session.exec(select(JobRun).order_by(col(JobRun.started_at))))


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("processes", [2, 4])
def test_killed_again_and_again_they_fire_each_slot_once(
    herd: Herd, store: Store, processes: int
) -> None:
    """No two are at work at once, and what one died at another does again."""
    chance = Random(processes)
    for _ in range(processes):
        herd.grow()
    wait_for(lambda: bool(rows(store)))

    until = time.monotonic() + LASTS_S
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.1, 0.5))
        herd.kill(chance.randrange(processes))
        herd.grow()
    before = len(rows(store))
    wait_for(lambda: len([row for row in rows(store) if row.ended_at]) > before)
    while herd.alive:
        herd.kill()

    fired = rows(store)
    ended = [row for row in fired if row.ended_at]
    diary = herd.diary.read_text().splitlines()
    assert len(fired) - len(ended) <= 1
    assert len({row.slot for row in fired}) == len(fired)
    assert {row.result for row in ended} == {"worked"}
    ends = [line for line in diary if line.startswith("end")]
    assert len(ended) <= len(ends) <= sum(row.tries for row in fired)
    assert_one_at_a_time(diary, herd.dead)


def assert_one_at_a_time(diary: list[str], dead: set[int | None]) -> None:
    """Hold that nobody began while somebody who lived was at work."""
    at_work = ""
    for what, pid in (line.split() for line in diary):
        if what == "begin":
            assert not at_work or int(at_work) in dead
        at_work = pid if what == "begin" else ""
