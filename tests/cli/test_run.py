"""What `npsloop run` promises: one process, pages that answer, an end within seconds."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from loop.models import JobRun, Survey
from tests.cli.conftest import Desk

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_S = 15


@dataclass
class Running:
    """The loop in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    address: str

    def get(self, path: str) -> int:
        """Open a page, and return its status."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def end(self, how: signal.Signals) -> int:
        """End it, and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(ENDS_WITHIN_S)


def command(path: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "loop.cli", "run", "-c", str(path), *more]


@contextmanager
def running(path: Path) -> Iterator[Running]:
    log = path.parent / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(command(path), cwd=ROOT, stderr=written, stdout=written)
    try:
        yield Running(process, log, listening(process, log))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def listening(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until it listens."""
    for _ in range(900):
        found = re.search(r"listening on (\S+)", log.read_text())
        if found and "startup complete" in log.read_text():
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture
def port(ann: Desk) -> Path:
    """Give the configuration of a desk whose pages listen on any free port."""
    ann.path.write_text(f"{ann.path.read_text()}web: {{port: 0}}\nschedule: {{deliver_s: 0.2}}\n")
    return ann.path


def test_the_loop_runs_until_it_is_told_to_end(ann: Desk, port: Path) -> None:
    with running(port) as loop:
        assert loop.get("/healthz") == 200
        assert loop.get("/a/a-token-of-somebody?score=9") == 404
        second = subprocess.run(
            command(port), cwd=ROOT, capture_output=True, text=True, check=False
        )
        for _ in range(300):
            if ann.world.only(Survey).asked_at if ann.world.all(Survey) else None:
                break
            time.sleep(0.1)
        ended = loop.end(signal.SIGTERM)

    log = loop.log.read_text()
    assert ended == 0, log
    assert ann.world.only(Survey).asked_at is not None
    assert {row.name for row in ann.world.all(JobRun)} >= {"pull", "choose", "deliver"}
    assert second.returncode == 1
    assert f"process {loop.process.pid} runs the loop on" in second.stderr
    assert "a-token-of-somebody" not in log
    assert '"GET /a/* HTTP/1.1" 404' in log
    assert "Traceback" not in log


def test_ctrl_c_ends_the_loop_as_interrupted(port: Path) -> None:
    with running(port) as loop:
        ended = loop.end(signal.SIGINT)

    assert ended == 130, loop.log.read_text()
    assert "Traceback" not in loop.log.read_text()


def test_a_port_in_use_is_told_at_once(ann: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ann.path.write_text(f"{ann.path.read_text()}web: {{port: {number}}}\n")

        done = ann.run("run")

    assert done.exit_code == 1
    assert f"127.0.0.1:{number}: Address already in use" in done.stderr
    assert "web.port" in done.stderr


def test_an_old_database_waits_where_that_is_wanted(ann: Desk) -> None:
    (ann.path.parent / "npsloop.db").unlink()

    done = ann.run("run", "--no-upgrade")

    assert done.exit_code == 1
    assert "npsloop db upgrade" in done.stderr


def test_commands_that_deliver_hold_the_loop_off(ann: Desk) -> None:
    import fcntl  # noqa: PLC0415 - beside its only use

    handle = os.open(ann.path.parent / "npsloop.db.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        done = ann.run("run")
    finally:
        os.close(handle)

    assert done.exit_code == 1
    assert "a command delivers on" in done.stderr


@pytest.mark.parametrize("command", ["worker", "web"])
def test_several_processes_need_postgresql(ann: Desk, command: str) -> None:
    done = ann.run(command)

    assert done.exit_code == 1
    assert "SQLite, which is for one process" in done.stderr
    assert "npsloop run" in done.stderr
