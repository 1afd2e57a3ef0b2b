"""The outbox as pages: a list of all mail, and each mail as its reader sees it.

A mail's HTML stands in a frame that may run nothing and fetch nothing; all else is escaped.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from connectors.sandbox import look
from connectors.sandbox.look import Cell, Fact
from connectors.sandbox.sendgrid.state import Delivered, State

SHOWN_MAX: Final = 500
SITE: Final = look.Site(name="SendGrid", menu={"Outbox": "/"})
SAFE_MAIL: Final = look.HEADERS | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    )
}
COLOURS: Final = {
    "delivered": "done",
    "open": "done",
    "click": "done",
    "bounce": "high",
    "dropped": "high",
    "spamreport": "high",
}


def routes(state: State) -> list[Route]:
    """Return the pages of the outbox."""

    async def outbox(_request: Request) -> HTMLResponse:
        return _outbox(state)

    async def one(request: Request) -> HTMLResponse:
        mail = _find(state, request.path_params["number"])
        return _mail(mail) if mail else _missing()

    async def html(request: Request) -> HTMLResponse:
        mail = _find(state, request.path_params["number"])
        if mail is None:
            return _missing()
        beside = mail.html.replace("<head>", '<head><base target="_blank">', 1)
        return HTMLResponse(beside, headers=SAFE_MAIL)

    return [
        Route("/", outbox),
        SITE.style(),
        Route("/mail/{number:int}", one),
        Route("/mail/{number:int}/html", html),
    ]


def _outbox(state: State) -> HTMLResponse:
    counts = state.counts()
    rows = "".join(_row(mail) for mail in reversed(state.inbox[-SHOWN_MAX:]))
    listed = f'<ul class="mails">{rows}</ul>' if rows else '<p class="card">No mail yet.</p>'
    over = counts["accepted"] > SHOWN_MAX
    told = f'<p class="hint">The newest {SHOWN_MAX} are shown.</p>' if over else ""
    return SITE.page("Outbox", look.tiles(counts) + told + listed)


def _row(mail: Delivered) -> Cell:
    return (
        f'<li><a href="/mail/{mail.number}">'
        f"<b>{look.text(mail.to_name or mail.to)}</b>"
        f'<span class="what">{look.text(mail.subject)}</span>'
        f'<span class="end">{_now(mail)}</span></a></li>'
    )


def _mail(mail: Delivered) -> HTMLResponse:
    head = {
        "To": look.text(f"{mail.to_name} <{mail.to}>"),
        "From": look.text(f"{mail.sender_name} <{mail.sender}>"),
        "Reply to": look.text(mail.reply_to),
        "Accepted": look.when(datetime.fromtimestamp(mail.at, UTC)),
        "What became of it": " ".join(_happened(name) for name in mail.happened),
    }
    body = (
        look.row([Fact(label=label, shown=shown) for label, shown in head.items()])
        + f'<iframe src="/mail/{mail.number}/html" title="The mail as its reader sees it" '
        'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
        "<details><summary>As plain text</summary>"
        f'<div class="card"><pre>{look.linked(mail.text)}</pre></div></details>'
        + _listed("Headers", mail.headers)
        + _listed("Custom arguments", mail.custom_args)
    )
    return SITE.page(mail.subject, body, kind="Mail")


def _listed(title: str, values: Mapping[str, str]) -> Cell:
    facts = [Fact(label=name, shown=look.text(value)) for name, value in values.items()]
    return look.fields(facts, title)


def _now(mail: Delivered) -> Cell:
    return _happened(mail.happened[-1] if mail.happened else "accepted")


def _happened(name: str) -> Cell:
    return look.chip(name, COLOURS.get(name, ""))


def _missing() -> HTMLResponse:
    return SITE.page("No such mail", '<p><a href="/">All mail</a></p>', status=404)


def _find(state: State, number: int) -> Delivered | None:
    return state.inbox[number - 1] if 1 <= number <= len(state.inbox) else None
