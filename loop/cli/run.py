"""`npsloop run`: the whole loop in one process: the jobs, the customers' pages, the webhooks."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, ConfigPath

if TYPE_CHECKING:
    from uvicorn import Server

    from loop.app import App

INTERRUPTED: Final = 130
REQUESTS_END_S: Final = 5
JOBS_END_S: Final = 20
"""Then the process ends anyhow: what was claimed is settled at the next start."""


def run(
    config: ConfigPath = CONFIG_PATH,
    *,
    upgrade: Annotated[
        bool | None,
        typer.Option(
            "--upgrade/--no-upgrade",
            help="Bring the database to this version first. SQLite: yes unless told otherwise.",
        ),
    ] = None,
) -> None:
    """Run the loop: jobs, pages and webhooks, until Ctrl-C."""
    from loop.cli.lock import alone  # noqa: PLC0415 - quick start-up
    from loop.cli.log import FULL, to_operator  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as app, alone(app.store):
        if app.store.lite if upgrade is None else upgrade:
            app.store.upgrade()
        app.store.check()
        to_operator(logging.INFO, FULL)
        with _bound(app.config.web.host, app.config.web.port) as listener:
            interrupted = _serve(app, listener)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _serve(app: "App", listener: socket.socket) -> bool:
    """Serve until a signal comes; tell whether it was Ctrl-C."""
    import uvicorn  # noqa: PLC0415 - quick start-up

    from loop.engine.embedded import running  # noqa: PLC0415 - quick start-up
    from loop.web import application  # noqa: PLC0415 - quick start-up

    server = uvicorn.Server(
        uvicorn.Config(
            application(app),
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=REQUESTS_END_S,
        )
    )
    last = threading.Timer(JOBS_END_S, _end_anyhow)
    last.daemon = True
    with _ended_by_signal(server) as came:
        with running(app):
            host, port = listener.getsockname()[:2]
            say.tell(f"listening on http://{_in_url(host)}:{port} (Ctrl-C ends it)", "green")
            server.run(sockets=[listener])
            say.tell("ending: what is at work is finished first")
            last.start()
        last.cancel()
    if not came:
        raise say.fail("the web server ended by itself: see the log")
    return signal.SIGINT in came


def _end_anyhow() -> None:
    say.tell("a service does not answer: ending all the same", "red")
    os._exit(say.EXIT_FAILED)


@contextmanager
def _ended_by_signal(server: "Server") -> Iterator[set[int]]:
    """Let SIGTERM and SIGINT end the server, and nothing else; give those that came.

    Uvicorn has handlers of its own while it serves, and raises the signals again afterwards.
    """
    came: set[int] = set()

    def end(number: int, _frame: FrameType | None) -> None:
        came.add(number)
        server.should_exit = True

    before = {which: signal.signal(which, end) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


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
