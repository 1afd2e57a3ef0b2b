"""A process that is stopped in the middle of a batch, and wakes when others have it."""

import os
import signal
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.memory import MemoryMailer
from connectors.ports import Mail, Outcome
from loop import outbox, schedule
from loop.app import utc_now
from loop.outbox import lease, reap
from loop.states import EffectState
from loop.store import Store
from tests.loop.conftest import World
from tests.loop.outgoing import LETTERS, chosen, states, until

MAILS = 40


class Postbox(MemoryMailer):
    """A mailer whose mails can be counted from another process; it takes its time."""

    def __init__(self, sent: Path) -> None:
        super().__init__()
        self.written = sent

    def _send(self, mail: Mail) -> Outcome:
        outcome = super()._send(mail)
        if outcome.error is None:
            with self.written.open("a", encoding="utf-8") as file:
                file.write(f"{mail.key}\n")
        time.sleep(0.02)
        return outcome


def forked(world: World, sent: Path, database_url: str) -> int:
    """Deliver the mails in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        app = replace(world.app, store=Store(database_url), mailer=Postbox(sent), worker="frozen")
        outbox.drain(app, LETTERS, schedule.HANDLERS)
    finally:
        os._exit(0)


def test_a_stopped_process_sends_nothing_after_its_time(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mails are settled by others meanwhile; what it knew when it woke is not lost."""
    monkeypatch.setattr(lease, "LEASE", timedelta(seconds=2))
    monkeypatch.setattr(lease, "STALE", timedelta(seconds=1))
    monkeypatch.setattr(lease, "BEAT_S", 0.3)
    chosen(world, MAILS)
    ahead = world.clock.at - utc_now()
    world = replace(world, app=replace(world.app, now=lambda: utc_now() + ahead))
    sent = tmp_path / "sent"
    sent.touch()

    worker = forked(world, sent, database_url)
    until(lambda: len(sent.read_text().splitlines()) >= 3)
    os.kill(worker, signal.SIGSTOP)
    before = len(sent.read_text().splitlines())
    until(lambda: reap(world.app) == MAILS)
    os.kill(worker, signal.SIGCONT)
    os.waitpid(worker, 0)

    after = sent.read_text().splitlines()
    assert before <= len(after) <= before + 1
    assert len(set(after)) == len(after)
    assert states(world) == {
        EffectState.DONE: len(after),
        EffectState.DUE: MAILS - len(after),
    }
