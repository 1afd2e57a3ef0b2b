"""The page behind a promoter's link, where friends sign up themselves."""

from typing import Any, Final

from email_validator import EmailNotValidError, validate_email
from sqlmodel import Session
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
    return _page(app, token, promoter, {}, {})


async def take(request: Request) -> Response:
    """Keep a friend's sign-up."""
    app, token = app_of(request), request.path_params["token"]
    form = await forms.fields(request)
    return await run_in_threadpool(_take, app, token, dict(form))


def _take(app: App, token: str, form: dict[str, str]) -> Response:
    friend = Friend(**{name: form.get(name, "") for name in FIELDS})
    errors = _errors(form)

    def join(session: Session) -> str | None:
        """Return the promoter's name; None where the link is unknown or over."""
        referral = refer.find(app, session, token)
        if referral is None:
            return None
        if not errors:
            refer.join(app, session, referral, friend)
        return refer.promoter(session, referral)

    promoter = app.store.work(join)
    if promoter is None:
        return gone(app)
    if errors:
        return _page(app, token, promoter, form, errors)
    return page(app, "joined", {"first_name": friend.first_name, "promoter": promoter})


def _errors(form: dict[str, str]) -> dict[str, str]:
    """Return what is wrong, by field."""
    errors = {
        name: f"Please fill this in, with at most {NAME_MAX} characters."
        for name in ("first_name", "last_name")
        if not 0 < len(form.get(name, "").strip()) <= NAME_MAX
    }
    if len(form.get("company", "")) > NAME_MAX:
        errors["company"] = f"This is longer than {NAME_MAX} characters."
    try:
        validate_email(form.get("email", "").strip(), check_deliverability=False)
    except EmailNotValidError:
        errors["email"] = "This does not look like an e-mail address."
    if not form.get("consent"):
        errors["consent"] = "Please tick the box so that we may write to you."
    return errors


def _page(
    app: App, token: str, promoter: str, form: dict[str, str], errors: dict[str, str]
) -> Response:
    company = app.config.company
    words: dict[str, Any] = {
        "headline": app.config.refer.headline,
        "promoter": promoter,
        "product": company.product or company.name,
        "action": f"/r/{token}",
        "consent": refer.consent(app),
        "values": {name: form.get(name, "") for name in FIELDS},
        "errors": errors,
    }
    return page(app, "referral", words, status=INVALID if errors else 200)
