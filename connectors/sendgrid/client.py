"""The library's client over our wire: it knows addresses and authentication, we know the rest.

By itself it opens a connection per request, waits for ever, and writes key and recipient into
its debug log.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import urllib3
from python_http_client import Client
from sendgrid import SendGridAPIClient

from connectors.budget import Budget
from connectors.errors import FIRST_SERVER_FAULT as FAULT
from connectors.errors import ConnectorError, Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Mail, Outcome
from connectors.sendgrid.body import request_for
from connectors.sendgrid.config import SendGridConfig
from connectors.transport import Wire, retry_after_s

NAME: Final = "sendgrid"
READ_TIMEOUT_S: Final = 30.0
WORDS_MAX: Final = 300
OK: Final = range(200, 300)
REDIRECTED: Final = range(300, 400)
TOO_MANY: Final = 429
_ADDRESS: Final = re.compile(r"[^\s\[\]<>\"'(),;]+@[^\s\[\]<>\"'(),;]+")


class Account:
    """The account's Web API."""

    def __init__(self, config: SendGridConfig, budget: Budget) -> None:
        self._budget = budget
        self._wire = Wire(
            NAME, origin=config.origin, budget=self._budget, read_timeout_s=READ_TIMEOUT_S
        )
        self._has_key = bool(config.api_key.get_secret_value())
        made = SendGridAPIClient(config.api_key.get_secret_value() or "none")
        made.set_sendgrid_data_residency(config.region)
        self._client = _OverWire(made.client, self._wire)
        self._post = self._client.mail.send.post

    def send(self, mail: Mail) -> Outcome:
        """Send one mail, once."""
        try:
            answer = self._post(request_body=request_for(mail))
        except ConnectorError as error:
            return Outcome(error=error)
        if answer.status in OK:
            return Outcome(answer.headers.get("X-Message-Id", ""))
        if answer.status == TOO_MANY:
            self._budget.pause(_wait_s(answer.headers))
        return Outcome(error=_error(answer, mail.to))

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return what stands at a path such as `scopes`. Raise a `ConnectorError`."""
        return _read(getattr(self._client._(path), "get")())  # noqa: B009 - a verb of the library

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """Ask at a path by a body, which changes nothing there. Raise a `ConnectorError`."""
        asked = getattr(self._client._(path), "post")  # noqa: B009 - a verb of the library
        try:
            return _read(asked(request_body=msgspec.json.encode(body)))
        except Doubtful as error:
            raise Unavailable(NAME, error.problem) from None

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


def _read(answer: urllib3.BaseHTTPResponse) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON of a good answer. Raise a `ConnectorError` for any other."""
    if answer.status not in OK:
        error = _error(answer)
        raise Unavailable(NAME, error.problem) if isinstance(error, Doubtful) else error
    try:
        return msgspec.json.decode(answer.data)
    except msgspec.DecodeError:
        raise Unavailable(NAME, "its answer is no JSON") from None


def _error(answer: urllib3.BaseHTTPResponse, address: str = "") -> ConnectorError:
    """Say what an answer means: was it accepted, will it ever be, who has to act."""
    status, words = answer.status, _words(answer.data, address)
    if status in {401, 403}:
        return Unauthorized(NAME, f"{words} (HTTP {status}): see `npsloop doctor`")
    if status == TOO_MANY:
        return Unavailable(NAME, "too many requests", retry_after_s=_wait_s(answer.headers))
    if status == 503 or status in REDIRECTED:  # noqa: PLR2004 - turned away at the door
        problem = f"it turns us away (HTTP {status})"
        return Unavailable(NAME, problem, retry_after_s=retry_after_s(answer.headers))
    if status == 408 or status >= FAULT:  # noqa: PLR2004 - it may have got everything
        return Doubtful(NAME, f"it failed after we had asked (HTTP {status})")
    return Refused(NAME, f"{words} (HTTP {status})", code=str(status))


class _OverWire(Client):  # type: ignore[misc]  # the library carries no types
    """The library's client, whose last step goes over our wire, with a body made already."""

    def __init__(self, like: Client, wire: Wire) -> None:
        super().__init__(
            host=like.host,
            request_headers={**like.request_headers, "Content-Type": "application/json"},
            version=like._version,  # noqa: SLF001 - it has no other name
            url_path=list(like._url_path),  # noqa: SLF001
        )
        self.wire = wire

    def _build_client(self, name: str | None = None) -> "_OverWire":
        made = _OverWire(self, self.wire)
        made._url_path += [name] if name else []
        return made

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb or the next part of a path
        return self._verb(name) if name in self.methods else super().__getattr__(name)

    def _verb(self, name: str) -> Callable[..., urllib3.BaseHTTPResponse]:
        def request(
            request_body: bytes | None = None, query_params: Mapping[str, str] | None = None
        ) -> urllib3.BaseHTTPResponse:
            url = self._build_url(query_params)
            headers = self.request_headers
            return self.wire.request(name.upper(), url, body=request_body, headers=headers)

        return request


def _wait_s(headers: Mapping[str, str]) -> float:
    """Return how long a 429 asks us to wait: in its own header, or until the limit begins anew."""
    asked = retry_after_s(headers)
    if asked is not None:
        return asked
    reset = headers.get("X-RateLimit-Reset", "")
    if not (reset.isascii() and reset.isdigit()):
        return 1.0
    return min(max(float(reset) - time.time(), 1.0), 60.0)


def _words(body: bytes, address: str) -> str:
    """Return SendGrid's own words without any address."""
    try:
        told = msgspec.json.decode(body, type=_Errors).errors
    except msgspec.DecodeError:
        return "it gave no reason"
    words = "; ".join(
        f"{each.field}: {each.message}" if each.field else each.message for each in told
    )
    if address:
        words = words.replace(address, "[address]")
    return _ADDRESS.sub("[address]", words)[:WORDS_MAX] or "it gave no reason"


class _Error(msgspec.Struct):
    message: str = ""
    field: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error] = []
