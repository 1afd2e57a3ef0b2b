"""An ASGI application served on 127.0.0.1 in a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

START_TIMEOUT_S = 10.0
IDLE_S = 120
"""How long a connection may rest: closing it just as a request comes loses the answer."""


class Cuttable(HttpToolsProtocol):
    """HTTP/1.1 whose connection an application can cut: `scope["extensions"]["cut"]()`."""

    def on_message_begin(self) -> None:
        """Hand the application the scissors."""
        super().on_message_begin()
        self.scope["extensions"] = cast("Any", {"cut": self.transport.abort})


class Server(uvicorn.Server):
    """A uvicorn server that says when it is ready and stops when told.

    An application with a clock of its own sends its own `Date`: its `date_header` is False.
    """

    def __init__(self, application: Any, port: int = 0) -> None:  # noqa: ANN401 - any ASGI app
        super().__init__(
            uvicorn.Config(
                application,
                host="127.0.0.1",
                port=port,
                http=Cuttable,
                log_level="critical",
                access_log=False,
                timeout_keep_alive=IDLE_S,
                date_header=getattr(application, "date_header", True),
            )
        )
        self._ready = threading.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Start, then let whoever waits go on."""
        await super().startup(sockets=sockets)
        self._ready.set()

    @property
    def url(self) -> str:
        """Return `http://127.0.0.1:port`, once it runs."""
        port = self.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"


@contextmanager
def running(
    application: Any,  # noqa: ANN401 - any ASGI app
    port: int = 0,
    listener: socket.socket | None = None,
) -> Iterator[str]:
    """Serve the application and give its address; `port` 0 takes any free one.

    A `listener` that is open already takes the port's place.
    """
    server = Server(application, port)
    at = None if listener is None else [listener]
    thread = threading.Thread(target=server.run, args=(at,), daemon=True, name="sandbox")
    thread.start()
    if not server._ready.wait(START_TIMEOUT_S):  # noqa: SLF001 - our own subclass
        message = f"nothing came up on 127.0.0.1:{port}: is the port taken?"
        raise OSError(message)
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)
