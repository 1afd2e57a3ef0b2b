"""Everything that can go wrong, from one seed; and that the simulation sees it when we fail.

`npsloop simulate --runs 20000` tries more than the usual few.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from loop.simulate import Database, open_database, run

ROOT: Final = Path(__file__).resolve().parents[2]
RUNS: Final = 300
PART: Final = 50
DIGESTS: Final = """
from loop.simulate import open_database, run
database = open_database()
print(*(run(seed, database).digest for seed in range(7000, 7004)))
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    made = open_database()
    yield made
    made.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, RUNS, PART))
def test_what_we_promise_holds_whatever_goes_wrong(database: Database, first: int) -> None:
    """Nothing doubled, nothing lost, nobody mailed after leaving: see `loop.simulate.promises`."""
    verdicts = [run(seed, database) for seed in range(first, first + PART)]

    assert {verdict.seed: verdict.broken for verdict in verdicts if verdict.broken} == {}


@pytest.mark.timeout(600)
def test_it_holds_on_postgresql_too(postgres: str) -> None:
    """In a schema of its own, and with several connections."""
    database = open_database(postgres)

    verdicts = [run(seed, database) for seed in range(5)]
    database.close()

    assert {verdict.seed: verdict.broken for verdict in verdicts if verdict.broken} == {}


def test_the_same_seed_brings_the_same_trace() -> None:
    """Whatever the order of sets, in another process."""
    told = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashes in ("1", "2")
    }

    assert len(told) == 1
    assert len(set(told.pop().split())) == 4
