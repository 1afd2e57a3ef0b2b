"""The one way out: time-outs, a kept-alive pool, a rate budget, retries and redaction.

The three client libraries do the authentication and build the requests; none of them sets a
time-out, and each repeats what it should not. So a connector hands its library a `Wire`, in the
shape that the library expects: `session(wire)` for requests (simple-salesforce), the wire
itself as a urllib3 pool manager (hubspot-api-client), `Wire.request` for the rest.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from connectors import fence
from connectors.budget import Budget
from connectors.errors import Doubtful, Unavailable

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 60.0
POOL: Final = 16
TRIES_WHERE_HARMLESS: Final = 3
HARMLESS: Final = frozenset({"GET", "HEAD"})
CLOCK_SKEW_S: Final[dict[str, float]] = {}
"""How far our clock was ahead of each service's at its newest answer."""
NEVER_LEFT: Final = (ConnectTimeoutError, NewConnectionError, ProxyError, SSLError)

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
"""At DEBUG it tells whole addresses, which may hold somebody's data."""


class Wire:
    """All requests to one service.

    `origin` (`http://127.0.0.1:8100`) takes the place of every address's scheme and host: some
    libraries have their service's host built in, and the sandbox stands elsewhere.
    """

    def __init__(
        self,
        service: str,
        *,
        origin: str = "",
        budget: Budget | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.service = service
        self.origin = origin.rstrip("/")
        self.budget = budget
        self._pool = urllib3.PoolManager(
            maxsize=POOL,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_ignored: Any,  # noqa: ANN401 - what libraries pass to a pool manager: theirs is ours
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and return the answer, whatever its status, with its body read.

        Raise `Unavailable` where the request never left or can be repeated later without harm,
        `Doubtful` where it left and may have been accepted. The fence is asked first.
        """
        tries = TRIES_WHERE_HARMLESS if method in HARMLESS else 1
        for left in reversed(range(tries)):
            if self.budget is not None:
                self.budget.spend(self.service)
            fence.check()
            try:
                answer = self._pool.request(
                    method, self._there(url), body=body, headers=headers, redirect=False
                )
            except HTTPError as error:
                if left == 0:
                    raise self._told(method, error) from None
            else:
                self._hold_clocks(answer.headers)
                return answer
        raise AssertionError  # the last try returned or raised

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _hold_clocks(self, headers: Mapping[str, str]) -> None:
        """Note how far our clock is ahead of the service's (RFC 9110 section 6.6.1)."""
        try:
            theirs = parsedate_to_datetime(headers.get("Date", ""))
            CLOCK_SKEW_S[self.service] = (datetime.now(UTC) - theirs).total_seconds()
        except (TypeError, ValueError):
            return  # no date, or none that says its zone

    def _there(self, url: str) -> str:
        if not self.origin:
            return url
        parts, origin = urlsplit(url), urlsplit(self.origin)
        return urlunsplit(parts._replace(scheme=origin.scheme, netloc=origin.netloc))

    def _told(self, method: str, error: HTTPError) -> Unavailable | Doubtful:
        """Say what happened without the address, which may hold somebody's data."""
        cause = error.reason if isinstance(error, MaxRetryError) else error
        what = type(cause).__name__
        if isinstance(cause, NEVER_LEFT):
            return Unavailable(self.service, f"it cannot be reached ({what})")
        if method in HARMLESS:
            return Unavailable(self.service, f"it broke off ({what})")
        return Doubtful(self.service, f"it broke off after we had asked ({what})")


class _Adapter(BaseAdapter):
    """Carries the requests of a `requests.Session` over our wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        """Send one request."""
        answer = self.wire.request(
            request.method or "GET",
            request.url or "",
            body=request.body,
            headers=dict(request.headers),
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = answer
        response.reason = answer.reason or ""
        response.url = request.url or ""
        response.request = request
        response._content = answer.data  # noqa: SLF001 - the body is read already
        extract_cookies_to_jar(response.cookies, request, answer)  # type: ignore[no-untyped-call]
        return response

    def close(self) -> None:
        """Leave the wire open: others use it."""


def session(wire: Wire) -> requests.Session:
    """Return a `requests.Session` that speaks over the wire."""
    made = requests.Session()
    made.trust_env = False
    made.mount("https://", _Adapter(wire))
    made.mount("http://", _Adapter(wire))
    return made


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110 section 10.2.3).

    HubSpot documents milliseconds in places, so a value of 1000 or more is read as those.
    """
    value = headers.get("Retry-After", "")
    if not value.isdigit():
        return None
    seconds = float(value)
    return seconds / 1000 if seconds >= 1000 else seconds  # noqa: PLR2004 - see above
