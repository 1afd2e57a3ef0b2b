"""A real database whose every transaction can be interrupted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from sqlalchemy import delete, text
from sqlmodel import Session, SQLModel

from loop.store import Store

SCHEMA: Final = "npsloop_simulation"
T = TypeVar("T")


class Watch(Protocol):
    """Whoever decides what happens at a transaction's edges."""

    def begins(self) -> None:
        """Go on before anything is read or written."""
        ...

    def commits(self) -> None:
        """Go on when all is written and nothing kept: whatever is raised here undoes it."""
        ...

    def committed(self) -> None:
        """Go on when all is kept and nobody knows."""
        ...

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Do a unit of work, which is done again where the connection breaks."""
        ...


class Database(Store):
    """A store on an empty database; `watch` is asked at the edges of each write transaction."""

    waits_s = (0.0, 0.0, 0.0)
    away_s = ()

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.watch: Watch | None = None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that writes, as `Store` does."""
        watch = self.watch
        if watch is None:
            with super().write() as session:
                yield session
            return
        watch.begins()
        with super().write() as session:
            yield session
            session.flush()
            watch.commits()
        watch.committed()

    def work(self, unit: Callable[[Session], T], *, patient: bool = False) -> T:
        """Do a unit of work, as `Store` does."""
        if self.watch is None:
            return super().work(unit, patient=patient)
        with self.watch.repeatable():
            return super().work(unit, patient=patient)

    def clear(self) -> None:
        """Delete every row."""
        with super().write() as session:
            for table in reversed(SQLModel.metadata.sorted_tables):
                session.connection().execute(delete(table))


def open_database(url: str | None = None) -> Database:
    """Open a database in memory; or on a PostgreSQL server, in a schema that is ours alone."""
    if url is None:
        database = Database("sqlite://")
    else:
        plain = Store(url)
        with plain.engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        plain.close()
        own = plain.url.update_query_dict({"options": f"-csearch_path={SCHEMA}"})
        database = Database(own.render_as_string(hide_password=False))
    database.upgrade()
    return database
