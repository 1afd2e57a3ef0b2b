"""The page behind a promoter's link, where friends sign up themselves."""

from typing import Any, Final

from email_validator import EmailNotValidError, validate_email
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from loop import refer
from loop.app import App
from loop.refer import Friend
from loop.web import forms
from loop.web.pages import app_of, gone, page

INVALID: Final = 422
NAME_MAX: Final = 100
FIELDS: Final = ("first_name", "last_name", "company", "email")


def show(request: Request) -> Response:
    """Show the page, and count the visit; HEAD is no visit."""
    app, token = app_of(request), request.path_params["token"]
    with app.store.write() as session:
        referral = refer.find(app, session, token)
        if referral is None:
            return gone(app)
        if request.method == "GET":
            refer.visit(app, session, referral)
        promoter = refer.promoter(session, referral)
    return _page(app, token, promoter, {})


async def take(request: Request) -> Response:
    """Keep a friend's sign-up."""
    app, token = app_of(request), request.path_params["token"]
    form = await forms.fields(request)
    return await run_in_threadpool(_take, app, token, dict(form))


def _take(app: App, token: str, form: dict[str, str]) -> Response:
    with app.store.write() as session:
        referral = refer.find(app, session, token)
        if referral is None:
            return gone(app)
        promoter = refer.promoter(session, referral)
        if problem := _problem(form):
            return _page(app, token, promoter, form, problem)
        friend = Friend(**{name: form.get(name, "") for name in FIELDS})
        refer.join(app, session, referral, friend)
    return page(app, "joined", {"title": "Thank you", "promoter": promoter})


def _problem(form: dict[str, str]) -> str:
    if not form.get("first_name", "").strip() or not form.get("last_name", "").strip():
        return "Please tell us your first and last name."
    if any(len(form.get(name, "")) > NAME_MAX for name in FIELDS[:3]):
        return f"A name is at most {NAME_MAX} characters long."
    try:
        validate_email(form.get("email", "").strip(), check_deliverability=False)
    except EmailNotValidError:
        return "That does not look like an e-mail address."
    return "" if form.get("consent") else "Please tick the box so that we may write to you."


def _page(app: App, token: str, promoter: str, form: dict[str, str], error: str = "") -> Response:
    company = app.config.company
    words: dict[str, Any] = {name: form.get(name, "") for name in FIELDS}
    words |= {
        "title": app.config.refer.headline or f"{promoter} recommends {company.name}",
        "headline": app.config.refer.headline,
        "promoter": promoter,
        "product": company.product or company.name,
        "action": f"/r/{token}",
        "consent_text": refer.consent(app),
        "error": error,
    }
    return page(app, "referral", words, status=INVALID if error else 200)
