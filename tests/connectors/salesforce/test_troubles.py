"""What can go wrong at Salesforce, told by what to do next and without anybody's data."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.errors import ConnectorError, Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Score
from connectors.salesforce import Salesforce
from connectors.salesforce import errors as told
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.salesforce import USERNAME, SalesforceSandbox
from tests.connectors.salesforce.world import SalesforceWorld, playing, speaking

SECRET_COMMENT = "my number is 555-0100"
HTML = b"<html><body><h1>Scheduled maintenance</h1></body></html>"
DATA = Path(__file__).parents[4] / "shared" / "data" / "api"


@pytest.fixture
def ann(world: SalesforceWorld) -> str:
    return world.add_contact(last_name="Able", email="ann@example.com")


def score(contact_id: str, comment: str = SECRET_COMMENT) -> Score:
    return Score(
        contact_id=contact_id,
        score=9,
        group="promoter",
        comment=comment,
        answered_at=datetime(2026, 11, 2, tzinfo=UTC),
        surveys=1,
        factor=100,
    )


def fault(
    world: SalesforceWorld, status: int, body: bytes, *, path: str = "", method: str = ""
) -> None:
    world.sandbox.faults.add(
        Fault(kind=Kind.STATUS, status=status, body=body, path=path, method=method)
    )


def body(code: str, message: str = SECRET_COMMENT) -> bytes:
    return json.dumps([{"errorCode": code, "message": message}]).encode()


def failure(do: Callable[[], object]) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        do()
    assert SECRET_COMMENT not in str(caught.value)
    return caught.value


# Requests that fail as a whole


@pytest.mark.parametrize(
    "status,content,error",
    [
        (200, HTML, Unavailable),
        (200, b'{"totalSize":1,"done":true,"records":[{"Id":"003', Unavailable),
        (200, b'{"done":true,"records":[{"Id":5}]}', Unavailable),
        (200, body("SERVER_UNAVAILABLE"), Unavailable),
        (200, body("INVALID_FIELD"), Unauthorized),
        (302, HTML, Unauthorized),
        (400, body("INVALID_QUERY_LOCATOR"), Unavailable),
        (400, body("INVALID_TYPE"), Unauthorized),
        (400, body("MALFORMED_QUERY"), Unauthorized),
        (403, body("REQUEST_LIMIT_EXCEEDED"), Unavailable),
        (403, body("API_DISABLED_FOR_ORG"), Unauthorized),
        (404, HTML, Unauthorized),
        (410, body("UNSUPPORTED_API_VERSION"), Unauthorized),
        (414, HTML, Unauthorized),
        (429, b"", Unavailable),
        (500, body("UNKNOWN_EXCEPTION"), Unavailable),
        (503, HTML, Unavailable),
    ],
)
def test_a_pull_that_fails_is_told_by_what_to_do(
    crm: Salesforce,
    world: SalesforceWorld,
    status: int,
    content: bytes,
    error: type[ConnectorError],
) -> None:
    fault(world, status, content, path="/query")

    assert type(failure(lambda: list(crm.contacts(None)))) is error


def test_a_spent_quota_waits_an_hour(crm: Salesforce, world: SalesforceWorld, ann: str) -> None:
    world.state.daily_max = 0

    for call in (lambda: list(crm.owners()), lambda: crm.write_scores([score(ann)])):
        error = failure(call)
        assert isinstance(error, Unavailable)
        assert error.retry_after_s == pytest.approx(3_600, abs=60)


@pytest.mark.parametrize(
    "content",
    [HTML, b'[{"id":"003', b"[]", b'{"hasErrors":true}', b'[{"success":true},{"success":true}]'],
)
def test_a_write_with_a_broken_answer_is_doubtful(
    crm: Salesforce, world: SalesforceWorld, ann: str, content: bytes
) -> None:
    fault(world, 200, content, method="PATCH")

    assert isinstance(failure(lambda: crm.write_scores([score(ann)])), Doubtful)


def test_a_write_refused_as_a_whole_says_so(
    crm: Salesforce, world: SalesforceWorld, ann: str
) -> None:
    fault(world, 400, body("JSON_PARSER_ERROR"), method="PATCH")

    refused = failure(lambda: crm.write_scores([score(ann), score(ann[:-1])]))

    assert isinstance(refused, Refused)
    assert SECRET_COMMENT not in str(refused)


def test_a_connection_cut_in_a_write_is_doubtful_and_may_be_repeated(
    crm: Salesforce, world: SalesforceWorld, ann: str
) -> None:
    world.lose_answer()

    assert isinstance(failure(lambda: crm.write_scores([score(ann)])), Doubtful)
    [again] = crm.write_scores([score(ann)])
    assert (again.error, world.score_on(ann)) == (None, 9)


def test_nobody_there_is_an_outage() -> None:
    with playing() as world:
        pass
    with speaking(world) as crm:
        assert isinstance(failure(lambda: list(crm.owners())), Unavailable)


# Records that fail alone


@pytest.mark.parametrize("code", sorted(told.RETRYABLE))
def test_what_passes_by_itself_is_tried_again(
    crm: Salesforce, world: SalesforceWorld, ann: str, code: str
) -> None:
    bob = world.add_contact(last_name="Berg")
    world.state.fail(code, SECRET_COMMENT, record_id=ann)

    first, second = crm.write_scores([score(ann), score(bob)])

    assert isinstance(first.error, Unavailable)
    assert second.error is None
    assert SECRET_COMMENT not in str(first.error)


@pytest.mark.parametrize(
    "code", ["FIELD_CUSTOM_VALIDATION_EXCEPTION", "ENTITY_IS_LOCKED", "SOMETHING_NEW"]
)
def test_what_never_passes_is_refused_with_a_remedy(
    crm: Salesforce, world: SalesforceWorld, ann: str, code: str
) -> None:
    world.state.fail(code, SECRET_COMMENT, record_id=ann)

    [outcome] = crm.write_scores([score(ann)])

    assert isinstance(outcome.error, Refused)
    assert outcome.error.code == code
    assert ": " in outcome.error.problem
    assert SECRET_COMMENT not in str(outcome.error)


def test_a_missing_field_is_named(crm: Salesforce, world: SalesforceWorld, ann: str) -> None:
    world.state.hide("Contact", "NPS_Factor__c")

    [outcome] = crm.write_scores([score(ann)])

    assert isinstance(outcome.error, Refused)
    assert "NPS_Factor__c" in outcome.error.problem


def test_nothing_of_anybody_is_logged(
    crm: Salesforce, world: SalesforceWorld, ann: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    list(crm.contacts(None))
    crm.write_scores([score(ann)])
    fault(world, 500, HTML)
    failure(lambda: crm.write_scores([score(ann)]))

    for secret in (SECRET_COMMENT, "ann@example.com", "SELECT", crm.org.session_id):
        assert secret not in caplog.text


# Logging in


def test_a_session_that_stays_dead_ends_after_one_login(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    crm.org.login()
    fault(world, 401, body("INVALID_SESSION_ID"), path="/services/data")

    assert isinstance(failure(lambda: list(crm.owners())), Unauthorized)
    assert world.state.requests["token"] == 2


@pytest.mark.parametrize("content", [HTML, b"{}", b""])
def test_a_401_without_a_code_is_a_dead_session_too(
    crm: Salesforce, world: SalesforceWorld, content: bytes
) -> None:
    fault(world, 401, content, path="/services/data")

    assert isinstance(failure(lambda: list(crm.owners())), Unauthorized)


@pytest.mark.parametrize(
    "status,content,error",
    [
        (200, HTML, Unavailable),
        (200, b"[]", Unavailable),
        (200, b"{}", Unavailable),
        (200, b'{"access_token": null, "instance_url": "https://x"}', Unavailable),
        (400, b'{"error":"invalid_grant","error_description":"x"}', Unauthorized),
        (400, b'{"error":"unknown_error","error_description":"retry your request"}', Unavailable),
        (400, b'{"error":"invalid_client"}', Unauthorized),
        (
            400,
            b'{"error_description":"user hasn\'t approved this consumer","error":"x"}',
            Unauthorized,
        ),
        (404, HTML, Unauthorized),
        (500, HTML, Unavailable),
        (503, b"", Unavailable),
    ],
)
def test_a_login_that_fails_is_told_by_what_to_do(
    crm: Salesforce,
    world: SalesforceWorld,
    status: int,
    content: bytes,
    error: type[ConnectorError],
) -> None:
    fault(world, status, content, path="/oauth2/token")

    assert type(failure(lambda: list(crm.owners()))) is error


def test_a_login_cut_off_is_an_outage(crm: Salesforce, world: SalesforceWorld) -> None:
    world.sandbox.faults.add(Fault(kind=Kind.RESET, path="/oauth2/token"))

    assert isinstance(failure(lambda: list(crm.owners())), Unavailable)


def test_a_signed_assertion_logs_in(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    file = tmp_path / "key.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    by_key = {"client_secret": "", "username": USERNAME, "private_key_file": str(file)}

    with playing(SalesforceSandbox(public_key=public.decode())) as world:
        with speaking(world, **by_key) as crm:
            assert len(list(crm.owners())) == 1
        file.write_text("no key at all")
        with speaking(world, **by_key) as crm:
            assert isinstance(failure(lambda: list(crm.owners())), Unauthorized)


def test_a_given_token_is_used_and_never_renewed(world: SalesforceWorld) -> None:
    given = {"my_domain": "", "client_id": "", "client_secret": ""}
    given |= {"instance_url": "https://acme.my.salesforce.com"}
    with speaking(world, **given, access_token=world.sandbox.session()) as crm:
        assert len(list(crm.owners())) == 1
        world.state.expire_sessions()
        assert isinstance(failure(lambda: list(crm.owners())), Unauthorized)
    assert world.state.requests["token"] == 0


# The share of the org's day


def test_no_more_than_our_share_of_the_orgs_day_is_used(world: SalesforceWorld, ann: str) -> None:
    """The org's other programs live on the rest."""
    world.state.daily_max = 40
    with speaking(world, api_share=0.25) as crm:
        while (shut := crm.shut()) is None:
            crm.write_scores([score(ann)])

        with pytest.raises(Unavailable, match=r"our share .25%. of the org's daily") as caught:
            crm.write_scores([score(ann)])

    assert world.state.api_used == 40 * 0.25 - 1  # one was for logging in
    assert "nothing goes out until" in shut.problem
    assert (caught.value.retry_after_s or 0) > 3_600


@pytest.mark.parametrize(
    "told,calls",
    [
        ("api-usage=18/5000", 1_000),
        ("per-app-api-usage=17/250(appName=npsloop); api-usage=18/5000", 1_000),
        ("api-usage=1/2", 1),
        ("", None),
        ("per-app-api-usage=17/250(appName=npsloop)", None),
    ],
)
def test_the_orgs_day_is_read_from_its_answers(
    crm: Salesforce, told: str, calls: int | None
) -> None:
    response = requests.Response()
    response.headers["Sforce-Limit-Info"] = told

    crm.org._note_usage(response)

    assert crm.org.day.calls == calls


def test_a_share_that_is_not_used_up_shuts_nothing(crm: Salesforce, ann: str) -> None:
    crm.write_scores([score(ann)])

    assert crm.shut() is None
