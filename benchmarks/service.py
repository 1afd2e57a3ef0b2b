"""HubSpot as its writers see it: takes a batch, waits, and says that each of its items is done."""

import asyncio
import socket
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from multiprocessing.connection import Connection
from typing import Final, cast

import orjson
import uvloop

END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length: "


def serve(connection: Connection, latency_s: float) -> None:
    """Answer every request, each after a while, until the process is ended."""
    uvloop.run(_serve(connection, latency_s))


async def _serve(connection: Connection, latency_s: float) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = await loop.create_server(partial(Caller, latency_s), sock=listener)
        connection.send(listener.getsockname()[1])
        await server.serve_forever()


class Caller(asyncio.Protocol):
    """One connection: a request after the other."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._got += data
        head, found, body = self._got.partition(END)
        length = head.lower().partition(LENGTH)[2].partition(b"\r\n")[0]
        if not found or len(body) < int(length or 0):
            return
        self._got = b""
        answer = _answer(body)
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _answer(body: bytes) -> bytes:
    now = datetime.now(UTC)
    at = now.isoformat()
    done = [
        {"id": one["id"], "properties": {}, "createdAt": at, "updatedAt": at}
        for one in orjson.loads(body)["inputs"]
    ]
    told = orjson.dumps({"status": "COMPLETE", "results": done})
    head = (
        f"HTTP/1.1 200 OK\r\nDate: {format_datetime(now, usegmt=True)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(told)}\r\n\r\n"
    )
    return head.encode() + told
