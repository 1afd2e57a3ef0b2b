"""The sandbox is as strict as HubSpot, seen through HubSpot's own client, unmodified."""

import json
import threading
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from connectors.sandbox.hubspot import HubSpotSandbox, Problem
from connectors.sandbox.server import running
from tests.sandbox.hubspot.client import CONTACTS, Client, Clock


def test_a_record_is_created_read_changed_and_archived(client: Client, clock: Clock) -> None:
    made = client(
        "POST", CONTACTS, {"properties": {"email": "Ann@Example.com"}, "associations": []}
    )
    clock.moves(60)
    path = f"{CONTACTS}/{made['id']}"
    client("PATCH", path, {"properties": {"nps_score": "9", "nps_comment": "<b>good</b>"}})
    read = client("GET", path, properties="nps_score,nps_comment,jobtitle")
    client("DELETE", path)

    assert made["properties"]["email"] == "ann@example.com"
    assert read["properties"] | {"jobtitle": None, "nps_score": "9"} == read["properties"]
    assert read["properties"]["nps_comment"] == "<b>good</b>"
    assert (read["createdAt"], read["updatedAt"]) == (
        "2026-11-02T09:30:00.000Z",
        "2026-11-02T09:31:00.000Z",
    )
    assert client.status("GET", path)[0] == 404
    assert client("GET", CONTACTS, archived="true")["results"][0]["archivedAt"] == read["updatedAt"]


def test_a_list_goes_on_where_it_ended(client: Client, sandbox: HubSpotSandbox) -> None:
    there = [sandbox.state.add("contacts", {"lastname": f"C{n}"}) for n in range(230)]

    first = client("GET", CONTACTS, limit="100")
    second = client("GET", CONTACTS, limit="100", after=first["paging"]["next"]["after"])
    third = client("GET", CONTACTS, limit="100", after=second["paging"]["next"]["after"])

    seen = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert seen == there
    assert "paging" not in third
    assert client.status("GET", CONTACTS, limit="101")[0] == 400


def test_the_first_company_is_the_primary_one(client: Client, sandbox: HubSpotSandbox) -> None:
    acme = sandbox.state.add("companies", {"name": "Acme"})
    other = sandbox.state.add("companies", {"name": "Other"})
    ann = sandbox.state.add("contacts", {"lastname": "Able"}, [("companies", acme)])
    sandbox.state.associate("contacts", ann, "companies", other)

    shown = client("GET", f"{CONTACTS}/{ann}", associations="companies")
    read = client(
        "POST",
        "/crm/associations/2026-09/contacts/companies/batch/read",
        {"inputs": [{"id": ann}, {"id": "1"}]},
    )

    assert shown["associations"]["companies"]["results"] == [
        {"id": acme, "type": "contact_to_company"},
        {"id": acme, "type": "contact_to_company_unlabeled"},
        {"id": other, "type": "contact_to_company_unlabeled"},
    ]
    kinds = {
        to["toObjectId"]: [kind["typeId"] for kind in to["associationTypes"]]
        for to in read["results"][0]["to"]
    }
    assert kinds == {acme: [1, 279], other: [279]}
    assert read["errors"][0]["context"]["ids"] == ["1"]


@pytest.mark.parametrize(
    "name, value, code",
    [
        ("nps_scoer", "9", "PROPERTY_DOESNT_EXIST"),
        ("nps_score", "nine", "INVALID_DOUBLE"),
        ("nps_group", "fan", "INVALID_OPTION"),
        ("nps_answered_at", "yesterday", "INVALID_LONG"),
        ("birthday", "1 May", "INVALID_DATE"),
        ("birthday", "1777593600001", "INVALID_DATE"),
        ("email", "no address", "INVALID_EMAIL"),
        ("hubspot_owner_id", "70099", "INVALID_OPTION"),
        ("lastmodifieddate", "2026-01-01", "READ_ONLY_VALUE"),
        ("nps_comment", "x" * 65_537, "INVALID_STRING_LENGTH"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    client: Client, ann: str, name: str, value: str, code: str
) -> None:
    status, told = client.status("PATCH", f"{CONTACTS}/{ann}", {"properties": {name: value}})

    assert (status, told["category"]) == (400, "VALIDATION_ERROR")
    assert told["errors"][0]["code"] == code
    assert told["errors"][0]["context"] == {"propertyName": [name]}
    assert json.loads(told["message"].partition(": ")[2])[0]["error"] == code


def test_dates_come_as_days_or_midnights(client: Client, ann: str) -> None:
    path = f"{CONTACTS}/{ann}"

    shown = [
        client("PATCH", path, {"properties": {"birthday": told}})["properties"]["birthday"]
        for told in ("2026-05-01", "1777593600000", "")
    ]

    assert shown == ["2026-05-01", "2026-05-01", ""]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"inputs": []},
        {"inputs": [7]},
        {"inputs": [{"id": 7, "properties": {}}]},
        {"inputs": [{"id": "10000000001", "properties": []}]},
        {"inputs": [{"id": n, "properties": {}, "objectWriteTraceId": "a"} for n in "12"]},
    ],
    ids=range(7),
)
def test_a_body_of_another_shape_is_refused(client: Client, ann: str, body: object) -> None:
    assert client.status("POST", f"{CONTACTS}/batch/update", body)[0] == 400


def test_associations_can_be_added_later(client: Client, sandbox: HubSpotSandbox, ann: str) -> None:
    acme, other = (sandbox.state.add("companies", {"name": name}) for name in ("Acme", "Other"))
    one = f"{CONTACTS}/{ann}/associations/default/companies/{acme}"
    many = "/crm/associations/2026-09/contacts/companies/batch/associate/default"

    client("PUT", one)
    told = client("POST", many, {"inputs": [{"from": {"id": ann}, "to": {"id": other}}]})

    joined = sandbox.state.associated("contacts", ann, "companies")
    assert [company.id for company in joined] == [acme, other]
    assert told["results"][0]["associationSpec"]["associationTypeId"] == 279


def test_records_can_be_merged_and_archived_over_the_api(
    client: Client, sandbox: HubSpotSandbox, ann: str
) -> None:
    bob = sandbox.state.add("contacts", {"lastname": "Berg"})
    pair = {"primaryObjectId": ann, "objectIdToMerge": bob}

    merged = client("POST", f"{CONTACTS}/merge", pair)
    client("POST", f"{CONTACTS}/batch/archive", {"inputs": [{"id": ann}, {"id": "1"}]})
    asked = {"inputs": [{"id": ann}], "properties": [], "propertiesWithHistory": []}
    archived = client("POST", f"{CONTACTS}/batch/read?archived=true", asked)

    assert merged["properties"]["hs_merged_object_ids"] == bob
    assert [row["id"] for row in archived["results"]] == [ann]


def test_a_record_is_read_by_its_address(client: Client, ann: str) -> None:
    path = f"{CONTACTS}/ann@example.com"

    assert client("GET", path, idProperty="email")["id"] == ann
    assert client.status("GET", f"{CONTACTS}/bob@example.com", idProperty="email")[0] == 404
    assert client.status("GET", path, idProperty="lastname")[0] == 400


def test_where_no_api_is_there_is_html_or_nothing(url: str) -> None:
    with pytest.raises(HTTPError) as missing:
        urlopen(f"{url}/contacts/v1/contact")
    with pytest.raises(HTTPError) as wrong:
        urlopen(f"{url}/tasks", data=b"")

    assert missing.value.read().startswith(b"<html>")
    assert (wrong.value.code, wrong.value.read()) == (405, b"")


def test_values_are_texts(client: Client, ann: str) -> None:
    assert client.status("PATCH", f"{CONTACTS}/{ann}", {"properties": {"nps_score": 9}})[0] == 400


def test_an_address_is_taken_once(client: Client, ann: str) -> None:
    body = {"properties": {"email": "ann@example.com"}, "associations": []}

    status, told = client.status("POST", CONTACTS, body)

    assert (status, told["category"]) == (409, "CONFLICT")
    assert told["message"] == f"Contact already exists. Existing ID: {ann}"
    assert ann not in json.dumps({name: told[name] for name in told if name != "message"})


def test_one_bad_input_fails_a_batch_without_trace_ids(
    client: Client, sandbox: HubSpotSandbox, ann: str
) -> None:
    bob = sandbox.state.add("contacts", {"lastname": "Berg"})
    inputs = [
        {"id": ann, "properties": {"nps_score": "9"}},
        {"id": bob, "properties": {"nps_score": "nine"}},
    ]

    status, _ = client.status("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})

    assert status == 400
    assert "nps_score" not in sandbox.state.get("contacts", ann).properties


def test_with_trace_ids_the_others_go_on(client: Client, sandbox: HubSpotSandbox, ann: str) -> None:
    inputs = [
        {"id": ann, "properties": {"nps_score": "9"}, "objectWriteTraceId": "a"},
        {"id": "1", "properties": {"nps_score": "9"}, "objectWriteTraceId": "b"},
    ]

    told = client("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})

    assert [row["objectWriteTraceId"] for row in told["results"]] == ["a"]
    assert told["numErrors"] == 1
    assert told["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert told["errors"][0]["context"]["objectWriteTraceId"] == ["b"]
    assert sandbox.state.get("contacts", ann).properties["nps_score"] == "9"


def test_a_batch_takes_a_hundred_and_names_nobody_twice(client: Client, ann: str) -> None:
    one = {"id": ann, "properties": {"nps_score": "9"}}
    many = [{"id": str(n), "properties": {}} for n in range(101)]

    assert client.status("POST", f"{CONTACTS}/batch/update", {"inputs": many})[0] == 400
    assert client.status("POST", f"{CONTACTS}/batch/update", {"inputs": [one, one]})[0] == 400


def test_an_upsert_finds_by_address(client: Client, ann: str) -> None:
    inputs = [
        {"id": address, "idProperty": "email", "properties": {"lastname": "New"}}
        for address in ("ann@example.com", "bob@example.com")
    ]

    told = client("POST", f"{CONTACTS}/batch/upsert", {"inputs": inputs})

    assert [row["new"] for row in told["results"]] == [False, True]
    assert told["results"][0]["id"] == ann


def test_a_task_needs_its_time_and_a_contact_that_is_there(client: Client, ann: str) -> None:
    path, own = "/crm/objects/2026-09/tasks", {"hs_task_subject": "Call"}
    kinds = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}]
    to_ann = [{"to": {"id": ann}, "types": kinds}]
    to_nobody = [{"to": {"id": "1"}, "types": kinds}]
    timed = own | {"hs_timestamp": "2026-11-04T12:00:00Z", "hs_task_status": "COMPLETED"}

    made = client("POST", path, {"properties": timed, "associations": to_ann})

    assert made["properties"]["hs_task_completion_date"] == "2026-11-02T09:30:00.000Z"
    assert client.status("POST", path, {"properties": own, "associations": to_ann})[0] == 400
    assert client.status("POST", path, {"properties": timed, "associations": to_nobody})[0] == 400


def test_the_winner_of_a_merge_names_the_loser(
    client: Client, sandbox: HubSpotSandbox, ann: str
) -> None:
    bob = sandbox.state.add("contacts", {"email": "bob@example.com", "phone": "1"})
    note = sandbox.state.add("notes", {"hs_note_body": "Hello"}, [("contacts", bob)])

    sandbox.state.merge("contacts", ann, bob)

    read = client("GET", f"{CONTACTS}/{ann}", properties="hs_merged_object_ids,phone,email")
    assert read["properties"]["hs_merged_object_ids"] == bob
    assert (read["properties"]["phone"], read["properties"]["email"]) == ("1", "ann@example.com")
    assert [each.id for each in sandbox.state.associated("contacts", ann, "notes")] == [note]
    assert client.status("GET", f"{CONTACTS}/{bob}")[0] == 404
    with pytest.raises(Problem, match=ann):
        sandbox.state.add("contacts", {"email": "bob@example.com"})


def test_owners_who_left_are_listed_apart(client: Client, sandbox: HubSpotSandbox) -> None:
    here = sandbox.state.add_owner("Olga", "Owner", "olga@example.com")
    left = sandbox.state.add_owner("Leo", "Left", "leo@example.com", active=False)

    active = client("GET", "/crm/owners/2026-09")["results"]
    archived = client("GET", "/crm/owners/2026-09", archived="true")["results"]

    assert [owner["id"] for owner in active] == [here]
    assert active[0]["userId"] != int(here)
    assert [owner["id"] for owner in archived] == [left]
    assert client("GET", f"/crm/owners/2026-09/{here}")["lastName"] == "Owner"


def test_a_property_can_be_added_once() -> None:
    sandbox = HubSpotSandbox(prepared=False)
    new = {
        "name": "nps_score",
        "label": "NPS",
        "type": "number",
        "fieldType": "number",
        "groupName": "contactinformation",
    }
    path = "/crm/properties/2026-09/contacts"
    with running(sandbox.application) as url:
        client = Client(url)

        before = client.status("GET", f"{path}/nps_score")[0]
        client("POST", path, new)

        assert before == 404
        assert client("GET", f"{path}/nps_score")["type"] == "number"
        assert "nps_score" in [each["name"] for each in client("GET", path)["results"]]
        assert client.status("POST", path, new)[0] == 409


def test_who_has_no_token_gets_nothing(url: str, sandbox: HubSpotSandbox) -> None:
    sandbox.state.token = "another"

    status, told = Client(url).status("GET", CONTACTS)

    assert (status, told["category"]) == (401, "INVALID_AUTHENTICATION")


def test_too_many_calls_are_refused(client: Client, sandbox: HubSpotSandbox) -> None:
    sandbox.state.limits.rate.calls = 2
    client("GET", CONTACTS)
    headers = client.api.last_response.headers
    client("GET", CONTACTS)

    status, told = client.status("GET", CONTACTS)

    assert headers["X-HubSpot-RateLimit-Remaining"] == "1"
    assert (status, told["errorType"]) == (429, "RATE_LIMIT")
    assert told["policyName"] == "TEN_SECONDLY_ROLLING"


def test_an_unknown_type_has_no_category(client: Client) -> None:
    status, told = client.status("GET", "/crm/objects/2026-09/butterflies")

    assert (status, told["message"]) == (400, "Unable to infer object type from: butterflies")
    assert "category" not in told


def test_requests_are_counted_by_kind(client: Client, sandbox: HubSpotSandbox) -> None:
    client("GET", CONTACTS)
    client("GET", CONTACTS)

    assert sandbox.state.requests == {"list": 2}


def test_many_threads_may_fill_it(sandbox: HubSpotSandbox) -> None:
    def fill(who: int) -> None:
        for n in range(50):
            sandbox.state.add("contacts", {"email": f"c{who}-{n}@example.com"})

    threads = [threading.Thread(target=fill, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({record.id for record in sandbox.state.all("contacts")}) == 400
