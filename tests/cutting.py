"""A wire to PostgreSQL that is cut where it hurts: right before a COMMIT, or right after it."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

COMMIT = b"COMMIT\x00"
CHUNK = 65_536


class Where(StrEnum):
    """Where a connection is cut."""

    BEFORE = "before"
    """The server never hears of the commit."""
    AFTER = "after"
    """The server has committed, and nobody hears of it."""


@dataclass
class Wire:
    """Passes bytes on between us and the server; cuts the connection at every so manieth commit."""

    server: str
    """The path of the server's socket."""
    where: Where | None = None
    """None for a wire that holds."""
    every: int = 3
    commits: int = 0
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry(self, client: socket.socket) -> None:
        """Carry one connection until it ends or is cut."""
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
            server.connect(self.server)
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            with suppress(OSError):
                while all(self._passed(key.fileobj, client, server) for key, _ in ready.select()):
                    pass

    def heard(self, data: bytes) -> bytes:
        """Return what the server hears of what we say: all of it."""
        return data

    def _passed(self, at: object, client: socket.socket, server: socket.socket) -> bool:
        """Pass on what is there; tell whether the connection goes on."""
        if at is server:
            data = server.recv(CHUNK)
            client.sendall(data)
            return bool(data)
        data = self.heard(client.recv(CHUNK))
        if COMMIT not in data or not self._is_to_be_cut():
            server.sendall(data)
            return bool(data)
        if self.where is Where.AFTER:
            server.sendall(data)
            server.recv(CHUNK)
        return False

    def _is_to_be_cut(self) -> bool:
        with self._lock:
            self.commits += 1
            cut = self.where is not None and self.commits % self.every == 0
            self.cuts += cut
            return cut


@contextmanager
def carried(wire: Wire) -> Iterator[int]:
    """Carry every connection to a port on 127.0.0.1, and give that port."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def open_door() -> None:
            with suppress(OSError):
                while True:
                    client, _ = door.accept()
                    threading.Thread(target=wire.carry, args=(client,), daemon=True).start()

        threading.Thread(target=open_door, daemon=True).start()
        yield door.getsockname()[1]
        with suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
