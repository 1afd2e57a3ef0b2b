"""The database: SQLite for one process, PostgreSQL for several, the same schema on both.

Every write transaction on SQLite begins IMMEDIATE: a deferred one that reads first loses the
race for the lock. Nothing but our own reads and writes happens inside a transaction.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    Table,
    UpdateBase,
    create_engine,
    delete,
    event,
    exc,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlmodel import Session, SQLModel

from loop.config import Mendable
from loop.migrations import jobs
from loop.models import Compatible

MIGRATIONS: Final = Path(__file__).parent / "migrations"
WRITE: Final = {"npsloop_write": True}
BUSY_TIMEOUT_MS: Final = 10_000
CONNECT_S: Final = 10
SQLITE_ROWS_MAX: Final = 500
CACHE_KB: Final = 16_384
"""Of SQLite: with the 2 MB that it takes by itself, indexes are read and written over and over."""
CHECKPOINT_PAGES: Final = 4_000
"""So many pages gather in SQLite's log, 16 MB, before they go where they belong."""
PASSING: Final = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
"""What a database says that is locked, away, or has no connection left: try again."""
M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")
Opened = Callable[[], AbstractContextManager[Session]]
log: Final = logging.getLogger(__name__)


class Outdated(Mendable):
    """The database is not of this version. Run `npsloop db upgrade`, or the newer program."""


class Store:
    """Sessions on one database."""

    waits_s: Sequence[float] = (0.05, 0.2, 1.0)
    """Between the tries of a unit of work."""
    away_s: Sequence[float] = (2.0, 4.0, 8.0, 16.0)
    """Between the further tries of a patient one."""

    def __init__(self, url: str, password: str | None = None, *, pooler: bool = False) -> None:
        made = make_url(url)
        if made.drivername == "postgresql":
            made = made.set(drivername="postgresql+psycopg")
        if password is not None:
            made = made.set(password=password)
        self.lite = made.get_backend_name() == "sqlite"
        self.url = made
        self._pooler = pooler
        self.engine = _sqlite(made) if self.lite else self._postgresql()
        self._writing = self.engine.execution_options(**WRITE)

    def _postgresql(self) -> Engine:
        return create_engine(self.url, pool_pre_ping=True, connect_args=self._more_args())

    def _more_args(self) -> dict[str, Any]:
        """Return what the address does not say: no statement is prepared on a pooler."""
        settings = {"connect_timeout": CONNECT_S}
        return settings | ({"prepare_threshold": None} if self._pooler else {})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that only reads."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that writes: all of it is committed at the end, or none of it."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def work(self, unit: Callable[[Session], T], *, patient: bool = False) -> T:
        """Do a unit of work in a transaction, and again where something `PASSING` is in its way.

        Where the connection broke at the commit nobody knows whether it was kept: the unit must
        be one that may be repeated. `patient`: it is waited for, half a minute and more.
        """
        return self._repeated(self.write, unit, patient=patient)

    def look(self, unit: Callable[[Session], T]) -> T:
        """Read, and again where something passing was in the way: patiently."""
        return self._repeated(self.read, unit, patient=True)

    def _repeated(self, opened: Opened, unit: Callable[[Session], T], *, patient: bool) -> T:
        for wait_s in (*self.waits_s, *(self.away_s if patient else ())):
            try:
                with opened() as session:
                    return unit(session)
            except PASSING as error:
                log.warning("the database was in the way: %s", type(error).__name__)
                time.sleep(wait_s)
        with opened() as session:
            return unit(session)

    def upgrade(self) -> None:
        """Bring the database to this version's shape, in one transaction: all of it or nothing.

        Doing it twice, or from two processes at once, is the same as once. Raise `Outdated`
        where a newer version made it: there is no way back but a copy.
        """
        with self._writing.connect() as connection, self._rebuilding(connection):
            if not self.lite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7061)")
            _known(MigrationContext.configure(connection).get_current_revision())
            command.upgrade(_alembic(connection), "head")
            _declare(connection)
            if not self.lite:
                jobs.upgrade(connection)

    @contextmanager
    def _rebuilding(self, connection: Connection) -> Iterator[None]:
        """Hold a transaction in which SQLite lets a table be dropped that others refer to."""
        try:
            if self.lite:  # only outside a transaction
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            with connection.begin():
                yield
        finally:
            if self.lite:
                connection.connection.cursor().execute("PRAGMA foreign_keys = ON")

    def check(self) -> None:
        """Raise `Outdated` where the database has another version's shape.

        A newer shape will do where its step says that this version may work on it.
        """
        now, head = self.revision(), _scripts().get_current_head()
        if now == head:
            return
        try:
            _known(now)
        except Outdated:
            if not self._works_for(head):
                raise
        else:
            message = f"the database is at {now or 'nothing'}, not at {head}: npsloop db upgrade"
            raise Outdated(message)

    def _works_for(self, revision: str | None) -> bool:
        """Tell whether the step that made the database says that a version may work on it."""
        with self.read() as session:
            return session.get(Compatible, revision) is not None

    def revision(self) -> str | None:
        """Return which version's shape the database has; None where it has none yet."""
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def empty(self) -> bool:
        """Tell whether there is nothing in the database, not even our tables."""
        return not inspect(self.engine).get_table_names()

    def backup(self, to: Path) -> None:
        """Copy a SQLite database while it is in use, for its owner's eyes alone.

        Raise OSError where the copy exists, or cannot be made.
        """
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        connection = self.engine.raw_connection()  # VACUUM runs in no transaction
        try:
            connection.cursor().execute("VACUUM INTO ?", (str(to),))
        finally:
            connection.close()

    def connect_args(self) -> dict[str, Any]:
        """Return what psycopg is to connect with."""
        _, settings = self.engine.dialect.create_connect_args(self.url)
        return {**settings, **self._more_args()}

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def upsert(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str] = ("id",),
    update: Sequence[str] = (),
) -> int:
    """Insert the rows; where the key exists already, update these columns (or leave it be).

    Return how many were inserted or updated.
    """
    if not rows:
        return 0
    dialect = session.get_bind().dialect
    ready = _upsert(dialect, model, tuple(rows[0]), tuple(key), tuple(update))
    return ready.run(session, rows)


def add(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, none of which may be there."""
    if rows:
        _add(session.get_bind().dialect, model, tuple(rows[0])).run(session, rows)


class Many:
    """A statement that is compiled once, and then run with many rows straight on the driver.

    SQLAlchemy would look at each row anew. `names` are what each row has; whatever else is
    bound in the statement stays as it is.
    """

    def __init__(self, dialect: Dialect, statement: UpdateBase, names: Sequence[str]) -> None:
        made = statement.compile(dialect=dialect, column_keys=list(names))
        bound = made.construct_params(dict.fromkeys(names))
        self._sql = str(made)
        self._named = not made.positional
        self._order = list(made.positiontup or bound)
        self._fixed = {name: value for name, value in bound.items() if name not in names}
        self._processes = {
            name: made.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            for name in bound
        }

    def run(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it with each of the rows, of which there is at least one; return how many it met."""
        columns = [self._values(name, rows) for name in self._order]
        bound: Iterator[Any] = zip(*columns, strict=True)
        if self._named:
            bound = (dict(zip(self._order, values, strict=True)) for values in bound)
        return session.connection().exec_driver_sql(self._sql, list(bound)).rowcount

    def _values(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Return one column's values, as the driver takes them; equal ones are made once."""
        process = self._processes[name]
        if name in self._fixed:
            value = self._fixed[name]
            return [process(value) if process else value] * len(rows)
        values = [row[name] for row in rows]
        if process is None:
            return values
        try:
            made = {value: process(value) for value in set(values)}
        except TypeError:  # JSON is not hashable
            return [process(value) for value in values]
        return [made[value] for value in values]


@lru_cache(maxsize=256)
def _add(dialect: Dialect, model: type[SQLModel], names: Sequence[str]) -> Many:
    return Many(dialect, insert_for(dialect, model), names)


@lru_cache(maxsize=256)
def _upsert(
    dialect: Dialect,
    model: type[SQLModel],
    names: Sequence[str],
    key: Sequence[str],
    update: Sequence[str],
) -> Many:
    statement = insert_for(dialect, model)
    if update:
        changed = {name: statement.excluded[name] for name in update}
        made = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
    else:
        made = statement.on_conflict_do_nothing()
    return Many(dialect, made, names)


def insert_for(dialect: Dialect, model: type[SQLModel]) -> Any:  # noqa: ANN401 - one of two dialects
    """Return an INSERT in the database's own dialect, so that it can have an ON CONFLICT."""
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table(model))


def among(
    session: Session, query: str, ids: Sequence[str], *, lock: bool = False
) -> Iterator[Sequence[Any]]:
    """Give the rows of a query that ends with `IN`, for these ids, as the driver has them.

    SQLAlchemy would give each id a name of its own. With `lock` nobody else changes the rows
    until the transaction ends: on SQLite nobody else writes meanwhile anyway.
    """
    connection = session.connection()
    mark, tail = ("?", "") if connection.dialect.name == "sqlite" else ("%s", _LOCKED)
    for some in chunks(ids):
        marks = ", ".join([mark] * len(some))
        asked = f"{query} ({marks}){tail if lock else ''}"
        yield from connection.exec_driver_sql(asked, tuple(some)).all()


_LOCKED: Final = " ORDER BY id FOR UPDATE"


def at_hand(
    session: Session, model: type[M], ids: Iterable[str | None], *, lock: bool = False
) -> list[M]:
    """Load the rows of these ids together, so that `session.get` need not ask for each.

    They are at hand for as long as the caller keeps the list. With `lock` nobody else changes
    them until the transaction ends.
    """
    key = table(model).primary_key.columns[0]
    found: list[M] = []
    for some in chunks(sorted({each for each in ids if each})):
        query = select(model).where(key.in_(some)).order_by(key)
        found += session.scalars(query.with_for_update() if lock else query).all()
    return found


def table(model: type[SQLModel]) -> Table:
    """Return the table of a model."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


def chunks(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list (of ids, mostly) to what one `IN (...)` takes."""
    for start in range(0, len(ids), SQLITE_ROWS_MAX):
        yield ids[start : start + SQLITE_ROWS_MAX]


def _known(revision: str | None) -> None:
    """Raise `Outdated` where a revision is none that leads to this version's."""
    if revision is not None and revision not in {
        step.revision for step in _scripts().walk_revisions()
    }:
        message = (
            f"the database is at {revision}, which this version does not know: a newer one made it;"
            " install that one, or restore a copy from before its upgrade (there is no way down)"
        )
        raise Outdated(message)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _declare(connection: Connection) -> None:
    """Write down which older versions may go on working on the shape that the last step made."""
    (head,) = _scripts().get_revisions("head")
    connection.execute(delete(table(Compatible)))
    for revision in head.module.works_for:
        connection.execute(insert(table(Compatible)).values(revision=revision))


def _alembic(connection: Connection) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _sqlite(url: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's URL
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we begin ourselves
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            f"cache_size = -{CACHE_KB}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("npsloop_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
