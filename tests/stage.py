"""A server on 127.0.0.1 that is started once and plays another application in each test."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.sandbox.server import running


class Stage:
    """Plays whatever application is on."""

    def __init__(self) -> None:
        self.url = ""
        self._on: ASGIApp | None = None

    @contextmanager
    def playing(self, application: ASGIApp) -> Iterator[str]:
        """Serve the application for a while, and give the address."""
        self._on = application
        yield self.url
        self._on = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application that is on answer."""
        if self._on is not None:
            await self._on(scope, receive, send)


@contextmanager
def built() -> Iterator[Stage]:
    """Start the server."""
    stage = Stage()
    with running(stage) as stage.url:
        yield stage
