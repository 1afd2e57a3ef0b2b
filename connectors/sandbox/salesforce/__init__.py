"""Salesforce played on 127.0.0.1: strict, with kept state, for the real client libraries.

It answers as the vendor does (shapes, headers, codes), over the REST API that npsloop uses, and
shows its records as simple pages.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.sandbox.faults import Faults
from connectors.sandbox.salesforce.auth import Auth
from connectors.sandbox.salesforce.pages import pages
from connectors.sandbox.salesforce.routes import routes
from connectors.sandbox.salesforce.state import INTEGRATION_USERNAME, Failure, Record, State

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "USERNAME",
    "Failure",
    "Record",
    "SalesforceSandbox",
    "State",
]

CLIENT_ID: Final = "npsloop-sandbox"
CLIENT_SECRET: Final = "not-a-secret"  # noqa: S105 - anybody may know it
USERNAME: Final = INTEGRATION_USERNAME


class Clocked(Faults):
    """The faults of an org whose answers tell its own time, the broken ones too."""

    date_header = False

    def __init__(self, application: ASGIApp, state: State, seed: int) -> None:
        super().__init__(application, seed)
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail it."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self.state.now(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        await super().__call__(scope, receive, dated)


class SalesforceSandbox:
    """One org. `prepared` says whether npsloop's fields are there already.

    `application` is to be served; `faults`, in front of it, break it on demand; `state` is what
    it knows. A JWT's signature is checked where a `public_key` (PEM) is given.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        prepared: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        public_key: str | None = None,
    ) -> None:
        self.state = State(seed=seed, prepared=prepared, now=now)
        self.auth = Auth(
            self.state, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, public_key=public_key
        )
        token = Route("/services/oauth2/token", self.auth.token, methods=["POST"])
        starlette = Starlette(routes=[token, *routes(self.state), *pages(self.state)])
        starlette.router.redirect_slashes = False
        self.application = self.faults = Clocked(starlette, self.state, seed)

    def session(self) -> str:
        """Begin a session without logging in and return its access token."""
        with self.state.lock:
            return self.auth.session()
