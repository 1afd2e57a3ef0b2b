"""The rest of the played org: describe, changes, batches, quota, versions, and its pages."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import simple_salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceMalformedRequest

from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.salesforce import SalesforceSandbox
from connectors.sandbox.server import running
from connectors.transport import Wire, session

HOSTILE = "<script>alert(1)</script> O'Brien & \"Sons\" \u202e=cmd|' /C calc'!A0"


@pytest.fixture
def org() -> SalesforceSandbox:
    return SalesforceSandbox(seed=7)


@pytest.fixture
def url(org: SalesforceSandbox) -> Iterator[str]:
    with running(org.application) as address:
        yield address


@pytest.fixture
def sf(org: SalesforceSandbox, url: str) -> Iterator[simple_salesforce.Salesforce]:
    wire = Wire("salesforce", origin=url)
    yield simple_salesforce.Salesforce(
        session_id=org.session(), instance_url=url, session=session(wire), version="66.0"
    )
    wire.close()


def ask(url: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, Any, Any]:
    data = orjson.dumps(body) if body is not None else None
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def bearer(org: SalesforceSandbox) -> dict[str, str]:
    return {"Authorization": f"Bearer {org.session()}", "Content-Type": "application/json"}


# Describe


def test_describe_tells_type_length_and_rights(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    org.state.hide("Contact", "NPS_Factor__c")
    org.state.forbid("Contact", "NPS_Score__c")

    fields = {field["name"]: field for field in sf.Contact.describe()["fields"]}

    assert (fields["LastName"]["type"], fields["LastName"]["length"]) == ("string", 80)
    assert (fields["LastName"]["nillable"], fields["FirstName"]["nillable"]) == (False, True)
    assert fields["AccountId"]["referenceTo"] == ["Account"]
    assert next(it["value"] for it in fields["NPS_Group__c"]["picklistValues"]) == "promoter"
    assert (fields["NPS_Score__c"]["custom"], fields["NPS_Score__c"]["updateable"]) == (True, False)
    assert "NPS_Factor__c" not in fields
    with pytest.raises(SalesforceMalformedRequest):
        sf.query("SELECT NPS_Factor__c FROM Contact")


def test_the_key_of_a_task_is_an_external_id(sf: simple_salesforce.Salesforce) -> None:
    fields = {field["name"]: field for field in sf.Task.describe()["fields"]}

    assert fields["NPS_Key__c"]["externalId"]
    assert not fields["Subject"]["externalId"]


def test_an_org_without_our_fields_has_none(org: SalesforceSandbox) -> None:
    bare = SalesforceSandbox(prepared=False).state

    assert "NPS_Answer__c" not in bare.objects
    assert "NPS_Score__c" not in bare.objects["Contact"].fields
    assert "NPS_Answer__c" in org.state.objects


# Changes


def test_changed_and_deleted_records_are_listed(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    ann, bob, cat = (org.state.add("Contact", {"LastName": name}) for name in "ABC")
    org.state.delete("Contact", bob)
    org.state.merge("Contact", ann, [cat])
    now = datetime.now(UTC)
    span = (now - timedelta(hours=1), now + timedelta(minutes=5))

    updated = sf.Contact.updated(*span)
    deleted = sf.Contact.deleted(*span)

    assert updated["ids"] == [ann]
    assert [it["id"] for it in deleted["deletedRecords"]] == [bob, cat]
    assert org.state.get("Contact", cat)["MasterRecordId"] == ann
    assert deleted["latestDateCovered"].endswith(".000+0000")


def test_changes_of_long_ago_are_not_to_be_had(sf: simple_salesforce.Salesforce) -> None:
    now = datetime.now(UTC)

    with pytest.raises(SalesforceError) as caught:
        sf.Contact.updated(now - timedelta(days=31), now)

    assert caught.value.content[0]["errorCode"] == "INVALID_REPLICATION_DATE"


def test_what_hung_on_the_loser_hangs_on_the_winner(org: SalesforceSandbox) -> None:
    winner, loser = (org.state.add("Contact", {"LastName": name}) for name in "AB")
    task = org.state.add("Task", {"Subject": "call", "WhoId": loser})

    org.state.merge("Contact", winner, [loser])

    assert org.state.get("Task", task)["WhoId"] == winner


def test_a_deleted_account_takes_its_contacts_with_it(org: SalesforceSandbox) -> None:
    account = org.state.add("Account", {"Name": "Acme"})
    ann = org.state.add("Contact", {"LastName": "Able", "AccountId": account})

    org.state.delete("Account", account)

    assert org.state.get("Contact", ann)["IsDeleted"]


def test_a_finished_task_knows_when(org: SalesforceSandbox) -> None:
    task = org.state.add("Task", {"Subject": "call"})
    org.state.update("Task", task, {"Status": "Completed"})
    done = org.state.get("Task", task)
    org.state.update("Task", task, {"Status": "In Progress"})
    again = org.state.get("Task", task)

    assert (done["IsClosed"], again["IsClosed"]) == (True, False)
    assert done["CompletedDateTime"] is not None
    assert again["CompletedDateTime"] is None


# Batches


def test_201_records_are_too_many(sf: simple_salesforce.Salesforce) -> None:
    records = [{"attributes": {"type": "Contact"}, "LastName": "C"}] * 201

    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.restful("composite/sobjects", method="POST", json={"records": records})

    assert caught.value.content[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


def test_one_key_twice_in_a_batch_is_a_duplicate(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    record = {"attributes": {"type": "Task"}, "NPS_Key__c": "t-1", "Subject": "call"}
    body = {"records": [record, record]}

    results = sf.restful("composite/sobjects/Task/NPS_Key__c", method="PATCH", json=body)

    assert [it["success"] for it in results] == [True, False]
    assert results[1]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert len(org.state.all("Task")) == 1


def test_records_are_retrieved_in_the_order_asked(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    ann, bob = (org.state.add("Contact", {"LastName": name}) for name in "AB")
    body = {"ids": [bob, "003000000000000AAA", ann], "fields": ["LastName"]}

    found = sf.restful("composite/sobjects/Contact", method="POST", json=body)

    assert [it and it["LastName"] for it in found] == ["B", None, "A"]


def test_a_value_of_a_wrong_type_refuses_the_request(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    ann = org.state.add("Contact", {"LastName": "Able"})
    record = {"attributes": {"type": "Contact"}, "Id": ann, "NPS_Score__c": "nine"}

    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.restful("composite/sobjects", method="PATCH", json={"records": [record]})

    assert caught.value.content[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_a_duplicate_rule_gives_way_to_its_header(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    org.state.duplicates_block = True
    same = {"Email": "office@example.com"}
    ann, _ = (org.state.add("Contact", {"LastName": name, **same}) for name in "AB")
    allow = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}

    with pytest.raises(SalesforceError) as caught:
        sf.Contact.update(ann, {"Title": "Dr"})

    assert caught.value.content[0]["errorCode"] == "DUPLICATES_DETECTED"
    assert sf.Contact.update(ann, {"Title": "Dr"}, headers=allow) == 204


# Session, quota, versions, faults


def test_every_answer_tells_the_quota(org: SalesforceSandbox, url: str) -> None:
    org.state.daily_max = 2
    address = f"{url}/services/data/v66.0/limits"

    answers = [ask(address, **bearer(org)) for _ in range(3)]

    assert [status for status, _, _ in answers] == [200, 200, 403]
    assert answers[0][1]["Sforce-Limit-Info"] == "api-usage=1/2"
    assert orjson.loads(answers[1][2])["DailyApiRequests"] == {"Max": 2, "Remaining": 0}
    assert orjson.loads(answers[2][2])[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "version, status", [("66.0", 401), ("68.0", 404), ("25.0", 410), ("66", 404)]
)
def test_versions_come_and_go(url: str, version: str, status: int) -> None:
    found, _, body = ask(f"{url}/services/data/v{version}/limits")

    assert found == status
    assert orjson.loads(body)[0]["errorCode"]


def test_the_list_of_versions_is_open_to_all(url: str) -> None:
    _, _, body = ask(f"{url}/services/data/")

    assert orjson.loads(body)[-1]["version"] == "67.0"
    assert orjson.loads(body)[-1]["label"] == "Summer '26"


@pytest.mark.parametrize(
    "content_type, body, status",
    [
        ("text/plain", {"LastName": "Able"}, 415),
        ("application/json", ["Able"], 400),
        ("application/json", {"Nonsense": "Able"}, 400),
    ],
)
def test_a_bad_body_is_refused(
    org: SalesforceSandbox, url: str, content_type: str, body: object, status: int
) -> None:
    headers = bearer(org) | {"Content-Type": content_type}

    found, _, _ = ask(f"{url}/services/data/v66.0/sobjects/Contact", "POST", body, **headers)

    assert found == status
    assert org.state.all("Contact") == []


def test_an_unknown_resource_is_not_found(org: SalesforceSandbox, url: str) -> None:
    status, _, body = ask(f"{url}/services/data/v66.0/chatter/feeds", **bearer(org))

    assert (status, orjson.loads(body)[0]["errorCode"]) == (404, "NOT_FOUND")


def test_the_orgs_own_time_stands_in_every_answer() -> None:
    org = SalesforceSandbox(now=lambda: datetime(2026, 11, 2, 9, 30, tzinfo=UTC))
    with running(org.application) as url:
        org.faults.add(Fault(kind=Kind.STATUS, status=503, times=1))
        answers = [ask(url) for _ in range(2)]

    assert [status for status, _, _ in answers] == [503, 200]
    assert {headers["Date"] for _, headers, _ in answers} == {"Mon, 02 Nov 2026 09:30:00 GMT"}


def test_a_seed_repeats_the_ids() -> None:
    first, again, other = (
        SalesforceSandbox(seed).state.add("Contact", {"LastName": "Able"}) for seed in (1, 1, 2)
    )

    assert first == again != other


# State


@pytest.mark.parametrize(
    "fields",
    [
        {"FirstName": "Ann"},
        {"LastName": "Able", "Nonsense": 1},
        {"LastName": "x" * 81},
        {"LastName": "Able", "HasOptedOutOfEmail": "yes"},
    ],
)
def test_the_plain_way_in_is_strict_too(org: SalesforceSandbox, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Contact"):
        org.state.add("Contact", fields)


def test_old_sins_are_taken_as_they_are(org: SalesforceSandbox) -> None:
    left = org.state.add("User", {"LastName": "Left", "Email": "leo@example.com"})

    ann = org.state.add("Contact", {"LastName": "Able", "Email": "a@b&c", "OwnerId": left})

    assert org.state.get("Contact", ann)["Email"] == "a@b&c"


# Pages


def test_the_pages_show_any_text_harmless(org: SalesforceSandbox, url: str) -> None:
    state = org.state
    account = state.add("Account", {"Name": HOSTILE})
    ann = state.add(
        "Contact",
        {"LastName": HOSTILE, "AccountId": account, "NPS_Comment__c": HOSTILE}
        | {"NPS_Score__c": 9, "NPS_Group__c": "promoter"},
    )
    task = state.add("Task", {"Subject": HOSTILE, "WhoId": ann, "WhatId": account})
    state.add("Lead", {"LastName": HOSTILE, "Company": HOSTILE, "NPS_Promoter__c": ann})
    state.add("NPS_Answer__c", {"NPS_Contact__c": ann, "NPS_Comment__c": HOSTILE})
    paths = [
        "/",
        f"/lightning/r/Contact/{ann}/view",
        f"/lightning/r/Account/{account}/view",
        f"/lightning/r/Task/{task}/view",
        "/lightning/o/Task/list",
        "/lightning/o/Lead/list",
    ]

    answers = [ask(url + path) for path in paths]

    for status, headers, body in answers:
        assert status == 200
        assert b"<script" not in body
        assert b"&lt;script&gt;" in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
    assert b"Not Started" in answers[3][2]
    assert b'<dt title="NPS_Score__c">NPS Score</dt>' in answers[1][2]


def test_a_page_of_no_record_says_so(url: str) -> None:
    status, _, body = ask(f"{url}/lightning/r/Contact/003000000000000AAA/view")

    assert status == 404
    assert b"no such record" in body
