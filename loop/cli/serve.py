"""Serves the customers' pages and the webhooks until a signal comes."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

from loop.cli import say
from loop.cli.ending import conclude, ended_by_signal

if TYPE_CHECKING:
    from loop.app import App

REQUESTS_END_S: Final = 5


def serve(app: "App", beside: AbstractContextManager[None]) -> None:
    """Serve while `beside` is at work; end both when a signal comes."""
    import uvicorn  # noqa: PLC0415 - quick start-up

    from loop.web import application  # noqa: PLC0415 - quick start-up

    config = uvicorn.Config(
        application(app),
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=REQUESTS_END_S,
    )
    server = uvicorn.Server(config)

    def end() -> None:  # uvicorn has handlers of its own while it serves, and passes signals on
        server.should_exit = True

    web = app.config.web
    with _bound(web.host, web.port) as listener, ended_by_signal(end) as came, beside:
        host, port = listener.getsockname()[:2]
        say.tell(f"listening on http://{_in_url(host)}:{port} (Ctrl-C ends it)", "green")
        server.run(sockets=[listener])
        say.tell("ending: what is at work is finished first")
    conclude(came)


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Listen before anything else begins: a port in use is told at once."""
    from loop.config import Mendable  # noqa: PLC0415 - quick start-up

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        remedy = "end what listens there, or set web.host and web.port"
        raise Mendable(f"{_in_url(host)}:{port}: {error.strerror or error}: {remedy}") from error
    with listener:
        yield listener


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
