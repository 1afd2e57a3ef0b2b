"""The org that is played is strict, and the real client library takes it for Salesforce."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import simple_salesforce
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceGeneralError,
    SalesforceMoreThanOneRecord,
)
from simple_salesforce.format import format_soql

from connectors.sandbox.salesforce import CLIENT_ID, CLIENT_SECRET, USERNAME, SalesforceSandbox
from connectors.sandbox.salesforce.ids import make, whole
from connectors.sandbox.server import running
from connectors.transport import Wire, session

HOSTILE = "O'Brien \\ \"x\" <script>alert(1)</script> %_ {{ x }} '; DELETE"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def org(key: rsa.RSAPrivateKey) -> SalesforceSandbox:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SalesforceSandbox(public_key=public.decode())


@pytest.fixture
def url(org: SalesforceSandbox) -> Iterator[str]:
    with running(org.application) as address:
        yield address


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    made = Wire("salesforce", origin=url)
    yield made
    made.close()


@pytest.fixture
def sf(wire: Wire) -> simple_salesforce.Salesforce:
    return simple_salesforce.Salesforce(
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
        domain="acme.my",
        session=session(wire),
        version="66.0",
    )


def private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def refused(sf: simple_salesforce.Salesforce, soql: str) -> tuple[int, str]:
    with pytest.raises(SalesforceError) as caught:
        sf.query(soql)
    return caught.value.status, caught.value.content[0]["errorCode"]


def saved(
    sf: simple_salesforce.Salesforce, *records: dict[str, object], all_or_none: bool = False
) -> list[str]:
    body = {"records": list(records), "allOrNone": all_or_none}
    results = sf.restful("composite/sobjects", method="PATCH", json=body) or []
    return [it["errors"][0]["statusCode"] if it["errors"] else "saved" for it in results]


def contact(**fields: object) -> dict[str, object]:
    return {"attributes": {"type": "Contact"}, **fields}


# Ids


@pytest.mark.parametrize(
    "real", ["003dM00001vWOXJQA4", "001dM00003jU9GyQAK", "500dM00003F2OMjQAN", "00T9H000000S01tUAC"]
)
def test_an_ids_suffix_is_the_vendors(real: str) -> None:
    assert whole(real[:15]) == real


def test_an_id_with_a_wrong_suffix_is_none() -> None:
    good = make("003", 123_456_789)

    assert whole(good) == good
    assert whole(good[:15]) == good
    assert whole(good[:15] + "ZZZ") is None
    assert whole("no id at all") is None


# Logging in


def test_a_signed_assertion_logs_in(wire: Wire, key: rsa.RSAPrivateKey) -> None:
    sf = simple_salesforce.Salesforce(
        username=USERNAME,
        consumer_key=CLIENT_ID,
        privatekey=private(key),
        session=session(wire),
        version="66.0",
    )

    assert sf.query("SELECT Id FROM User")["totalSize"] == 1


@pytest.mark.parametrize(
    "wrong", ["key", "iss", "aud", "exp", "sub"], ids=lambda wrong: f"wrong {wrong}"
)
def test_a_wrong_assertion_does_not(url: str, key: rsa.RSAPrivateKey, wrong: str) -> None:
    exp = (datetime.now(UTC) + timedelta(minutes=3)).timestamp()
    claims = {"iss": CLIENT_ID, "sub": USERNAME, "aud": "https://login.salesforce.com", "exp": exp}
    bad = {"iss": "x", "aud": "https://example.com", "exp": exp - 600, "sub": "eve@example.com"}
    claims |= {wrong: bad[wrong]} if wrong in bad else {}
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed = jwt.encode(claims, private(other if wrong == "key" else key), algorithm="RS256")
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    body = f"grant_type={grant}&assertion={signed}".encode()

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "/services/oauth2/token", body)

    assert caught.value.code == 400
    caught.value.close()


def test_a_wrong_secret_and_a_password_do_not_log_in(wire: Wire) -> None:
    known: dict[str, Any] = {"session": session(wire), "consumer_key": CLIENT_ID}

    with pytest.raises(SalesforceAuthenticationFailed):
        simple_salesforce.Salesforce(**known, consumer_secret="wrong", domain="acme.my")
    with pytest.raises(SalesforceAuthenticationFailed):
        simple_salesforce.Salesforce(
            **known, consumer_secret=CLIENT_SECRET, username=USERNAME, password="x"
        )


def test_a_dead_session_is_renewed_by_the_library(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    org.state.expire_sessions()

    assert sf.query("SELECT COUNT() FROM User")["totalSize"] == 1
    assert org.state.requests["token"] == 2


# Queries


def test_pages_are_followed_to_the_last(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    account = org.state.add("Account", {"Name": "Acme"})
    for number in range(450):
        org.state.add("Contact", {"LastName": f"C{number:03}", "AccountId": account})
    soql = "SELECT Name, Account.Name, Owner.IsActive FROM Contact ORDER BY Name DESC"

    rows = list(sf.query_all_iter(soql, headers={"Sforce-Query-Options": "batchSize=200"}))

    assert [row["Name"] for row in rows] == [f"C{number:03}" for number in reversed(range(450))]
    assert rows[0]["Account"]["Name"] == "Acme"
    assert rows[0]["Account"]["attributes"]["type"] == "Account"
    assert rows[0]["Owner"]["IsActive"] is True
    assert org.state.requests["query_more"] == 2


def test_any_name_is_found_by_its_quoted_self(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    for name in ("O'Brien", "D'Cruz", HOSTILE, "o'brien"):
        org.state.add("Contact", {"LastName": name})

    exact = sf.query(format_soql("SELECT Name FROM Contact WHERE LastName = {}", HOSTILE))
    folded = sf.query(format_soql("SELECT Name FROM Contact WHERE LastName = {}", "O'Brien"))
    like = sf.query(format_soql("SELECT Id FROM Contact WHERE Name LIKE '%{:like}%'", "%_"))

    assert exact["records"][0]["Name"] == HOSTILE
    assert folded["totalSize"] == 2
    assert like["totalSize"] == 1


@pytest.mark.parametrize(
    "where, found",
    [
        ("Amount > 10 AND Amount <= 20", 1),
        ("Amount = null", 1),
        ("Amount != null AND (StageName = 'Closed Won' OR IsWon = true)", 1),
        ("NOT Name IN ('one', 'TWO')", 1),
        ("Name NOT IN ('one') AND CloseDate >= 2026-01-02", 2),
        ("CloseDate = 2026-01-02 OR CloseDate < 2026-01-02", 2),
        ("CreatedDate > 2026-01-01T00:00:00+00:00", 3),
        ("CreatedDate >= LAST_N_DAYS:1", 3),
        ("Account.Name = 'Acme'", 1),
    ],
)
def test_conditions_compare_by_type(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce, where: str, found: int
) -> None:
    deal = {"StageName": "Qualification", "CloseDate": "2026-01-01"}
    account = org.state.add("Account", {"Name": "Acme"})
    org.state.add("Opportunity", {**deal, "Name": "one", "AccountId": account})
    org.state.add("Opportunity", {**deal, "Name": "two", "Amount": 20, "CloseDate": "2026-01-02"})
    won = {"Amount": 30, "StageName": "Closed Won", "CloseDate": "2026-01-03"}
    org.state.add("Opportunity", {**won, "Name": "three"})

    answer = sf.query(f"SELECT COUNT() FROM Opportunity WHERE {where}")

    assert answer == {"totalSize": found, "done": True, "records": []}


@pytest.mark.parametrize(
    "soql, code",
    [
        ("SELECT Idd FROM Contact", "INVALID_FIELD"),
        ("SELECT Acount.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contacts", "INVALID_TYPE"),
        ("SELECT Id, FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ('SELECT Id FROM Contact WHERE Name = "x"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Name = 'O'Brien'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id = null AND Name = 'a' OR Name = 'b'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE NPS_Comment__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact ORDER BY Name OFFSET 3000", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_a_bad_query_is_refused_in_the_vendors_words(
    sf: simple_salesforce.Salesforce, soql: str, code: str
) -> None:
    assert refused(sf, soql) == (400, code)


def test_an_address_that_is_too_long_is_refused(sf: simple_salesforce.Salesforce) -> None:
    with pytest.raises(SalesforceGeneralError) as caught:
        sf.query(f"SELECT Id FROM Contact WHERE Name = '{'x' * 17_000}'")

    assert caught.value.status == 414


def test_only_query_all_finds_the_deleted_and_the_archived(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    gone = org.state.add("Task", {"Subject": "gone"})
    org.state.add("Task", {"Subject": "old", "Status": "Completed", "IsArchived": True})
    org.state.delete("Task", gone)

    assert sf.query("SELECT Id FROM Task")["totalSize"] == 0
    assert sf.query("SELECT Id FROM Task", include_deleted=True)["totalSize"] == 2


def test_a_forgotten_cursor_is_told(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    with pytest.raises(SalesforceError) as caught:
        sf.query_more("01gdM0000001-200")

    assert caught.value.content[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


# Records


def test_a_record_is_created_changed_and_deleted(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    made = sf.Contact.create({"LastName": "Able", "Email": "ann@example.com"})
    sf.Contact.update(made["id"], {"FirstName": "Ann"})
    shown = sf.Contact.get(made["id"])
    sf.Contact.delete(made["id"])

    assert (made["success"], made["errors"]) == (True, [])
    assert (shown["Name"], shown["attributes"]["type"]) == ("Ann Able", "Contact")
    assert shown["SystemModstamp"].endswith(".000+0000")
    assert org.state.get("Contact", made["id"])["IsDeleted"]
    with pytest.raises(SalesforceError) as caught:
        sf.Contact.update(made["id"], {"FirstName": "Anna"})
    assert caught.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_an_external_id_creates_once(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    first = sf.Task.upsert("NPS_Key__c/t-1", {"Subject": "call"})
    again = sf.Task.upsert("NPS_Key__c/t-1", {"Subject": "call again"})
    [task] = org.state.all("Task")

    assert (first, again) == (201, 200)
    assert task["Subject"] == "call again"
    assert sf.Task.get_by_custom_id("NPS_Key__c", "t-1")["Id"] == task["Id"]


def test_an_address_shared_by_two_is_no_key(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    for name in ("Able", "Berg"):
        org.state.add("Contact", {"LastName": name, "Email": "office@example.com"})

    with pytest.raises(SalesforceMoreThanOneRecord):
        sf.Contact.upsert("Email/office@example.com", {"LastName": "Cole"})


BAD_RECORDS = [
    ({"Nonsense__c": 9}, "INVALID_FIELD"),
    ({"FirstName": "x" * 41}, "STRING_TOO_LONG"),
    ({"OwnerId": "{left}"}, "INACTIVE_OWNER_OR_USER"),
    ({"AccountId": make("001", 1)}, "INVALID_CROSS_REFERENCE_KEY"),
    ({"Id": "{gone}"}, "ENTITY_IS_DELETED"),
    ({"Id": "003"}, "MALFORMED_ID"),
    ({"Id": None}, "MISSING_ARGUMENT"),
    ({"NPS_Group__c": "neutral"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"LastName": None}, "REQUIRED_FIELD_MISSING"),
    ({"Title": "Dr"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ({"Email": "no address"}, "INVALID_EMAIL_ADDRESS"),
    ({"NPS_Score__c": 100}, "NUMBER_OUTSIDE_VALID_RANGE"),
]


def test_each_record_of_a_batch_has_its_own_result(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    ann, gone, bob = (org.state.add("Contact", {"LastName": name}) for name in "ABC")
    left = org.state.add("User", {"LastName": "Left", "Email": "leo@example.com"})
    org.state.delete("Contact", gone)
    org.state.forbid("Contact", "Title")
    ids = {"{left}": left, "{gone}": gone}
    bad = [
        contact(Id=ann) | {name: ids.get(str(value), value) for name, value in fields.items()}
        for fields, _ in BAD_RECORDS
    ]

    results = saved(sf, contact(Id=ann, NPS_Score__c=9), *bad, contact(Id=bob, NPS_Score__c=0))

    assert results == ["saved", *(code for _, code in BAD_RECORDS), "saved"]
    assert [org.state.get("Contact", it)["NPS_Score__c"] for it in (ann, bob)] == [9.0, 0.0]


def test_all_or_none_is_none_after_one_bad_record(
    org: SalesforceSandbox, sf: simple_salesforce.Salesforce
) -> None:
    ann = org.state.add("Contact", {"LastName": "Able"})

    results = saved(sf, contact(Id=ann, Title="Dr"), contact(Id="x"), all_or_none=True)

    assert results == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "MALFORMED_ID"]
    assert org.state.get("Contact", ann)["Title"] is None
