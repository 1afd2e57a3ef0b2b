"""The page that a score link opens, and the press that counts."""

from typing import Any, Final

from sqlalchemy import select
from sqlmodel import Session, col
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from loop import answer
from loop.answer import Asked, Given, Gone, Invalid
from loop.app import App, Purpose
from loop.correspondence import common
from loop.models import Referral
from loop.states import Group
from loop.web import forms
from loop.web.intake import Intake
from loop.web.pages import app_of, gone, in_words, onward, page

INVALID: Final = 422


def show(request: Request) -> Response:
    """Show the question with the link's score preselected. Nothing is recorded."""
    app, token = app_of(request), request.path_params["token"]
    with app.store.read() as session:
        asked = answer.look(app, session, token)
    if asked is None:
        return gone(app)
    given = _score(request.query_params.get("score", ""))
    return _question(app, token, asked, score=given)


class Take:
    """Keeps the answer, then thanks them. Sending it twice is the same as once.

    The busiest page by far: an ASGI application of its own, so that a request goes straight here.
    """

    def __init__(self, app: App, intake: Intake) -> None:
        self._app = app
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        response = await self._response(Request(scope, receive))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        app, token = self._app, request.path_params["token"]
        form = await forms.fields(request)
        score, comment = _score(form.get("score", "")), form.get("comment", "")
        given = Given(token=token, score=score, comment=comment)
        result = await self._intake.keep(given)
        if isinstance(result, Gone):
            return gone(app)
        if isinstance(result, Invalid):
            return await run_in_threadpool(_again, app, given, result)
        to = f"/a/{token}/thanks"
        if result.stopped:
            to = f"/l/{app.keys.token(Purpose.LEAVE, result.survey_id)}"
        return onward(to)


def _again(app: App, given: Given, result: Invalid) -> Response:
    """Show the question once more, with what they wrote and what is wrong with it."""
    with app.store.read() as session:
        asked = answer.look(app, session, given.token)
    if asked is None:
        return gone(app)
    shown = {"score": given.score, "comment": given.comment, "error": result.field}
    return _question(app, given.token, asked, **shown)


def thanks(request: Request) -> Response:
    """Thank them, in the words of their group."""
    app, token = app_of(request), request.path_params["token"]
    with app.store.read() as session:
        asked = answer.look(app, session, token)
        if asked is None:
            return gone(app)
        if asked.answer is None:
            return onward(f"/a/{token}")
        group = Group.of(asked.answer.score)
        words = common(app, asked.survey) | {
            "group": str(group),
            "score": asked.answer.score,
            "owner": asked.survey.snapshot["owner"],
            "days": app.config.follow_up.due_business_days,
            "change_url": f"/a/{token}",
            "until": in_words(asked.until),
            "refer_url": _share(app, session, asked, group),
        }
    return page(app, "thanks", words, locale=asked.survey.snapshot["locale"])


def _share(app: App, session: Session, asked: Asked, group: Group) -> str:
    """Return the promoter's own link, where there is one."""
    if group is not Group.PROMOTER or not app.config.refer.enabled:
        return ""
    query = select(Referral).where(col(Referral.customer_id) == asked.survey.customer_id)
    referral = session.scalars(query).first()
    return app.link(Purpose.REFER, referral.id) if referral else ""


def _question(app: App, token: str, asked: Asked, **shown: Any) -> Response:  # noqa: ANN401 - words of the page
    before, survey = asked.answer, asked.survey
    score = shown.get("score")
    words = common(app, survey) | {
        "action": f"/a/{token}",
        "unsubscribe_url": app.link(Purpose.LEAVE, survey.id),
        "score": score if score is not None else (before.score if before else ""),
        "comment": shown.get("comment", before.comment if before else ""),
        "error": shown.get("error", ""),
        "changing": before is not None,
        "answered": before.score if before else "",
        "answered_on": in_words(before.changed_at) if before else "",
        "until": in_words(asked.until),
    }
    status = INVALID if words["error"] else 200
    return page(app, "survey", words, locale=survey.snapshot["locale"], status=status)


def _score(text: str) -> int | None:
    """Return the score that somebody sent; None for none, or for no whole number."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len("10") else None
