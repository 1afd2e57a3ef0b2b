"""A wire to PostgreSQL on which LISTEN goes wrong, as it does with some poolers."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

REFUSED = b"XISTEN"
"""No command of PostgreSQL's: it answers with an error."""
SWALLOWED = b"--STEN"
"""The beginning of a comment: it answers that all is well, and does nothing."""


class Wire:
    """Passes all bytes on, but for the word LISTEN."""

    def __init__(self, url: str, listen: bytes) -> None:
        self._folder = parse_qs(urlsplit(url).query)["host"][0]
        self._listen = listen

    async def __call__(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Join one connection to the server."""
        far, there = await asyncio.open_unix_connection(f"{self._folder}/.s.PGSQL.5432")
        try:
            await asyncio.gather(self._pass_on(near, there), self._pass_on(far, back))
        finally:
            for end in (there, back):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()

    async def _pass_on(self, one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await one.read(65536):
                other.write(data.replace(b"LISTEN", self._listen))
                await other.drain()
        other.close()


@contextmanager
def wire(url: str, listen: bytes) -> Iterator[str]:
    """Give the address of a wire to a database, on 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    served = asyncio.start_server(Wire(url, listen), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(served, loop).result()
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}"
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
