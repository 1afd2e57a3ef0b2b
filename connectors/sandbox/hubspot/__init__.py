"""HubSpot, played on 127.0.0.1: strict, with a memory, in HubSpot's own shapes.

    sandbox = HubSpotSandbox()
    ann = sandbox.state.add("contacts", {"email": "ann@example.com", "firstname": "Ann"})
    with running(sandbox.application) as url: ...

`application` can be broken (`application.add(Fault(...))`, also called `faults`); `state` is
filled and read directly. What is known of HubSpot's answers is in the official OpenAPI files,
which tests hold every answer against.
"""

from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from connectors.sandbox.faults import Faults
from connectors.sandbox.hubspot.pages import page_routes
from connectors.sandbox.hubspot.problems import PORTAL, Problem
from connectors.sandbox.hubspot.records import Owner, Record
from connectors.sandbox.hubspot.routes import routes
from connectors.sandbox.hubspot.state import State

__all__ = ["PORTAL", "HubSpotSandbox", "Owner", "Problem", "Record", "State"]


class _Dated(Faults):
    """Faults in front of an application that has a clock of its own."""

    date_header = False


class HubSpotSandbox:
    """A HubSpot account with its API and some pages to look at.

    `prepared` False leaves out the properties that npsloop needs. `now` is the account's clock.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        prepared: bool = True,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.state = State(prepared=prepared, now=now)
        self.application = _Dated(_served(self.state), seed)
        self.faults: Faults = self.application


def _served(state: State) -> ASGIApp:
    application = Starlette(
        routes=[*routes(state), *page_routes(state)],
        exception_handlers={404: _nothing_here, 405: _not_so},
    )
    application.router.redirect_slashes = False
    return application


def _nothing_here(_request: Request, _error: Exception) -> Response:
    """Answer as HubSpot's web server does, where no API is: with HTML."""
    return HTMLResponse("<html><head><title>404</title></head><body>Not found</body></html>", 404)


def _not_so(_request: Request, _error: Exception) -> Response:
    """Answer a wrong method as HubSpot does: with nothing."""
    return Response(status_code=405)
