"""The database remembers, on SQLite and on PostgreSQL."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import SQLModel

from loop.models import Answer, Customer, Job, Watermark
from loop.store import Outdated, Store, table, upsert


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    """Whoever changes a model writes a migration."""
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_upgrading_twice_is_the_same_as_once(store: Store) -> None:
    """An operator may press the button again."""
    store.upgrade()
    store.check()


def test_a_database_without_our_tables_says_what_to_do(tmp_path: Path) -> None:
    """The message names the command."""
    store = Store(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(Outdated, match="npsloop db upgrade"):
        store.check()
    store.close()


def test_times_come_back_aware_and_in_utc(store: Store) -> None:
    """Whatever zone they were given in; a naive one is refused."""
    there = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2030, 1, 1, 5, 30, tzinfo=there)
    with store.write() as session:
        session.add(Job(name="x", slot=at))
    with store.read() as session:
        back = session.get_one(Job, "x").slot
    assert (back, back.tzinfo) == (datetime(2030, 1, 1, tzinfo=UTC), UTC)

    with pytest.raises((ValueError, StatementError)), store.write() as session:
        session.connection().execute(
            update(table(Job)).values(slot=datetime(2030, 1, 1))  # noqa: DTZ001 - that is it
        )


def test_a_score_off_the_scale_does_not_get_in(store: Store) -> None:
    """The database has the last word."""
    with pytest.raises(IntegrityError), store.write() as session:
        session.connection().execute(
            text("INSERT INTO answer VALUES ('s', 'c', 11, '', 'page', '2030-01-01', '2030-01-01')")
        )


def test_all_of_a_transaction_or_nothing(store: Store) -> None:
    """What failed half-way left nothing."""

    def half() -> None:
        with store.write() as session:
            session.add(Job(name="x", slot=datetime(2030, 1, 1, tzinfo=UTC)))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with store.read() as session:
        assert session.get(Job, "x") is None


def test_an_upsert_updates_only_what_it_names(store: Store) -> None:
    """The rest of the row stays."""
    at = datetime(2030, 1, 1, tzinfo=UTC)
    row = {"crm": "c", "records": "contacts", "value": "1", "at": at}
    with store.write() as session:
        upsert(session, Watermark, [row], key=("crm", "records"))
        changed = row | {"value": "2", "at": at + timedelta(days=1)}
        upsert(session, Watermark, [changed], key=("crm", "records"), update=("value",))
    with store.read() as session:
        found = session.get_one(Watermark, ("c", "contacts"))
    assert (found.value, found.at) == ("2", at)


def test_no_update_is_lost_between_writers(store: Store) -> None:
    """Four threads that read, then write: each of their steps counts."""
    start = datetime(2030, 1, 1, tzinfo=UTC)
    with store.write() as session:
        session.add(Job(name="x", slot=start))

    def work() -> None:
        for _ in range(25):
            with store.write() as session:
                row = session.get_one(Job, "x", with_for_update=True)
                row.slot += timedelta(seconds=1)
                session.add(row)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.read() as session:
        assert session.get_one(Job, "x").slot == start + timedelta(seconds=100)


def test_a_backup_is_a_database_of_its_own(tmp_path: Path) -> None:
    """It can be opened, and an older copy is never overwritten."""
    store = Store(f"sqlite:///{tmp_path / 'npsloop.db'}")
    store.upgrade()
    with store.write() as session:
        session.add(Job(name="x", slot=datetime(2030, 1, 1, tzinfo=UTC)))
    copy = tmp_path / "copy.db"
    store.backup(copy)

    assert sqlite3.connect(copy).execute("SELECT name FROM job").fetchall() == [("x",)]
    with pytest.raises(FileExistsError):
        store.backup(copy)
    store.close()


def test_answers_and_customers_have_their_tables() -> None:
    """The helper finds a model's table."""
    assert {table(model).name for model in (Answer, Customer)} == {"answer", "customer"}
