"""Procrastinate's way to the database: the one that we have, and its own schema in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from procrastinate import PsycopgConnector
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from loop.migrations.jobs import SCHEMA
from loop.store import Store

CONNECTIONS_MAX: Final = 4


def connector(store: Store) -> PsycopgConnector:
    """Return a connector on the store's database. It opens nothing yet."""
    return PsycopgConnector(
        pool_factory=_Pool,
        kwargs=store.connect_args(),
        min_size=1,
        max_size=CONNECTIONS_MAX,
    )


class _Pool(AsyncConnectionPool[AsyncConnection[Any]]):
    """Connections that look into Procrastinate's schema.

    For one transaction at a time: what is set for a whole session gets lost in a pooler.
    """

    @asynccontextmanager
    async def connection(self, *given: Any) -> AsyncIterator[AsyncConnection[Any]]:  # noqa: ANN401 - the pool's
        """Lend a connection, as the pool does."""
        async with super().connection(*given) as connection:
            await connection.execute(f"SET LOCAL search_path TO {SCHEMA}".encode())
            yield connection
