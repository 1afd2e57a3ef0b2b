"""Webhooks: what the mail provider tells, believed only where it is signed."""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.errors import Refused
from loop import leave
from loop.schedule import HANDLERS
from loop.web import forms
from loop.web.pages import app_of

EVENTS_MAX: Final = 5_000_000
FORBIDDEN: Final = 403


async def mail_events(request: Request) -> Response:
    """Keep what the provider tells; say 403 to anybody else, whatever is wrong."""
    app = app_of(request)
    raw = await forms.body(request, EVENTS_MAX)
    try:
        events = app.mailer.events(dict(request.headers), raw)
    except Refused:
        return PlainTextResponse("not signed by the mail provider", FORBIDDEN)
    await run_in_threadpool(leave.take_events, app, events, HANDLERS)
    return PlainTextResponse("")
