"""A database that an earlier version made comes up to this one, with all that is in it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from alembic import command
from sqlalchemy import Table, text

from connectors.ports import MailEvent, MailEventKind, Task
from loop import answer, leave, schedule
from loop.answer import Given, Taken
from loop.models import Case, Effect, Survey
from loop.states import CaseState, EffectState, Stage
from loop.store import Outdated, Store, _alembic, _scripts
from tests import earlier
from tests.loop.conftest import MONDAY, World, make_world

ROOT: Final = Path(__file__).resolve().parents[1]
EARLIER: Final = [step.revision for step in _scripts().walk_revisions() if not step.is_head]
GONE: Final[Mapping[str, frozenset[str]]] = {"effect": frozenset({"worker", "lease_until"})}
"""Columns that a later version has no more, by table: what they said is kept elsewhere."""


@dataclass
class Old:
    """A database as an earlier version left it."""

    store: Store
    revision: str
    tables: dict[str, Table]
    contents: dict[str, list[earlier.Row]]

    def untouched(self) -> bool:
        """Tell whether it is as it was."""
        with self.store.engine.connect() as connection:
            return earlier.contents(connection, self.tables) == self.contents

    def now(self) -> dict[str, list[earlier.Row]]:
        """Return all that is in it now."""
        with self.store.engine.connect() as connection:
            return earlier.contents(connection, earlier.tables(connection))


@pytest.fixture(params=EARLIER)
def old(request: pytest.FixtureRequest, bare_url: str) -> Iterator[Old]:
    """Give a database of each kind, as each earlier version left it."""
    store = Store(bare_url)
    with store._writing.begin() as connection:
        command.upgrade(_alembic(connection), request.param)
        earlier.fill(connection, earlier.ROWS[request.param])
        tables = earlier.tables(connection)
        contents = earlier.contents(connection, tables)
    yield Old(store, request.param, tables, contents)
    store.close()


def kept(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether each row is there still, in all the columns that there still are."""
    left = [dict(row) for row in after]
    for row in before:
        same = next((one for one in left if all(one[n] == row[n] for n in row if n in one)), None)
        if same is None:
            return False
        left.remove(same)
    return True


def assert_kept(old: Old) -> None:
    """Hold what there is against what there was."""
    now = old.now()
    for name, rows in old.contents.items():
        assert kept(rows, now[name]), name
        lost = set(rows[0]) - set(now[name][0])
        assert lost == GONE.get(name, frozenset()), name


def test_every_earlier_version_has_its_rows() -> None:
    """Whoever adds a version keeps a database of the one before: rows in each of its tables."""
    assert sorted(earlier.ROWS) == sorted(EARLIER)


def test_every_table_of_then_has_rows(old: Old) -> None:
    assert [name for name, rows in old.contents.items() if not rows] == []


def test_what_was_in_it_is_in_it_still(old: Old) -> None:
    old.store.upgrade()

    old.store.check()
    assert_kept(old)
    if old.store.lite:
        with old.store.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_the_program_goes_on_where_it_was_stopped(old: Old) -> None:
    """The mail that was being sent is doubtful, the score is written, the case can be closed."""
    old.store.upgrade()
    world = peopled(old.store)

    for name in (*schedule.JOBS, "deliver"):
        assert schedule.run(world.app, name), name

    assert world.mailer.sent == []
    assert states(world, "ask:s-bob", "ask:s-cleo") == [EffectState.UNKNOWN] * 2
    assert world.crm.state.scores["ann"].score == 2
    assert "s-emil" in str(world.crm.state.answers)
    assert stage(world, "s-ann") is Stage.ANSWERED

    world.crm.finish("task-ann", MONDAY)
    take_events(world, "ask:s-bob")
    assert said(world, "answer-dora", 9)
    world.close()

    assert states(world, "ask:s-bob") == [EffectState.DONE]
    assert world.only(Case).state is CaseState.RESOLVED
    assert [stage(world, f"s-{who}") for who in ("ann", "bob", "dora")] == [
        Stage.CLOSED,
        Stage.ASKED,
        Stage.ANSWERED,
    ]


def test_killed_at_any_moment_it_is_before_or_after(old: Old) -> None:
    """It dies after its first statement, then after its second, until none is left."""
    url = old.store.url.render_as_string(hide_password=False)
    seen = []
    with killer(url) as dies_after:
        while dies_after(len(seen) + 1):
            seen.append(old.store.revision())
            assert old.untouched()
        old.store.check()

    assert len(seen) > 3
    assert set(seen) == {old.revision}
    assert_kept(old)


def test_two_upgrades_at_once_are_one(old: Old) -> None:
    """Such as two machines that are started together."""
    url = old.store.url.render_as_string(hide_password=False)

    with killer(url) as one, killer(url) as other:
        one.start()
        other.start()
        assert not one.died()
        assert not other.died()

    old.store.check()
    assert_kept(old)


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    """There is no way down, and the words say so."""
    with store.write() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))

    for refused in (store.check, store.upgrade):
        with pytest.raises(Outdated, match=r"at 9999.* a newer one made it.*restore a copy"):
            refused()

    assert store.revision() == "9999"


def test_there_is_no_way_down() -> None:
    """A copy from before is the way back: no step offers another that nobody has tried."""
    assert [step for step in _scripts().walk_revisions() if hasattr(step.module, "downgrade")] == []


class Killer:
    """Upgrades that are killed after so many statements."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, dies_after: int = 0) -> None:
        """Begin an upgrade."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{dies_after}\n")
        self._process.stdin.flush()

    def died(self) -> bool:
        """Wait for it; tell whether it died."""
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told in {"died\n", "finished\n"}
        return told == "died\n"

    def __call__(self, dies_after: int) -> bool:
        """Let an upgrade begin and die; tell whether it did."""
        self.start(dies_after)
        return self.died()


@contextmanager
def killer(url: str) -> Iterator[Killer]:
    """Run a process that forks upgrades."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.upgrading", url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def peopled(store: Store) -> World:
    """Return a world whose CRM has the people whom the database knows."""
    world = make_world(store)
    world.add_owner()
    world.add_account(owner_id="o1")
    for person in earlier.PEOPLE:
        fields = {"first_name": person.title(), "account_id": "a1", "owner_id": "o1"}
        world.add(person, f"{person}@acme.example", **fields)
    task = {"key": "task-ann", "contact_id": "ann", "owner_id": "o1", "subject": "", "body": ""}
    world.crm.state.tasks["task-ann"] = msgspec.convert(task | {"due": "2030-01-09"}, Task)
    return world


def states(world: World, *keys: str) -> list[EffectState]:
    """Return the states of these effects."""
    found = {effect.key: effect.state for effect in world.all(Effect)}
    return [found[key] for key in keys]


def stage(world: World, survey_id: str) -> Stage:
    """Return where a survey is."""
    with world.app.store.read() as session:
        return session.get_one(Survey, survey_id).stage


def said(world: World, token: str, score: int) -> bool:
    """Answer by a link of then; tell whether it was taken."""
    with world.app.store.write() as session:
        [result] = answer.keep(world.app, session, [Given(token=token, score=score)])
    return isinstance(result, Taken)


def take_events(world: World, key: str) -> None:
    """Let the provider tell that a mail was delivered."""
    event = MailEvent(id="event-9", mail_key=key, kind=MailEventKind.DELIVERED, at=MONDAY)
    assert leave.take_events(world.app, [event], schedule.HANDLERS) == 1
