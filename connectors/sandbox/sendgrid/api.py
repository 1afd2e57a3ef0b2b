"""The addresses of the account: mail, senders, suppressions, webhook settings, and two pages."""

import gzip
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.sendgrid import pages
from connectors.sandbox.sendgrid.judge import objections
from connectors.sandbox.sendgrid.logs import Logs, TooFast, Unclear
from connectors.sandbox.sendgrid.posting import Poster
from connectors.sandbox.sendgrid.state import LISTS, State

BODY_MAX_BYTES: Final = 30 * 1024 * 1024
WEBHOOK_ID: Final = "77d4a5da-7015-11ed-a1eb-0242ac120002"
PAGE_MAX: Final = 500
CALLS_MAX: Final = 600

Handler = Callable[[Request], Awaitable[Response]]


def application(state: State, poster: Poster) -> Starlette:
    """Return the account as an application."""
    api = _Api(state, poster)
    return Starlette(
        routes=[
            Route("/v3/mail/send", api.guarded("mail.send", api.send), methods=["POST"]),
            Route("/v3/scopes", api.guarded("", api.scopes)),
            Route("/v3/verified_senders", api.guarded("", api.senders)),
            Route("/v3/whitelabel/domains", api.guarded("whitelabel.read", api.domains)),
            Route("/v3/suppression/{list}", api.guarded("suppression.read", api.suppressed)),
            Route("/v3/suppression/{list}/{email}", api.guarded("suppression.read", api.one)),
            Route(
                "/v3/user/webhooks/event/settings/all",
                api.guarded("user.webhooks.event.settings.read", api.webhooks),
            ),
            Route(
                "/v3/user/webhooks/event/settings/signed/{id}",
                api.guarded("user.webhooks.event.settings.read", api.webhook_key),
            ),
            Route("/v3/logs", api.guarded("", api.logs), methods=["POST"]),
            Route("/v3/logs/{id}", api.guarded("", api.log)),
            *pages.routes(state),
        ],
        exception_handlers={
            404: _in_json(404, "not found"),
            405: _in_json(405, "method not allowed"),
        },
    )


class _Api:
    def __init__(self, state: State, poster: Poster) -> None:
        self.state = state
        self.poster = poster
        self._logs = Logs(state)

    def guarded(self, scope: str, handler: Handler) -> Handler:
        """Let a handler answer those alone whose key is valid and has the scope."""

        async def answer(request: Request) -> Response:
            kind, _, key = request.headers.get("Authorization", "").partition(" ")
            if kind != "Bearer" or not key:
                return _errors(401, "Permission denied, wrong credentials")
            if key not in self.state.api_keys:
                return _errors(
                    401, "The provided authorization grant is invalid, expired, or revoked"
                )
            if scope and scope not in self.state.api_keys[key]:
                return _errors(403, "access forbidden")
            return await handler(request)

        return answer

    async def send(self, request: Request) -> Response:
        """Accept mail (202), find it valid in sandbox mode (200), or say what is wrong (400)."""
        body = await request.body()
        if len(body) > BODY_MAX_BYTES:
            return _errors(413, "Payload Too Large")
        if request.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            return _errors(415, "Content-Type should be application/json.")
        try:
            asked = _read(body, request.headers.get("Content-Encoding", ""))
            wrong = objections(asked)
        except (ValueError, AttributeError, TypeError, OSError, zlib.error):
            return _errors(400, "Bad Request")
        if wrong:
            return _json({"errors": [objection.told() for objection in wrong]}, 400)
        return self._accepted(asked)

    def _accepted(self, asked: Mapping[str, Any]) -> Response:
        senders = {asked["from"]["email"]}
        senders |= {one["from"]["email"] for one in asked["personalizations"] if "from" in one}
        if not all(self.state.may_send_from(sender) for sender in senders):
            return _errors(
                403,
                "The from address does not match a verified Sender Identity. Mail cannot be sent "
                "until this error is resolved. Visit https://sendgrid.com/docs/for-developers/"
                "sending-email/sender-identity/ to see the Sender Identity requirements",
                "from",
            )
        if asked.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return Response(status_code=200, media_type="application/octet-stream")
        return Response(status_code=202, headers={"X-Message-Id": self.state.accept(asked)})

    async def scopes(self, request: Request) -> Response:
        """Return what the key may do."""
        key = request.headers["Authorization"].partition(" ")[2]
        return _json({"scopes": sorted(self.state.api_keys[key])})

    async def senders(self, _request: Request) -> Response:
        """Return the addresses that may be sent from."""
        verified = sorted(name for name in self.state.verified if "@" in name)
        return _json(
            {
                "results": [
                    {
                        "id": number,
                        "nickname": address,
                        "from_email": address,
                        "from_name": "",
                        "reply_to": address,
                        "reply_to_name": "",
                        "verified": True,
                        "locked": False,
                    }
                    for number, address in enumerate(verified, 1)
                ]
            }
        )

    async def domains(self, _request: Request) -> Response:
        """Return the domains that may be sent from."""
        domains = sorted(name for name in self.state.verified if "@" not in name)
        return _json(
            [
                {"id": number, "domain": name, "subdomain": "em", "valid": True}
                for number, name in enumerate(domains, 1)
            ]
        )

    async def suppressed(self, request: Request) -> Response:
        """Return a page of a list, newest first."""
        name = request.path_params["list"]
        if name not in LISTS:
            return _errors(404, "not found")
        asked = request.query_params
        start, end = int(asked.get("start_time", 0)), int(asked.get("end_time", 2**40))
        rows = sorted(self.state.suppressed[name].items(), key=lambda row: -row[1])
        kept = [_row(name, *row) for row in rows if start <= row[1] <= end]
        first = int(asked.get("offset", 0))
        return _json(kept[first : first + min(int(asked.get("limit", PAGE_MAX)), PAGE_MAX)])

    async def one(self, request: Request) -> Response:
        """Return one address's row of a list, if it has one."""
        name, address = request.path_params["list"], request.path_params["email"].lower()
        if name not in LISTS:
            return _errors(404, "not found")
        since = self.state.suppressed[name].get(address)
        return _json([] if since is None else [_row(name, address, since)])

    async def logs(self, request: Request) -> Response:
        """Return the messages that a query finds."""
        if (refusal := self._not_shown()) is not None:
            return refusal
        try:
            return _json({"messages": self._logs.found(orjson.loads(await request.body()))})
        except Unclear as error:
            return _problem(400, str(error))
        except orjson.JSONDecodeError:
            return _problem(400, "invalid request")

    async def log(self, request: Request) -> Response:
        """Return all about one message."""
        if (refusal := self._not_shown()) is not None:
            return refusal
        found = self._logs.one(request.path_params["id"])
        return _problem(404, "not found") if found is None else _json(found)

    def _not_shown(self) -> Response | None:
        """Return why the logs may not be seen."""
        if not self.state.may_read_logs:
            return _problem(403, "access forbidden")
        try:
            self._logs.spend()
        except TooFast:
            return _problem(429, "too many requests")
        return None

    async def webhooks(self, _request: Request) -> Response:
        """Return where events are posted."""
        kinds = [
            "group_resubscribe",
            "delivered",
            "group_unsubscribe",
            "spam_report",
            "bounce",
            "deferred",
            "unsubscribe",
            "processed",
            "open",
            "click",
            "dropped",
        ]
        webhook = {
            "id": WEBHOOK_ID,
            "enabled": self.poster.webhook is not None,
            "url": self.poster.webhook or "",
            "public_key": self.poster.public_key,
            "friendly_name": "npsloop",
            **dict.fromkeys(kinds, True),
        }
        there = [webhook] if self.poster.webhook is not None else []
        return _json({"max_allowed": 5, "webhooks": there})

    async def webhook_key(self, request: Request) -> Response:
        """Return the key that a webhook's posts are signed with."""
        if request.path_params["id"] != WEBHOOK_ID:
            return _errors(404, "not found")
        return _json({"id": WEBHOOK_ID, "public_key": self.poster.public_key})


def _read(body: bytes, encoding: str) -> Any:  # noqa: ANN401 - any JSON
    return orjson.loads(gzip.decompress(body) if encoding == "gzip" else body)


def _row(name: str, address: str, since: int) -> dict[str, Any]:
    row: dict[str, Any] = {"email": address, "created": since}
    if name in {"bounces", "blocks", "invalid_emails"}:
        row["reason"] = "550 5.1.1 The email account that you tried to reach does not exist"
    if name in {"bounces", "blocks"}:
        row["status"] = "5.1.1"
    if name == "spam_reports":
        row["ip"] = "192.0.2.7"
    return row


def _json(content: object, status: int = 200) -> Response:
    now = int(time.time())
    return Response(
        orjson.dumps(content),
        status,
        media_type="application/json",
        headers={
            "X-RateLimit-Limit": str(CALLS_MAX),
            "X-RateLimit-Remaining": str(CALLS_MAX - 1),
            "X-RateLimit-Reset": str(now - now % 60 + 60),
        },
    )


def _errors(status: int, message: str, field: str | None = None) -> Response:
    return _json({"errors": [{"message": message, "field": field, "help": None}]}, status)


def _problem(status: int, message: str) -> Response:
    """Return an error as the logs tell it: without the fields that would be empty."""
    return _json({"errors": [{"message": message}]}, status)


def _in_json(status: int, message: str) -> Callable[[Request, Exception], Response]:
    return lambda _request, _error: _errors(status, message)
