"""The routes, and what happens around each request."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from loop.app import App
from loop.store import PASSING
from loop.web import forms, hooks, leave, refer, staff, survey
from loop.web.intake import Intake
from loop.web.pages import app_of, brand, gone, page, stylesheet

log: Final = logging.getLogger(__name__)
NOT_FOUND: Final = 404


def application(app: App) -> Starlette:
    """Return the ASGI application."""
    intake = Intake(app)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await intake.stop()

    made = Starlette(
        routes=[
            Route(
                "/a/{token}", survey.Take(app, intake), methods=["POST"]
            ),  # the first: the busiest
            Route("/a/{token}", survey.show, methods=["GET"]),
            Route("/a/{token}/thanks", survey.thanks),
            Route("/l/{token}", leave.show, methods=["GET"]),
            Route("/l/{token}", leave.take, methods=["POST"]),
            Route("/r/{token}", refer.show, methods=["GET"]),
            Route("/r/{token}", refer.take, methods=["POST"]),
            Route("/s/{survey_id}/{token}", staff.show),
            Route("/", index),
            Route("/hooks/mail", hooks.mail_events, methods=["POST"]),
            Route("/static/style.css", stylesheet),
            Route("/static/brand.css", brand),
            Route("/healthz", healthy),
        ],
        lifespan=lifespan,
        exception_handlers={
            HTTPException: not_found,
            forms.TooLarge: too_large,
            forms.Unreadable: unreadable,
            ClientDisconnect: hung_up,
            **dict.fromkeys(PASSING, unavailable),
            Exception: failed,
        },
    )
    made.state.app = app
    return made


def index(request: Request) -> Response:
    """Say what this is."""
    return page(app_of(request), "index", {})


def healthy(request: Request) -> Response:
    """Answer 200 where the database can be read."""
    with app_of(request).store.read() as session:
        session.connection().execute(text("SELECT 1"))
    return PlainTextResponse("ok")


def not_found(request: Request, error: Exception) -> Response:
    """Answer an address that we do not have."""
    if isinstance(error, HTTPException) and error.status_code != NOT_FOUND:
        return PlainTextResponse(error.detail, error.status_code, headers=error.headers)
    return gone(app_of(request))


def too_large(request: Request, _error: Exception) -> Response:
    """Answer a form that is larger than any of ours."""
    words = {"title": "That is too long", "message": "That is longer than we can take."}
    return page(app_of(request), "error", words, status=413)


def unreadable(request: Request, _error: Exception) -> Response:
    """Answer a form that cannot be read."""
    words = {"title": "We could not read that", "message": "Please go back and send it again."}
    return page(app_of(request), "error", words, status=400)


def hung_up(_request: Request, _error: Exception) -> Response:
    """Answer nobody: whoever asked has gone in the middle."""
    return Response(status_code=400)


def unavailable(request: Request, error: Exception) -> Response:
    """Answer where the database does not take it now; nobody is told that it is kept."""
    log.warning("the database did not answer a page: %s", type(error).__name__)
    words = {"title": "Not just now", "message": "We cannot take that now. Please try again soon."}
    return page(app_of(request), "error", words, status=503)


def failed(request: Request, error: Exception) -> Response:
    """Answer where we made a mistake; nobody is told that it is kept."""
    log.error("a page met a bug of ours", exc_info=error)
    words = {"title": "Sorry", "message": "Something went wrong with us. Please try again."}
    return page(app_of(request), "error", words, status=500)
