"""HubSpot's official OpenAPI files judge our requests and the sandbox's answers.

Where the files are wrong, we say so here: these are all the exemptions.

- `"example": null` stands everywhere in the files and is no valid example: taken out.
- A search's `sorts` are objects in HubSpot's documentation and strings in its file: each of our
  objects is turned into the string that the file would have.
- A 207 is documented and not in the files: it is held against the schema of the 200 (or 201).
- openapi-core does not know OAuth: the token is judged as the bearer token that it is.
- Failures are given as `*/*`; they come as `application/json`, as the documentation has it.
"""

import json
from collections import Counter
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.errors import Unavailable
from connectors.hubspot import Config, HubSpot
from connectors.ports import AccountScore, History, Lead, Score, Task
from connectors.sandbox.hubspot import HubSpotSandbox
from connectors.sandbox.server import running

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "hubspot"
FILES = {
    "/crm/objects/": "objects",
    "/crm/associations/": "associations",
    "/crm/owners/": "crmOwners",
    "/crm/properties/": "properties",
    "/account-info/": "accountInfo",
}
HOST = "https://api.hubapi.com"
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason=f"the official files are not at {SPECS}")


class Recorder:
    """Passes requests on and keeps them with their answers."""

    date_header = False

    def __init__(self, application: ASGIApp) -> None:
        self.application = application
        self.exchanges: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        sent: dict[str, Any] = {"body": b"", "told": b"", "scope": scope}

        async def hear() -> Message:
            message = await receive()
            sent["body"] += message.get("body", b"")
            return message

        async def tell(message: Message) -> None:
            sent["status"] = message.get("status", sent.get("status"))
            sent["told"] += message.get("body", b"")
            await send(message)

        await self.application(scope, hear, tell)
        self.exchanges.append(sent)


@pytest.fixture(scope="module")
def exchanges() -> list[dict[str, Any]]:
    """Let the connector do everything that it can, well and badly, and keep what was said."""
    sandbox = HubSpotSandbox()
    sandbox.state.rate = None
    recorder = Recorder(sandbox.application)
    with running(recorder) as url:
        _everything(sandbox, connected(url))
        _failures(sandbox, url)
    return recorder.exchanges


def connected(url: str, **more: object) -> HubSpot:
    own: dict[str, object] = {"type": "hubspot", "origin": url, "access_token": "a-token"}
    quick = {"calls_per_10_s": 10_000, "searches_per_s": 10_000, "product_property": "product"}
    return HubSpot(Config.model_validate(own | quick | more))


def _everything(sandbox: HubSpotSandbox, crm: HubSpot) -> None:
    state = sandbox.state
    owner = state.add_owner("Olga", "Owner", "olga@example.com")
    acme = state.add("companies", {"name": "Acme", "hubspot_owner_id": owner})
    for n in range(150):
        state.add("contacts", {"email": f"c{n}@example.com"}, [("companies", acme)])
    ann = state.add(
        "contacts", {"email": "ann@example.com", "lastname": "Able"}, [("companies", acme)]
    )
    ticket = state.add("tickets", {"subject": "Router"}, [("contacts", ann)])
    state.update("tickets", ticket, {"hs_pipeline_stage": "4"})
    gone = state.add("contacts", {"email": "gone@example.com"})
    state.archive("contacts", gone)
    list(crm.owners())
    for pull in (crm.accounts, crm.contacts, crm.triggers):
        watermark = list(pull(None))[-1].watermark
        list(pull(watermark))
    people = [ann, gone]
    crm.write_scores([_score(id_) for id_ in people])
    crm.write_accounts([AccountScore(account_id=acme, nps=-12.5, answers=2, answered_at=NOW)])
    for _ in range(2):
        crm.keep([_history(id_, acme, f"h-{id_}") for id_ in people])
        put = crm.put_tasks([_task(id_, acme, owner, f"t-{id_}") for id_ in people])
        crm.add_leads([_lead("l-1", "fay@friend.example"), _lead("l-2", "ann@example.com")])
    crm.keep([_history(ann, acme, f"h-{ann}", "Other words")])
    crm.task_states([put[0].remote_id, "1"])
    crm.link("contact", ann)
    assert all(check.passed for check in crm.checks())


def _failures(sandbox: HubSpotSandbox, url: str) -> None:
    crm, state = connected(url), sandbox.state
    state.schema.remove("contacts", "nps_score")
    crm.write_scores([_score(state.all("contacts")[0].id)])
    state.limits.search.calls = 0
    with pytest.raises(Unavailable):
        list(crm.accounts(NOW.isoformat()))
    state.rate = None
    state.token = "another"
    assert not all(check.passed for check in connected(url).checks())


def _score(contact: str) -> Score:
    return Score(
        contact_id=contact,
        score=3,
        group="detractor",
        comment="<b>slow</b>\nand dear",
        answered_at=NOW,
        surveys=1,
        factor=-100,
    )


def _history(contact: str, company: str, key: str, comment: str = "slow") -> History:
    return History(
        key=key,
        contact_id=contact,
        account_id=company,
        score=3,
        group="detractor",
        comment=comment,
        program="relationship",
        answered_at=NOW,
    )


def _task(contact: str, company: str, owner: str, key: str) -> Task:
    return Task(
        key=key,
        contact_id=contact,
        account_id=company,
        owner_id=owner,
        subject="Ann gave us a 3",
        body="Please call.",
        due=date(2026, 11, 4),
    )


def _lead(key: str, email: str) -> Lead:
    return Lead(
        key=key,
        email=email,
        first_name="Fay",
        last_name="Friend",
        promoter_contact_id="1",
        promoter_name="Ann Able",
        consent="Call me. 2026-11-02",
    )


@cache
def _judge(name: str) -> OpenAPI:
    spec = json.loads((SPECS / f"{name}.json").read_text("utf-8"))
    return OpenAPI.from_dict(_mended(spec))


def _mended(part: Any) -> Any:  # noqa: ANN401 - any JSON
    """Take the warts out of a file."""
    if isinstance(part, list):
        return [_mended(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {name: value for name, value in part.items() if (name, value) != ("example", None)}
    if set(part) == {"*/*"}:
        part = {"application/json": part["*/*"]}
    if part.get("type") == "oauth2":
        return {"type": "http", "scheme": "bearer"}
    if "description" in part and "$ref" in part:
        part = {"$ref": part["$ref"]}
    return {name: _mended(value) for name, value in part.items()}


def _judged(exchange: dict[str, Any]) -> tuple[OpenAPI, MockRequest, MockResponse]:
    scope, body = exchange["scope"], exchange["body"]
    path = scope["path"]
    if path.endswith("/search"):
        body = _with_plain_sorts(body)
    file = next(name for prefix, name in FILES.items() if path.startswith(prefix))
    request = MockRequest(
        HOST,
        scope["method"].lower(),
        path,
        args=dict(parse_qsl(scope["query_string"].decode())),
        headers={name.decode(): value.decode() for name, value in scope["headers"]},
        data=body,
    )
    status = exchange["status"]
    if status == 207:
        status = 201 if path.endswith("/create") else 200
    return _judge(file), request, MockResponse(exchange["told"], status)


def _with_plain_sorts(body: bytes) -> bytes:
    asked = json.loads(body)
    asked["sorts"] = [rule["propertyName"] for rule in asked["sorts"]]
    return json.dumps(asked).encode()


def test_every_request_is_one_that_hubspot_takes(exchanges: list[dict[str, Any]]) -> None:
    for exchange in exchanges:
        judge, request, _ = _judged(exchange)

        judge.validate_request(request)


def test_every_answer_is_one_that_hubspot_gives(exchanges: list[dict[str, Any]]) -> None:
    for exchange in exchanges:
        judge, request, response = _judged(exchange)

        judge.validate_response(request, response)


def test_everything_that_we_ask_for_was_judged(exchanges: list[dict[str, Any]]) -> None:
    kinds = Counter(_kind(exchange) for exchange in exchanges)

    assert {kind for kind, _ in kinds} == {
        "GET /account-info/details",
        "GET /crm/objects/companies",
        "GET /crm/objects/contacts",
        "GET /crm/owners",
        "GET /crm/properties/companies",
        "GET /crm/properties/contacts",
        "POST /crm/associations/contacts/companies/batch/read",
        "POST /crm/associations/contacts/notes/batch/read",
        "POST /crm/associations/contacts/tasks/batch/read",
        "POST /crm/associations/tickets/contacts/batch/read",
        "POST /crm/objects/companies/batch/update",
        "POST /crm/objects/companies/search",
        "POST /crm/objects/contacts/batch/create",
        "POST /crm/objects/contacts/batch/read",
        "POST /crm/objects/contacts/batch/update",
        "POST /crm/objects/contacts/search",
        "POST /crm/objects/notes/batch/create",
        "POST /crm/objects/notes/batch/read",
        "POST /crm/objects/notes/batch/update",
        "POST /crm/objects/tasks/batch/create",
        "POST /crm/objects/tasks/batch/read",
        "POST /crm/objects/tickets/search",
    }
    assert {status for _, status in kinds} == {200, 201, 207, 401, 429}


def _kind(exchange: dict[str, Any]) -> tuple[str, int]:
    path = exchange["scope"]["path"].replace("/2026-09", "")
    return f"{exchange['scope']['method']} {path}", exchange["status"]


def test_the_judge_would_notice(exchanges: list[dict[str, Any]]) -> None:
    update = next(each for each in exchanges if each["scope"]["path"].endswith("/batch/update"))
    judge, request, _ = _judged(update)
    numbers = update["body"].replace(b'"nps_score": "3"', b'"nps_score": 3')
    nameless = json.dumps({"results": [{"properties": {}}]}).encode()

    with pytest.raises(OpenAPIError):
        judge.validate_request(_judged(update | {"body": numbers})[1])
    with pytest.raises(OpenAPIError):
        judge.validate_response(request, MockResponse(nameless, 200))
