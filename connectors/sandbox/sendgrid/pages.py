"""The outbox as pages: a list of all mail, and each mail as its reader sees it.

A mail's HTML stands in a frame that may run nothing and fetch nothing; all else is escaped.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from connectors.sandbox.sendgrid.state import Delivered, State

SHOWN_MAX: Final = 500
SAFE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
SAFE_MAIL: Final = SAFE | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    )
}
STYLE: Final = """
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1b2430; }
body { margin: 0; background: #f3f5f8; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
a { color: #1a4fa0; }
.mails, .card { background: #fff; border: 1px solid #d7dde5; border-radius: .6rem; margin: 0; }
.mails { padding: 0; list-style: none; }
.mails a { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .7rem 1rem;
  color: inherit; text-decoration: none; }
.mails li + li { border-top: 1px solid #e6eaf0; }
.mails a:hover, .mails a:focus-visible { background: #eef4fd; }
.mails span { overflow-wrap: anywhere; min-width: 0; }
.who { font-weight: 600; } .when, .more { color: #566273; font-size: .875rem; }
.now { font-size: .875rem; text-align: right; }
.delivered { color: #17633a; } .bounce, .dropped { color: #a32020; }
.card { padding: 1rem; } dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem 1rem; }
dt { color: #566273; } dd { margin: 0; overflow-wrap: anywhere; }
iframe { width: 100%; height: 40rem; border: 1px solid #d7dde5; border-radius: .6rem;
  background: #fff; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: .875rem; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""


def routes(state: State) -> list[Route]:
    """Return the pages of the outbox."""

    async def outbox(_request: Request) -> HTMLResponse:
        return HTMLResponse(_outbox(state), headers=SAFE)

    async def one(request: Request) -> HTMLResponse:
        mail = _find(state, request.path_params["number"])
        if mail is None:
            return _missing()
        return HTMLResponse(_mail(mail), headers=SAFE)

    async def html(request: Request) -> HTMLResponse:
        mail = _find(state, request.path_params["number"])
        if mail is None:
            return _missing()
        beside = mail.html.replace("<head>", '<head><base target="_blank">', 1)
        return HTMLResponse(beside, headers=SAFE_MAIL)

    return [
        Route("/", outbox),
        Route("/mail/{number:int}", one),
        Route("/mail/{number:int}/html", html),
    ]


def _outbox(state: State) -> str:
    counts = state.counts()
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    rows = "".join(_row(mail) for mail in reversed(state.inbox[-SHOWN_MAX:]))
    listed = f'<ul class="mails">{rows}</ul>' if rows else '<p class="card">No mail yet.</p>'
    if counts["accepted"] > SHOWN_MAX:
        told += f"; the newest {SHOWN_MAX} are shown"
    return _page("Mail outbox", f'<h1>Mail outbox</h1><p class="more">{told}</p>{listed}')


def _row(mail: Delivered) -> str:
    now = mail.happened[-1] if mail.happened else "accepted"
    return (
        f'<li><a href="/mail/{mail.number}">'
        f'<span class="who">{escape(mail.to_name or mail.to)}</span>'
        f'<span class="when">{_when(mail.at)}</span>'
        f"<span>{escape(mail.subject)}</span>"
        f'<span class="now {now}">{now}</span></a></li>'
    )


def _mail(mail: Delivered) -> str:
    head = {
        "To": f"{mail.to_name} <{mail.to}>",
        "From": f"{mail.sender_name} <{mail.sender}>",
        "Reply to": mail.reply_to,
        "Accepted": _when(mail.at),
        "Happened": ", ".join(mail.happened),
    }
    body = (
        '<p><a href="/">All mail</a></p>'
        f"<h1>{escape(mail.subject)}</h1>"
        f'<div class="card">{_listed(head)}</div>'
        "<h2>As its reader sees it</h2>"
        f'<iframe src="/mail/{mail.number}/html" title="The mail" '
        'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
        f'<h2>As plain text</h2><div class="card"><pre>{escape(mail.text)}</pre></div>'
        f'<h2>Headers</h2><div class="card">{_listed(mail.headers)}</div>'
        f'<h2>Custom arguments</h2><div class="card">{_listed(mail.custom_args)}</div>'
    )
    return _page(mail.subject, body)


def _listed(values: Mapping[str, str]) -> str:
    rows = (f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in values.items() if v)
    return f"<dl>{''.join(rows)}</dl>"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


def _missing() -> HTMLResponse:
    return HTMLResponse(_page("No such mail", "<h1>No such mail</h1>"), 404, headers=SAFE)


def _find(state: State, number: int) -> Delivered | None:
    return state.inbox[number - 1] if 1 <= number <= len(state.inbox) else None


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
