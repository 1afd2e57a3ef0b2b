"""The benchmarks run, and say what they promise; how fast they are is not a test's business."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loop import resources
from loop.cli import app

ROOT = Path(__file__).resolve().parents[1]


def bench(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run `npsloop bench ... --json`, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "loop.cli", "bench", *arguments, "--rounds", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pulling_is_measured_for_both_crms() -> None:
    """The one that is further from its bound stands at the top."""
    told = bench("pull", "-n", "250")

    assert set(told["crms"]) == {"hubspot", "salesforce"}
    assert told["n"] == 250
    for one in (told, *told["crms"].values()):
        assert {"rate", "bound", "ratio_to_bound", "peak_mb"} <= one.keys()
        assert one["rate"] > 0
    assert told["ratio_to_bound"] == min(one["ratio_to_bound"] for one in told["crms"].values())


def test_rendering_is_measured() -> None:
    told = bench("render", "-n", "20")

    assert {"rate", "bound", "ratio_to_bound", "peak_mb", "n"} <= told.keys()
    assert told["bench"] == "render"


def test_answering_is_measured() -> None:
    """Both sides kept every answer, or the benchmark would have failed."""
    told = bench("answer", "-n", "40")

    assert {"rate", "bound", "ratio_to_bound", "p99_ms", "n"} <= told.keys()
    assert told["p99_ms"] > 0


@pytest.mark.timeout(300)
def test_delivering_is_measured_on_both_databases() -> None:
    """The worst of those that are 20 ms away stands at the top."""
    told = bench("deliver", "-n", "100")

    far = [run for run in told["runs"].values() if run["latency_ms"] == 20]
    assert {run["database"] for run in far} == {"sqlite", "postgresql"}
    assert sorted(run["workers"] for run in far) == [1, 1, 2, 4]
    assert told["ratio_to_bound"] == min(run["ratio_to_bound"] for run in far)
    assert all(run["rate"] > 0 for run in told["runs"].values())
    assert set(told["idle_shares"]) == {"sqlite", "postgresql"}


def test_without_a_checkout_there_is_nothing_to_measure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resources, "folder", lambda: tmp_path)

    done = CliRunner().invoke(app, ["bench", "render"])

    assert done.exit_code == 2
    assert "./npsloop bench" in done.stderr.replace("\n", " ")


def test_people_read_a_line_for_each_comparison() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/render.py", "-n", "10", "--rounds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "ratio" in done.stdout, done.stderr
    assert done.stdout.startswith("render")


def test_a_day_ends_with_nothing_due() -> None:
    """At the vendors' limits, with a clock that is sped up."""
    few = ["--share", "1", "--people", "200", "--mails", "200", "--answers", "40"]
    done = subprocess.run(
        [sys.executable, "benchmarks/day.py", *few, "--deliver-s", "1800", "--json"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    told = json.loads(done.stdout)
    assert told["answers"] == 40
    assert told["calls"]["mail"]["send"] > 200
    assert told["backlog"]["08:00"]["mail.letters"] == 200
    assert told["backlog"]["07:00"] == {}
