"""Procrastinate's way to the database: the one that we have, and its own schema in it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import psycopg
from procrastinate import PsycopgConnector
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from loop.migrations.jobs import SCHEMA
from loop.store import Store

CONNECTIONS_MAX: Final = 4
HEARS_S: Final = 2.0
log: Final = logging.getLogger(__name__)


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


async def hears(store: Store) -> bool:
    """Tell whether LISTEN works: a pooler may refuse it, or take it and never tell anything."""
    channel = f"npsloop_{uuid4().hex}"
    settings = store.connect_args() | {"autocommit": True}
    try:
        async with await AsyncConnection.connect(**settings) as ear:
            await ear.execute(f"LISTEN {channel}".encode())
            async with await AsyncConnection.connect(**settings) as mouth:
                await mouth.execute(f"NOTIFY {channel}".encode())
            async for _ in ear.notifies(timeout=HEARS_S, stop_after=1):
                return True
    except psycopg.Error as error:
        log.info("LISTEN is refused: %s", error)
    return False
