"""An account at the sandbox's SendGrid, and a webhook for its events."""

from typing import Any

import orjson
import pytest
from python_http_client.exceptions import BadRequestsError
from sendgrid import SendGridAPIClient
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Receiver:
    """A webhook that may be down."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.down = False
        self.turned_away = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a post."""
        request = Request(scope, receive)
        body = await request.body()
        if self.down:
            self.turned_away += 1
        else:
            self.posts.append((dict(request.headers), body))
        await Response(status_code=503 if self.down else 204)(scope, receive, send)

    def events(self) -> list[dict[str, Any]]:
        """Return all events, in the order in which they came."""
        return [event for _, body in self.posts for event in orjson.loads(body)]


def request(to: str = "ann@example.com", **changes: object) -> dict[str, Any]:
    """Return a request to send mail; a change to None leaves a field out."""
    made = {
        "personalizations": [{"to": [{"email": to}], "custom_args": {"npsloop_key": "m-1"}}],
        "from": {"email": "feedback@example.com"},
        "subject": "How likely?",
        "content": [{"type": "text/plain", "value": "0 to 10"}],
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def objection(library: SendGridAPIClient, body: dict[str, Any]) -> dict[str, Any]:
    """Return the first thing that is found wrong with a request."""
    with pytest.raises(BadRequestsError) as caught:
        library.send(body)
    first: dict[str, Any] = orjson.loads(caught.value.body)["errors"][0]
    return first
