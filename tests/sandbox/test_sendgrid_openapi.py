"""Every request we make and every answer of the sandbox, held against SendGrid's own OpenAPI.

Warts of the official files that are mended here before use:

- `help` of an error is typed as an object; the service answers a text or null.
- `tsg_webhooks_v3` and `tsg_suppressions_v3` want an `Accept` header in places, which is no
  parameter (OpenAPI 3.1, 4.8.12.2) and is left out.
- `tsg_logs_v3` gives a schema's examples names, and a schema has a list of them.

Not in these files, so not held against them: `/v3/scopes`, `/v3/verified_senders` and
`/v3/whitelabel/domains`; an answer of 415 to mail, which only the service has.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from connectors.ports import Mail, Sought
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sendgrid import SendGrid, SendGridConfig, request_for
from connectors.transport import Wire
from tests.stage import Stage, built

SPECS = Path(__file__).parents[3] / "shared/specs/sendgrid"
LOGS = SPECS / "tsg_logs_v3.json"
HOST = "https://api.sendgrid.com"
pytestmark = pytest.mark.skipif(
    not SPECS.exists(), reason=f"the official OpenAPI files are not at ../{SPECS.parent.name}"
)


@pytest.fixture(scope="module")
def judges() -> dict[str, OpenAPI]:
    """The judge of each path."""
    found = {}
    for file in sorted(SPECS.glob("*.json")):
        spec = mended(json.loads(file.read_text()))
        judge = OpenAPI.from_dict(spec)
        found |= dict.fromkeys(spec["paths"], judge)
    return found


def mended(spec: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(spec, list):
        return [mended(each) for each in spec if not _is_accept(each)]
    if not isinstance(spec, dict):
        return spec
    named = isinstance(spec.get("examples"), dict)
    made = {n: mended(value) for n, value in spec.items() if not (named and n == "examples")}
    if isinstance(made.get("help"), dict) and made["help"].get("type") == "object":
        made["help"] = {"type": ["string", "null"]}
    if isinstance(made.get("field"), dict) and made["field"].pop("nullable", False):
        made["field"]["type"] = ["string", "null"]
    return made


def _is_accept(each: object) -> bool:
    return isinstance(each, dict) and each.get("in") == "header" and each.get("name") == "Accept"


class Exchange(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    answer: urllib3.BaseHTTPResponse


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """What goes over any wire in this test."""
    seen: list[Exchange] = []
    sent = Wire.request

    def request(
        wire: Wire,
        method: str,
        url: str,
        **options: Any,  # noqa: ANN401 - as there
    ) -> urllib3.BaseHTTPResponse:
        answer = sent(wire, method, url, **options)
        headers, body = options.get("headers") or {}, options.get("body") or b""
        seen.append(Exchange(method, url, headers, body, answer))
        return answer

    monkeypatch.setattr(Wire, "request", request)
    return seen


class Service(NamedTuple):
    sandbox: SendGridSandbox
    url: str


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def service(stage: Stage) -> Iterator[Service]:
    with SendGridSandbox() as sandbox, stage.playing(sandbox.application) as url:
        yield Service(sandbox, url)


@pytest.fixture
def mailer(service: Service) -> SendGrid:
    config = {
        "api_key": service.sandbox.api_key,
        "origin": service.url,
        "webhook_public_key": service.sandbox.public_key,
    }
    return SendGrid(SendGridConfig.model_validate(config))


def mail(**changes: Any) -> Mail:  # noqa: ANN401 - any field
    fields = {
        "key": "m-1",
        "to": "ann@example.com",
        "to_name": "Ann Able",
        "sender": "feedback@example.com",
        "sender_name": "Olga Owner",
        "reply_to": "olga@example.com",
        "subject": "How likely? 😀",
        "text": "0 to 10",
        "html": "<p>0 to 10</p>",
        "headers": {"List-Unsubscribe": "<https://nps.example/u/1>"},
    }
    return Mail(**(fields | changes))


def judge(judges: Mapping[str, OpenAPI], exchange: Exchange) -> bool:
    """Raise where the official file objects; return whether it knows the path."""
    request, response = _asked(exchange), _answered(exchange)
    found = _judge_of(judges, request.path)
    if found is None:
        return False
    if exchange.answer.status < 400:
        found.validate_request(request)
    found.validate_response(request, response)
    return True


def _judge_of(judges: Mapping[str, OpenAPI], path: str) -> OpenAPI | None:
    for known, found in judges.items():
        parts, wanted = path.split("/"), known.split("/")
        if len(parts) == len(wanted) and all(
            w == p or w.startswith("{") for p, w in zip(parts, wanted, strict=True)
        ):
            return found
    return None


def _asked(exchange: Exchange) -> MockRequest:
    parts = urlsplit(exchange.url)
    return MockRequest(
        HOST,
        exchange.method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query)),
        headers=dict(exchange.headers),
        data=exchange.body,
        content_type=exchange.headers.get("Content-Type", "application/json"),
    )


def _answered(exchange: Exchange) -> MockResponse:
    answer = exchange.answer
    kind = answer.headers.get("Content-Type", "application/json")
    return MockResponse(
        data=answer.data, status_code=answer.status, headers=dict(answer.headers), content_type=kind
    )


def test_our_mail_and_its_answer_are_as_the_file_has_them(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], mailer: SendGrid
) -> None:
    outcomes = mailer.send([mail(), mail(to_name="", reply_to="", headers={}, text="")])

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert [judge(judges, exchange) for exchange in exchanges] == [True, True]


def test_our_checks_and_their_answers_are_as_the_files_have_them(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], mailer: SendGrid, service: Service
) -> None:
    service.sandbox.webhook = "http://127.0.0.1:9/events"

    assert all(check.passed for check in mailer.checks())

    known = {urlsplit(e.url).path: judge(judges, e) for e in exchanges}
    assert known == {
        "/v3/scopes": False,
        "/v3/verified_senders": False,
        "/v3/whitelabel/domains": False,
        "/v3/user/webhooks/event/settings/all": True,
        "/v3/logs": LOGS.exists(),
    }


@pytest.mark.parametrize(
    "changes,status",
    [
        ({"to": "nobody"}, 400),
        ({"sender": "a@b.test"}, 403),
        ({"text": "x" * (31 * 1024 * 1024)}, 413),
    ],
    ids=["400", "403", "413"],
)
def test_the_sandboxs_refusals_are_as_the_file_has_them(
    judges: dict[str, OpenAPI],
    exchanges: list[Exchange],
    service: Service,
    changes: dict[str, str],
    status: int,
) -> None:
    _call(service, "POST", "mail/send", body=request_for(mail(**changes)))

    [exchange] = exchanges
    assert exchange.answer.status == status
    assert judge(judges, exchange)


def test_a_wrong_key_is_told_as_the_file_has_it(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], service: Service
) -> None:
    _call(service, "POST", "mail/send", body=request_for(mail()), key="SG.wrong.key")

    [exchange] = exchanges
    assert exchange.answer.status == 401
    assert judge(judges, exchange)


@pytest.mark.skipif(not LOGS.exists(), reason=f"{LOGS.name} is not among the files")
def test_our_look_ups_and_their_answers_are_as_the_file_has_them(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], mailer: SendGrid, service: Service
) -> None:
    service.sandbox.state.suppressed["unsubscribes"]["gone@example.com"] = 1_795_000_000
    state, now = service.sandbox.state, datetime.now(UTC)
    readers = ["bounce@example.com", "gone@example.com", "ann@example.com"]
    mailer.send([mail(key=f"m-{to}", to=to) for to in readers])
    opened = next(one for one in state.inbox if one.to == "ann@example.com")
    for happen in (state.open, state.complain, state.unsubscribe):
        happen(opened)
    state.click(opened, "https://nps.example/a/1")
    exchanges.clear()

    found = [
        mailer.look_up([Sought(key=f"m-{to}", to=[to], since=now, until=now)]) for to in readers
    ]

    assert found == [{f"m-{to}": True} for to in readers]
    assert [judge(judges, exchange) for exchange in exchanges] == [True] * 6
    assert len({exchange.answer.json().get("status") for exchange in exchanges[1::2]}) == 3


@pytest.mark.skipif(not LOGS.exists(), reason=f"{LOGS.name} is not among the files")
@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_refusals_of_the_logs_are_as_the_file_has_them(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], service: Service, status: int
) -> None:
    service.sandbox.state.may_read_logs = status != 403
    service.sandbox.state.look_ups_per_minute = 0 if status == 429 else None

    if status == 400:
        _call(service, "POST", "logs", body=b'{"query": "nobody = 5"}')
    else:
        _call(service, "GET", "logs/nobody")

    [exchange] = exchanges
    assert exchange.answer.status == status
    assert judge(judges, exchange)


@pytest.mark.parametrize(
    "path",
    [
        "suppression/bounces",
        "suppression/bounces?limit=2&offset=0&start_time=1",
        "suppression/bounces/ann@example.com",
        "suppression/blocks",
        "suppression/blocks/ann@example.com",
        "suppression/invalid_emails",
        "suppression/invalid_emails/ann@example.com",
        "suppression/spam_reports",
        "suppression/spam_reports/ann@example.com",
        "suppression/unsubscribes",
        "user/webhooks/event/settings/all",
        "user/webhooks/event/settings/signed/77d4a5da-7015-11ed-a1eb-0242ac120002",
    ],
)
def test_what_the_sandbox_shows_is_as_the_files_have_it(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], service: Service, path: str
) -> None:
    service.sandbox.webhook = "http://127.0.0.1:9/events"
    for rows in service.sandbox.state.suppressed.values():
        rows["ann@example.com"] = 1_795_000_000

    _call(service, "GET", path)

    [exchange] = exchanges
    assert exchange.answer.status == 200
    assert judge(judges, exchange)
    if "suppression" in path:
        assert exchange.answer.json()[0]["email"] == "ann@example.com"


def test_the_judge_is_awake(
    judges: dict[str, OpenAPI], exchanges: list[Exchange], service: Service
) -> None:
    body = json.loads(request_for(mail()))
    body["personalizations"][0]["to"][0]["email"] = 7
    _call(service, "POST", "mail/send", body=request_for(mail()))
    [exchange] = exchanges

    with pytest.raises(OpenAPIError):
        judge(judges, exchange._replace(body=json.dumps(body).encode()))


def _call(
    service: Service, method: str, path: str, *, body: bytes = b"", key: str | None = None
) -> None:
    headers = {
        "Authorization": f"Bearer {key or service.sandbox.api_key}",
        "Content-Type": "application/json",
    }
    wire = Wire("t", origin=service.url)
    wire.request(method, f"{HOST}/v3/{path}", body=body or None, headers=headers)
