"""The sandbox's Email Logs: strict about what they are asked, honest about what they show."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.transport import Wire
from tests.sandbox.sendgrid_account import request
from tests.stage import Stage, built

LONG_AGO = 'TIMESTAMP "2026-01-01T00:00:00Z"'


@pytest.fixture
def sandbox() -> Iterator[SendGridSandbox]:
    with SendGridSandbox() as sandbox:
        for name in ("ann", "bob", "bounce"):
            sandbox.state.accept(request(f"{name}@example.com"))
        yield sandbox


class Client:
    """Asks the account's logs."""

    def __init__(self, address: str, api_key: str) -> None:
        self._wire = Wire("logs", origin=address)
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}

    def post(self, body: object) -> tuple[int, Any]:
        """Return the status and the answer to a query."""
        return self._asked("POST", "/v3/logs", orjson.dumps(body))

    def get(self, message_id: str) -> tuple[int, Any]:
        """Return the status and the answer about one message."""
        return self._asked("GET", f"/v3/logs/{message_id}", None)

    def _asked(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        answer = self._wire.request(method, path, body=body, headers=self._headers)
        return answer.status, answer.json()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def client(stage: Stage, sandbox: SendGridSandbox) -> Iterator[Client]:
    with stage.playing(sandbox.application) as address:
        yield Client(address, sandbox.api_key)


def found(client: Client, query: str, **more: object) -> list[str]:
    """Return whom the messages found are to."""
    status, answer = client.post({"query": query, **more})
    assert status == 200, answer
    return [message["to_email"].partition("@")[0] for message in answer["messages"]]


def problem(client: Client, body: object) -> str:
    """Return what is wrong with a request."""
    status, answer = client.post(body)
    assert status == 400
    [error] = answer["errors"]
    return str(error["message"])


@pytest.mark.parametrize(
    "query,names",
    [
        ("", ["bounce", "bob", "ann"]),
        ('to_email = "ann@example.com"', ["ann"]),
        ('to_email="Ann@example.com"', []),
        ('subject = "How likely?" AND to_email = "bob@example.com"', ["bob"]),
        ("status IN ('bounced', 'dropped')", ["bounce"]),
        ("status IN ('delivered')", ["bob", "ann"]),
        (f"sg_message_id_created_at >= {LONG_AGO}", ["bounce", "bob", "ann"]),
        (f"sg_message_id_created_at < {LONG_AGO}", []),
    ],
)
def test_a_query_finds_what_it_says(client: Client, query: str, names: list[str]) -> None:
    assert found(client, query) == names


def test_a_limit_cuts_and_there_is_no_second_page(client: Client) -> None:
    assert found(client, "", limit=1) == ["bounce"]


@pytest.mark.parametrize(
    "query",
    [
        'sender = "a"',
        'to_email > "a"',
        "to_email IN ('a')",
        'status = "bounced"',
        'to_email = "a" OR to_email = "b"',
        '(to_email = "a")',
        'to_email = "a" AND',
        "to_email = 'a'",
        'sg_message_id_created_at > "2026-01-01T00:00:00Z"',
        'sg_message_id_created_at > TIMESTAMP "yesterday"',
        'unique_args["npsloop_key"] = "m-1"',
    ],
)
def test_a_query_that_it_does_not_know_is_refused(client: Client, query: str) -> None:
    assert problem(client, {"query": query}).startswith("invalid")


@pytest.mark.parametrize(
    "body", [[], {"page": 2}, {"limit": 0}, {"limit": 1001}, {"limit": "9"}, {"query": 5}]
)
def test_a_request_that_it_does_not_know_is_refused(client: Client, body: object) -> None:
    assert problem(client, body)


def test_a_message_shows_its_arguments_and_events(client: Client) -> None:
    [message] = client.post({"limit": 1})[1]["messages"]

    _, whole = client.get(message["sg_message_id"])

    assert whole["custom_args"] == {"npsloop_key": "m-1"}
    assert [event["event"] for event in whole["events"]] == ["processed", "bounce"]
    assert whole["status"] == "bounced"
    assert client.get("nobody") == (404, {"errors": [{"message": "not found"}]})


def test_an_account_without_them_is_told_so(client: Client, sandbox: SendGridSandbox) -> None:
    sandbox.state.may_read_logs = False

    for answer in (client.post({}), client.get("x")):
        assert answer == (403, {"errors": [{"message": "access forbidden"}]})


def test_too_many_requests_are_turned_away(client: Client, sandbox: SendGridSandbox) -> None:
    sandbox.state.look_ups_per_minute = 2

    answers = [client.post({})[0] for _ in range(3)]

    assert answers == [200, 200, 429]


def test_what_has_just_been_sent_may_not_show_yet(client: Client, sandbox: SendGridSandbox) -> None:
    sandbox.state.logs_late_s = 60.0

    assert found(client, "") == []
