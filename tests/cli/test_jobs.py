"""What `npsloop jobs` promises."""

import json
import threading
from dataclasses import replace

from loop import schedule
from loop.models import Job, JobRun
from tests.cli.conftest import Desk


def test_jobs_are_listed_with_what_they_did_and_when_they_run(ann: Desk) -> None:
    schedule.run(ann.world.app, "pull")

    told = ann.told("jobs", "list")["jobs"]

    assert list(told) == ["pull", "choose", "deliver", "close", "tidy"]
    assert told["pull"]["plan"] == "every 15 minutes"
    assert told["pull"]["result"] == "1 owners"
    assert told["pull"]["seconds"] == 0
    assert told["close"]["last_run"] is None
    assert "never ran" in ann.run("jobs", "list").stdout


def test_a_job_is_run_by_hand(ann: Desk) -> None:
    told = ann.told("jobs", "run", "choose")

    assert told["result"] == "1 by relationship"
    assert ann.told("status")["jobs"]["choose"]["result"] == "1 by relationship"
    assert ann.world.only(JobRun).name == "choose"


def test_a_job_that_mails_is_run_only_where_that_is_agreed(ann: Desk) -> None:
    ann.world.choose()

    assert ann.run("jobs", "run", "deliver").exit_code == 2
    assert ann.run("jobs", "run", "deliver", "--dry-run").exit_code == 0
    assert ann.world.all(JobRun) == []
    assert ann.told("jobs", "run", "deliver", "--yes")["result"] == "1 settled"


def test_a_job_that_runs_elsewhere_is_refused(ann: Desk) -> None:
    other = replace(ann.world.app, worker="elsewhere", stopping=threading.Event())
    schedule.tick(other)

    done = ann.run("jobs", "run", "pull")

    assert done.exit_code == 1
    assert "pull runs since" in done.stderr
    assert "(elsewhere): wait until it has ended" in done.stderr
    assert "runs since" in ann.run("jobs", "list").stdout


def test_a_job_that_fails_is_told_and_ends_so(desk: Desk) -> None:
    config = desk.path.read_text().replace("type: memory_crm", "type: hubspot, access_token: x, ")
    desk.path.write_text(config.replace("x, }", "x, origin: 'http://127.0.0.1:9'}"))

    done = desk.run("jobs", "run", "pull", "--json")

    assert done.exit_code == 1
    assert "hubspot" in json.loads(done.stdout)["problem"]


def test_jobs_are_paused_and_resumed(ann: Desk) -> None:
    ann.told("jobs", "pause", "pull", "close")

    assert ann.told("jobs", "list")["jobs"]["pull"]["next_run"] is None
    assert "job close               paused, never ran" in ann.run("status").stdout
    ann.told("jobs", "resume", "pull")
    assert {row.name for row in ann.world.all(Job) if row.paused_at} == {"close"}


def test_a_dry_run_pauses_nothing(ann: Desk) -> None:
    assert ann.told("jobs", "pause", "pull", "--dry-run")["dry_run"] is True
    assert ann.told("jobs", "resume", "pull", "--dry-run")["jobs"]["pull"]["paused_at"] is None
    assert ann.world.all(Job) == []


def test_a_job_that_there_is_not_is_wrong_usage(ann: Desk) -> None:
    for command in ("run", "pause", "resume"):
        done = ann.run("jobs", command, "pul")
        assert done.exit_code == 2
        assert "did you mean pull?" in done.stderr


def test_a_program_with_times_of_its_own_is_a_job(ann: Desk) -> None:
    kind = "kind: relationship"
    own = ann.path.read_text().replace(kind, f"{kind}, at: ['Mon-Fri 9:00'], timezone: Asia/Tokyo")
    ann.path.write_text(own)

    told = ann.told("jobs", "list")["jobs"]["choose.relationship"]

    assert told["plan"] == "Mon-Fri 9:00 Asia/Tokyo"
    assert ann.told("jobs", "run", "choose.relationship")["result"] == "1 by relationship"
