"""Renders pages, with the headers that every page has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loop.app import App
from loop.letters import contrast

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}
GONE: Final = 404
SEE_OTHER: Final = 303


def app_of(request: Request) -> App:
    """Return the app."""
    app: App = request.app.state.app
    return app


def page(
    app: App, name: str, words: Mapping[str, Any], *, locale: str = "en", status: int = 200
) -> HTMLResponse:
    """Return a page."""
    company = app.config.company
    common = {"company": company.name, "postal_address": company.postal_address}
    html = app.letters.page(name, {**common, **words}, locale=locale)
    return HTMLResponse(html, status_code=status, headers=HEADERS)


def in_words(at: datetime) -> str:
    """Return a day as people write it: 6 December 2026."""
    return f"{at.day} {at:%B %Y}"


def gone(app: App) -> HTMLResponse:
    """Return the page for a link that is unknown or over: the same for both."""
    return page(app, "gone", {}, status=GONE)


def onward(to: str) -> Response:
    """Send them on to a page of ours, whose address is plain ASCII."""
    response = Response(status_code=SEE_OTHER)
    response.raw_headers = [*_ONWARD, (b"location", to.encode("ascii"))]
    return response


_ONWARD: Final = [
    (b"content-length", b"0"),
    *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
]


def stylesheet(request: Request) -> Response:
    """Serve the stylesheet."""
    css = app_of(request).letters.page("style.css", {})
    return Response(css, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def brand(request: Request) -> Response:
    """Serve the company's colours."""
    app = app_of(request)
    colour = app.config.company.brand_colour
    css = app.letters.page("brand.css", {"brand": colour, "brand_text": contrast(colour)})
    return Response(css, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
