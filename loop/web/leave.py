"""Unsubscribing: by one click from the mail program, or by the page's button."""

from typing import Final

from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from loop import leave
from loop.app import App
from loop.suppression import suppressed
from loop.web import forms
from loop.web.pages import app_of, gone, page

ONE_CLICK: Final = "List-Unsubscribe"


def show(request: Request) -> Response:
    """Show the button, or that it is done. Nothing is recorded."""
    app, token = app_of(request), request.path_params["token"]
    with app.store.read() as session:
        survey = leave.find(session, token)
        if survey is None:
            return gone(app)
        left = suppressed(session, survey.customer_id)
    return _page(app, token, left=left)


async def take(request: Request) -> Response:
    """Unsubscribe, or undo it."""
    app, token = app_of(request), request.path_params["token"]
    form = await forms.fields(request)
    return await run_in_threadpool(_take, app, token, dict(form))


def _take(app: App, token: str, form: dict[str, str]) -> Response:
    undo = form.get("do") == "undo"

    def move(session: Session) -> bool | None:
        """Tell whether they have left; None where the link is unknown."""
        survey = leave.find(session, token, lock=True)
        if survey is None:
            return None
        (leave.resubscribe if undo else leave.unsubscribe)(app, session, survey)
        return suppressed(session, survey.customer_id)

    left = app.store.work(move)
    if left is None:
        return gone(app)
    if ONE_CLICK in form:  # RFC 8058: a machine posts for a person and reads no page
        return PlainTextResponse("unsubscribed")
    return _page(app, token, left=left)


def _page(app: App, token: str, *, left: bool) -> Response:
    name = "unsubscribed" if left else "unsubscribe"
    return page(app, name, {"action": f"/l/{token}"})
