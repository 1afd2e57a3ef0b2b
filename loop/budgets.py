"""Keeps the rate budgets of all processes in the database.

One row a limit, held for as long as it takes to read and write it. The database's clock counts,
so that machines need not agree on the time.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final

from sqlalchemy import Float, Select, cast, extract, func, literal, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from connectors.budget import Grant, InMemory, Keeper, Limit, Spent
from connectors.errors import Unavailable
from loop.models import Budget
from loop.store import Store, table, upsert

LASTING_S: Final = 3_600.0
"""A limit over so long a time outlasts a restart."""
_BUDGETS: Final = table(Budget)


class InDatabase:
    """Keeps budgets for all processes on a database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, limit: Limit, most: int) -> Grant:
        """Give up to `most` calls. Raise `Unavailable` where the database does not answer."""
        if most == 0:
            return self._looked(limit)
        with self._held(limit.name) as (spent, now):
            return spent.take(limit, most, now)

    def pause(self, limit: Limit, seconds: float) -> None:
        """Give no calls for this long, to any process."""
        with self._held(limit.name) as (spent, now):
            spent.pause(seconds, now)

    def _looked(self, limit: Limit) -> Grant:
        with _answering(limit.name), self._store.read() as session:
            row = session.connection().execute(self._query(limit.name)).first()
        if row is None:
            return Grant()
        spent, now = _spent(row)
        return spent.take(limit, 0, now)

    @contextmanager
    def _held(self, name: str) -> Iterator[tuple[Spent, float]]:
        """Give what is remembered of a limit, and the time; keep what becomes of it."""
        with _answering(name), self._store.write() as session:
            spent, now = self._read(session, name)
            was = deepcopy(spent)
            yield spent, now
            if spent != was:
                values = {name: getattr(spent, name) for name in _NAMES}
                of = update(_BUDGETS).where(_BUDGETS.c.name == name)
                session.connection().execute(of.values(values))

    def _read(self, session: Session, name: str) -> tuple[Spent, float]:
        query = self._query(name).with_for_update()
        if (row := session.connection().execute(query).first()) is None:
            upsert(
                session, Budget, [{"name": name, "slices": [], "paused_until": 0.0}], key=["name"]
            )
            row = session.connection().execute(query).one()
        return _spent(row)

    def _query(self, name: str) -> Select[Any]:
        columns: list[Any] = [_BUDGETS.c[name] for name in _NAMES]
        columns += [literal(time.time())] if self._store.lite else [_NOW, _NO_FLUSH]
        return select(*columns).where(_BUDGETS.c.name == name)


@contextmanager
def _answering(name: str) -> Iterator[None]:
    """Say so where the database does not answer: nobody may call uncounted."""
    try:
        yield
    except SQLAlchemyError as error:
        problem = f"the database that counts its calls does not answer ({type(error).__name__})"
        raise Unavailable(name.partition(".")[0], problem) from error


def _spent(row: Sequence[Any]) -> tuple[Spent, float]:
    calls, slices, paused_until, now = row[:4]
    return Spent(calls, [(start, int(given)) for start, given in slices], paused_until), now


_NAMES: Final = ("calls", "slices", "paused_until")
_NOW: Final = cast(extract("epoch", func.clock_timestamp()), Float)
_NO_FLUSH: Final = func.set_config("synchronous_commit", "off", True)  # noqa: FBT003 - of PostgreSQL
"""Asked for along with the row: a count of calls need not be on the disk before they are made."""


class _OfOneProcess:
    """Keeps in memory what is over soon, and in the database what outlasts a restart."""

    def __init__(self, store: Store) -> None:
        self._soon = InMemory()
        self._lasting = InDatabase(store)

    def take(self, limit: Limit, most: int) -> Grant:
        """Give up to `most` calls."""
        return self._of(limit).take(limit, most)

    def pause(self, limit: Limit, seconds: float) -> None:
        """Give no calls for this long."""
        self._of(limit).pause(limit, seconds)

    def _of(self, limit: Limit) -> Keeper:
        return self._lasting if limit.per_s >= LASTING_S else self._soon


def keeper(store: Store) -> Keeper:
    """Return who keeps the budgets: the database, for as many processes as it is for."""
    return _OfOneProcess(store) if store.lite else InDatabase(store)
