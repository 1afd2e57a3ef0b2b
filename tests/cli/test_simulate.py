"""`npsloop simulate`: runs from a seed, and what is said of one that failed."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from loop.cli import app
from loop.simulate import promises
from loop.simulate.promises import Known


def nobody_is_ever_written_to(known: Known) -> Iterator[str]:
    """Find any mail: a promise that we cannot keep."""
    yield from (f"{mail.key} went out" for mail in known.inbox[:1])


def test_runs_that_keep_every_promise_end_well() -> None:
    """And tell what went wrong meanwhile."""
    done = CliRunner().invoke(app, ["simulate", "--runs", "2", "--seed", "1", "--json"])

    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (told["runs"], told["seed"], told["failed"]) == (2, 1, [])
    assert told["counts"]["steps"] > 0


def test_the_same_is_said_in_words() -> None:
    """A line for the runs, and one for their troubles."""
    done = CliRunner().invoke(app, ["simulate", "--runs", "2", "--seed", "1"])

    assert done.stdout.startswith("2 runs, seeds 1 to 2: every promise held\n")


def test_a_failed_run_says_how_it_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its last steps and its seed; and the exit code is that of findings."""
    monkeypatch.setattr(promises, "ALWAYS", [nobody_is_ever_written_to])

    done = CliRunner().invoke(app, ["simulate", "--runs", "1", "--seed", "1"])
    as_json = CliRunner().invoke(app, ["simulate", "--runs", "1", "--seed", "1", "--json"])

    [failed] = json.loads(as_json.stdout)["failed"]
    assert done.exit_code == as_json.exit_code == 3
    assert failed["seed"] == 1
    assert failed["replay"] == "npsloop simulate --runs 1 --seed 1"
    assert failed["broken"][0].startswith("nobody is ever written to: ask:")
    assert failed["trace"][-1] in done.stdout
    assert f"again: {failed['replay']}" in done.stdout
    assert "1 broke a promise: 1" in done.stdout


def test_a_database_file_is_not_played_with() -> None:
    """Only a PostgreSQL has room for a schema of our own."""
    done = CliRunner().invoke(app, ["simulate", "--database-url", "sqlite:///npsloop.db"])

    assert done.exit_code == 2
    assert "--database-url is for PostgreSQL" in done.stderr
