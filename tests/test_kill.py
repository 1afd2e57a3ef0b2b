"""Real workers, killed with -9 while everything is in flight: nothing is doubled, nothing lost."""

import json
import os
from typing import Any

import pytest
from typer.testing import CliRunner

from loop.cli import app
from loop.rehearse.kill import WRONG

KILLS = int(os.environ.get("NPSLOOP_KILLS", "40"))


def killed(*words: str) -> dict[str, Any]:
    """Run the command, and read what it counted."""
    command = ["simulate", "kill", "--json", "--kills", str(KILLS), *words]
    done = CliRunner().invoke(app, command, prog_name="npsloop")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def promised(found: dict[str, Any]) -> None:
    """Hold what was counted against what we promise."""
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert found["kills"] == KILLS
    assert found["sent"] >= found["answers"] > 0
    assert found["tasks"] > 0
    assert sum(found["settled"].values()) == found["unknown"]


@pytest.mark.timeout(300 + KILLS)
def test_one_process_on_sqlite_may_die_at_any_moment() -> None:
    promised(killed("--seed", "7"))


@pytest.mark.timeout(300 + KILLS)
def test_three_workers_on_postgresql_may_die_at_any_moment(postgres: str) -> None:
    promised(killed("--seed", "8", "--database-url", postgres))


@pytest.mark.parametrize(
    "words", [("--workers", "2"), ("--database-url", "sqlite:///elsewhere.db")]
)
def test_what_cannot_be_rehearsed_is_wrong_usage(words: tuple[str, str]) -> None:
    done = CliRunner().invoke(app, ["simulate", "kill", *words], prog_name="npsloop")

    assert done.exit_code == 2
