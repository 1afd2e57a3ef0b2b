"""Whatever HubSpot or the way to it does wrong, the connector tells what to do next."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, Doubtful, Refused, Unauthorized, Unavailable
from connectors.hubspot import HubSpot
from connectors.hubspot.told import error_of, error_of_item, existing_id, ids_of
from connectors.sandbox.faults import Fault, Kind
from connectors.testing.writing import AT, history, lead, score, task
from tests.connectors.hubspot.world import HubSpotWorld

SHARED = Path(__file__).parents[4] / "shared" / "data" / "api"
RECORDED = ("hubspot_v1_2014_2019_cassettes.jsonl", "nango_hubspot_recordings.jsonl")
HTML = b"<html><body>Sorry, <b>ann@example.com</b></body></html>"
BODIES = (b"", HTML, b'{"results": [{"id"', b"[]", b"\xff\xfe", b'"text"', b"[" * 100_000)


CALLS: list[Callable[[HubSpot], object]] = [
    lambda crm: list(crm.owners()),
    lambda crm: list(crm.accounts(None)),
    lambda crm: list(crm.contacts(None)),
    lambda crm: list(crm.contacts(AT.isoformat())),
    lambda crm: list(crm.triggers(None)),
    lambda crm: crm.write_scores([score("1")]),
    lambda crm: crm.keep([history("h-1", "1")]),
    lambda crm: crm.put_tasks([task("t-1", "1", "1")]),
    lambda crm: crm.task_states(["1"]),
    lambda crm: crm.add_leads([lead("l-1", "1")]),
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("status", [200, 400, 503])
def test_any_body_is_told_as_our_own_error(
    crm: HubSpot, world: HubSpotWorld, status: int, body: bytes
) -> None:
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=status, body=body))

    told = [failure(crm, call) for call in CALLS]

    assert "example.com" not in " ".join(str(error) for error in told)


@pytest.mark.parametrize(
    "status, error",
    [
        (302, Refused),
        (400, Refused),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Refused),
        (405, Refused),
        (409, Refused),
        (414, Refused),
        (423, Unavailable),
        (477, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (504, Unavailable),
        (524, Unavailable),
    ],
)
def test_a_status_says_what_to_do(
    crm: HubSpot, world: HubSpotWorld, status: int, error: type[ConnectorError]
) -> None:
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=status, body=HTML))

    with pytest.raises(error):
        list(crm.contacts(None))


def test_a_short_limit_is_waited_for(crm: HubSpot, world: HubSpotWorld) -> None:
    body = json.dumps({"policyName": "SECONDLY"}).encode()
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=429, body=body, times=1))
    ann = world.add_contact(email="ann@example.com")

    [outcome] = crm.write_scores([score(ann)])

    assert outcome.error is None


@pytest.mark.parametrize(
    "policy,path,waits",
    [
        ("SECONDLY", "/search", (False, True)),
        ("TEN_SECONDLY_ROLLING", "/search", (True, False)),
        ("TEN_SECONDLY_ROLLING", "", (True, False)),
    ],
)
def test_what_a_429_is_about_waits_and_nothing_else(
    crm: HubSpot, world: HubSpotWorld, policy: str, path: str, waits: tuple[bool, bool]
) -> None:
    """For all processes, as their keeper is told."""
    body = json.dumps({"policyName": policy}).encode()
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=429, body=body, path=path))
    for budget in crm.budgets:
        budget.patience_s = 0.0

    with pytest.raises(Unavailable):
        list(crm.triggers(None) if path else crm.owners())

    assert tuple(budget.shut("hubspot") is not None for budget in crm.budgets) == waits


def test_a_limit_that_stays_is_told(crm: HubSpot, world: HubSpotWorld) -> None:
    world.state.limits.search.calls = 0

    with pytest.raises(Unavailable, match="SECONDLY") as told:
        list(crm.triggers(None))

    assert told.value.retry_after_s == 1
    assert world.state.requests["search"] == 3


def test_doctor_tells_what_cannot_be_read(crm: HubSpot, world: HubSpotWorld) -> None:
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=503, path="/crm/"))

    failed = [check for check in crm.checks() if not check.passed]

    names = ["properties of contacts", "properties of companies", "owners"]
    assert [check.name for check in failed] == names
    assert all("reached" in check.remedy for check in failed)


def test_a_link_that_cannot_be_made_is_empty(crm: HubSpot, world: HubSpotWorld) -> None:
    world.break_down()

    assert crm.link("contact", "7") == ""


def test_a_day_that_is_spent_parks_everything(crm: HubSpot, world: HubSpotWorld) -> None:
    world.state.limits.day.calls = 0

    began = time.monotonic()
    with pytest.raises(Unavailable) as told:
        list(crm.owners())
    world.state.limits.day.calls = 1000
    with pytest.raises(Unavailable, match="asked us to wait") as still:
        crm.write_scores([score("1")])

    assert time.monotonic() - began < 1
    assert told.value.retry_after_s == 3600
    assert (still.value.retry_after_s or 0) > 3500


@pytest.mark.parametrize(
    "policy, header, wait_s",
    [
        ("SECONDLY", "", 1),
        ("TEN_SECONDLY_ROLLING", "", 10),
        ("DAILY", "", 3600),
        ("DAILY", "7200000", 7200),
        ("", "20", 20),
        ("SECONDLY", "3000", 3),
    ],
)
def test_the_wait_is_read_from_policy_and_header(policy: str, header: str, wait_s: float) -> None:
    error = error_of(429, {"Retry-After": header}, json.dumps({"policyName": policy}).encode())

    assert isinstance(error, Unavailable)
    assert error.retry_after_s == wait_s


def test_a_missing_scope_is_named(crm: HubSpot, world: HubSpotWorld) -> None:
    told = {
        "category": "MISSING_SCOPES",
        "message": "This app hasn't been granted all required scopes",
        "errors": [
            {
                "message": "One or more scopes are missing",
                "context": {"requiredGranularScopes": ["crm.objects.owners.read"]},
            }
        ],
    }
    body = json.dumps(told).encode()
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=403, body=body))

    with pytest.raises(Unauthorized, match=r"crm\.objects\.owners\.read"):
        list(crm.owners())
    assert [check.passed for check in crm.checks()] == [False]


def test_a_lost_answer_leaves_a_doubt_only_where_something_was_written(
    crm: HubSpot, world: HubSpotWorld
) -> None:
    ann = world.add_contact(email="ann@example.com")
    world.sandbox.faults.add(Fault(kind=Kind.RESET))

    with pytest.raises(Doubtful):
        crm.write_scores([score(ann)])
    for read in (lambda: list(crm.contacts(AT.isoformat())), lambda: crm.task_states(["1"])):
        with pytest.raises(Unavailable):
            read()


def test_a_doubtful_lead_is_found_again(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")
    world.lose_answer()

    with pytest.raises(Doubtful):
        crm.add_leads([lead("l-1", ann)])
    [again] = crm.add_leads([lead("l-1", ann)])

    [there] = world.leads()
    assert (again.error, there["last_name"]) == (None, "Friend")
    assert len(world.answer_texts(again.remote_id)) == 1


def test_no_error_holds_an_address_a_comment_or_the_token(
    crm: HubSpot, world: HubSpotWorld
) -> None:
    [bad] = crm.add_leads([lead("l-1", "1", email="no address@example.com")])
    world.state.token = "another"
    with pytest.raises(Unauthorized) as told:
        crm.write_scores([score("1", comment="Simply good.")])

    for words in (str(bad.error), str(told.value), repr(crm.config)):
        assert "example.com" not in words
        assert "Simply good" not in words
        assert "a-token" not in words


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"category": None, "errors": None, "context": None},
        {"category": 7, "errors": [7, {"code": 7, "context": []}], "context": {"ids": 7}},
        {"message": ["x"], "errors": {"code": "x"}, "context": "x"},
    ],
)
def test_every_field_of_an_error_is_optional(told: dict[str, Any]) -> None:
    assert isinstance(error_of_item(told), Refused)
    assert isinstance(error_of(400, {}, json.dumps(told).encode()), Refused)
    assert (ids_of(told), existing_id(told)) == ([], "")


def test_an_input_that_could_go_later_is_not_refused() -> None:
    assert isinstance(error_of_item({"category": "RATE_LIMITS"}), Unavailable)


def test_an_existing_contact_is_found_in_context_or_text() -> None:
    text = {"message": "Contact already exists. Existing ID: 37765128953"}

    assert existing_id(text) == "37765128953"
    assert existing_id(text | {"context": {"existingId": ["42"]}}) == "42"


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answers_are_read_or_told_as_our_own_error(
    crm: HubSpot, world: HubSpotWorld, name: str
) -> None:
    if not (SHARED / name).is_file():
        pytest.skip(f"the recordings are not at {SHARED}")
    for line in (SHARED / name).read_text("utf-8").splitlines():
        recorded = json.loads(line)
        answered_with(world, recorded)

        told = [failure(crm, call) for call in (CALLS[2], CALLS[5])]

        assert not [error for error in told if isinstance(error, Doubtful)]


def test_a_recorded_page_of_contacts_is_read(crm: HubSpot, world: HubSpotWorld) -> None:
    if not (SHARED / RECORDED[1]).is_file():
        pytest.skip(f"the recordings are not at {SHARED}")
    lines = map(json.loads, (SHARED / RECORDED[1]).read_text("utf-8").splitlines())
    pages = [line for line in lines if line["path"].startswith("/crm/v3/objects/contacts")]
    recorded = next(page for page in pages if "results" in page["response"])
    answered_with(world, recorded)

    page = next(crm.contacts(None))

    told = [(row["id"], row["properties"]["email"]) for row in recorded["response"]["results"]]
    assert [(contact.id, contact.email) for contact in page.records] == told != []


def answered_with(world: HubSpotWorld, recorded: dict[str, Any]) -> None:
    """Let the sandbox answer everything as HubSpot answered once."""
    body = recorded["body"] if "body" in recorded else json.dumps(recorded["response"])
    sent = b"" if recorded["status"] == 204 else str(body).encode()
    world.sandbox.faults.clear()
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=recorded["status"], body=sent))


def failure(crm: HubSpot, call: Callable[[HubSpot], object]) -> ConnectorError | None:
    """Return how a call failed, if it did; anything but our own error goes on its way."""
    try:
        call(crm)
    except ConnectorError as error:
        return error
    return None


def test_pages_that_go_round_in_circles_end(crm: HubSpot, world: HubSpotWorld) -> None:
    rows = [{"id": str(n), "properties": {"lastmodifieddate": "2026-11-03"}} for n in range(2)]
    body = json.dumps({"results": rows, "total": 9, "paging": {"next": {"after": "7"}}}).encode()
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=200, body=body))

    for call in (*CALLS[:1], *CALLS[2:4]):
        assert isinstance(failure(crm, call), Unavailable)
