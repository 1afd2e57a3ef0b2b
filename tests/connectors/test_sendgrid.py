"""SendGrid keeps every promise of a mailer."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from connectors.errors import Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Mail
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sendgrid import SendGrid, SendGridConfig, request_for
from connectors.testing import LookUpSuite, MailerSuite, Received
from tests.stage import Stage, built

VECTORS = Path(__file__).parents[3] / "shared/data/sendgrid/signed_webhook_vectors.json"
NOW = 1_795_000_000.0
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
Change = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


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
def mailer(service: Service) -> Iterator[SendGrid]:
    mailer = connected(service)
    yield mailer
    mailer.close()


def connected(service: Service, **changes: object) -> SendGrid:
    fields = {
        "api_key": service.sandbox.api_key,
        "origin": service.url,
        "webhook_public_key": service.sandbox.public_key,
    }
    return SendGrid(SendGridConfig.model_validate(fields | changes))


class SandboxPostbox:
    """The sandbox's inbox."""

    sender = "feedback@example.com"

    def __init__(self, sandbox: SendGridSandbox) -> None:
        self.sandbox = sandbox

    def received(self) -> Sequence[Received]:
        return [
            Received(
                to=[mail.to],
                to_name=mail.to_name,
                sender=mail.sender,
                sender_name=mail.sender_name,
                subject=mail.subject,
                text=mail.text,
                html=mail.html,
                headers=mail.headers,
                key=mail.custom_args["npsloop_key"],
            )
            for mail in self.sandbox.state.inbox
        ]

    def bad_address(self) -> str:
        return "ann.example.com"

    def break_down(self) -> None:
        self.sandbox.faults.add(Fault(kind=Kind.STATUS, status=503))

    def mend(self) -> None:
        self.sandbox.faults.clear()

    def lose_answer(self) -> None:
        self.sandbox.faults.add(Fault(kind=Kind.LOST, times=1))

    def hide(self) -> None:
        self.sandbox.state.may_read_logs = False


class TestSendGrid(MailerSuite, LookUpSuite):
    @pytest.fixture
    def mailer(self, mailer: SendGrid) -> SendGrid:
        return mailer

    @pytest.fixture
    def postbox(self, service: Service) -> SandboxPostbox:
        return SandboxPostbox(service.sandbox)


def mail(key: str = "m-1", **changes: object) -> Mail:
    fields: dict[str, Any] = {
        "key": key,
        "to": "ann@example.com",
        "sender": "feedback@example.com",
        "subject": "How likely?",
        "text": "0 to 10",
        "html": "<p>0 to 10</p>",
    }
    return Mail(**(fields | changes))


def failing(service: Service, mailer: SendGrid, **fault: object) -> Exception | None:
    service.sandbox.faults.add(Fault(**{"kind": Kind.STATUS, **fault}))
    try:
        return mailer.send([mail()])[0].error
    except Unauthorized as error:
        return error


@pytest.mark.parametrize(
    "status, family",
    [
        (302, Unavailable),
        (400, Refused),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Refused),
        (408, Doubtful),
        (413, Refused),
        (429, Unavailable),
        (500, Doubtful),
        (502, Doubtful),
        (503, Unavailable),
        (504, Doubtful),
    ],
)
def test_each_status_says_whether_the_mail_may_go_again(
    service: Service, mailer: SendGrid, status: int, family: type[Exception]
) -> None:
    assert type(failing(service, mailer, status=status)) is family


def test_a_mail_accepted_but_answered_with_500_is_in_doubt_and_goes_once(
    service: Service, mailer: SendGrid
) -> None:
    error = failing(service, mailer, kind=Kind.LIED, status=500)

    assert type(error) is Doubtful
    assert service.sandbox.state.counts()["accepted"] == 1


def test_a_cut_connection_is_in_doubt(service: Service, mailer: SendGrid) -> None:
    assert type(failing(service, mailer, kind=Kind.RESET)) is Doubtful


def test_nobody_there_is_no_doubt() -> None:
    mailer = SendGrid(SendGridConfig(api_key="SG.a.b", origin="http://127.0.0.1:9"))

    outcomes = mailer.send([mail(f"m-{n}") for n in range(20)])

    assert {type(outcome.error) for outcome in outcomes} == {Unavailable}


def test_a_429_stops_the_others_for_as_long_as_it_says(service: Service, mailer: SendGrid) -> None:
    error = failing(service, mailer, status=429, headers={"Retry-After": "70"}, times=1)
    [outcome] = mailer.send([mail("m-2")])

    assert error.retry_after_s == 70.0
    assert isinstance(outcome.error, Unavailable)
    assert outcome.error.retry_after_s == pytest.approx(70.0, abs=1.0)
    assert service.sandbox.state.inbox == []


def test_a_429_without_a_time_waits_until_the_limit_begins_anew(
    service: Service, mailer: SendGrid
) -> None:
    reset = str(int(time.time()) + 20)

    error = failing(service, mailer, status=429, headers={"X-RateLimit-Reset": reset})

    assert error.retry_after_s == pytest.approx(20.0, abs=2.0)


def test_a_refusal_has_the_providers_words_and_no_address(
    service: Service, mailer: SendGrid
) -> None:
    [outcome] = mailer.send([mail(to="ann@ex_ample.com")])

    told = str(outcome.error)
    assert "personalizations.0.to.0.email: Does not contain a valid address." in told
    assert "@" not in told


def test_a_refusal_that_repeats_the_address_loses_it(service: Service, mailer: SendGrid) -> None:
    body = b'{"errors": [{"message": "more than once: [ann@example.com]"}]}'

    error = failing(service, mailer, status=400, body=body)

    assert str(error) == "sendgrid: more than once: [[address]] (HTTP 400)"


def test_an_answer_that_is_no_json_is_told_without_it(service: Service, mailer: SendGrid) -> None:
    error = failing(service, mailer, status=400, body=b"<html>ann@example.com")

    assert str(error) == "sendgrid: it gave no reason (HTTP 400)"


def test_a_key_that_dies_halfway_does_not_hide_what_went(service: Service) -> None:
    mailer = connected(service, connections=1)
    service.sandbox.faults.add(Fault(kind=Kind.STATUS, status=401, share=0.5))

    outcomes = mailer.send([mail(f"m-{n}") for n in range(30)])

    went = [outcome for outcome in outcomes if outcome.error is None]
    assert len(went) == service.sandbox.state.counts()["accepted"] > 0
    assert {type(o.error) for o in outcomes if o.error} == {Unauthorized}


def test_connections_are_kept(service: Service) -> None:
    mailer = connected(service, connections=2)

    mailer.send([mail(f"m-{n}") for n in range(20)])

    pools = mailer._account._wire._pool.pools
    [pool] = [pools[key] for key in pools.keys()]  # noqa: SIM118 - it is no dictionary
    assert pool.num_requests == 20
    assert pool.num_connections <= 2


def test_a_request_is_as_short_as_it_may_be() -> None:
    request = orjson.loads(request_for(mail(to_name="", text="", html="<p>0</p>")))

    assert request["personalizations"] == [
        {
            "to": [{"email": "ann@example.com"}],
            "headers": {},
            "custom_args": {"npsloop_key": "m-1"},
        }
    ]
    assert request["content"] == [{"type": "text/html", "value": "<p>0</p>"}]
    assert "reply_to" not in request
    assert request["tracking_settings"]["click_tracking"] == {
        "enable": False,
        "enable_text": False,
    }


def test_a_reply_goes_to_the_owner(service: Service, mailer: SendGrid) -> None:
    mailer.send([mail(reply_to="olga@example.com")])

    [got] = service.sandbox.state.inbox
    assert got.reply_to == "olga@example.com"


def test_mail_of_the_eu_goes_to_the_eu() -> None:
    mailer = SendGrid(SendGridConfig(api_key="SG.a.b", region="eu"))

    assert mailer._account._client.host == "https://api.eu.sendgrid.com"


# Checks


def test_a_wrong_key_is_told_with_the_remedy(service: Service) -> None:
    [check] = connected(service, api_key="SG.wrong.key").checks()

    assert not check.passed
    assert "set api_key" in check.remedy


def test_no_key_is_told_without_a_call() -> None:
    [check] = SendGrid(SendGridConfig()).checks()

    assert (check.name, check.passed) == ("key", False)


def test_each_thing_that_is_missing_is_told(service: Service) -> None:
    state = service.sandbox.state
    state.api_keys[state.api_key] = ("whitelabel.read",)
    state.verified.clear()

    checks = {c.name: c for c in connected(service, webhook_public_key=()).checks()}

    passed = {name: check.passed for name, check in checks.items()}
    assert passed == {
        "key": True,
        "rights": False,
        "sender": False,
        "webhook key": False,
        "look-ups": True,
    }
    assert all(check.remedy for check in checks.values() if not check.passed)


def test_a_key_that_may_only_send_is_enough(service: Service) -> None:
    state = service.sandbox.state
    state.api_keys[state.api_key] = ("mail.send",)

    assert all(check.passed for check in connected(service).checks())


def test_another_webhook_key_than_the_providers_is_told(service: Service) -> None:
    service.sandbox.webhook = "http://127.0.0.1:9/hook"
    with SendGridSandbox() as other:
        checks = list(connected(service, webhook_public_key=other.public_key).checks())

    assert [check.passed for check in checks] == [True, True, True, False, True]


def test_an_outage_while_checking_is_told(service: Service, mailer: SendGrid) -> None:
    service.sandbox.faults.add(Fault(kind=Kind.STATUS, status=503, path="domains"))

    assert [check.passed for check in mailer.checks()] == [True, True, False, True, True]


@pytest.mark.parametrize(
    "fault,found",
    [(None, "are found in the Email Logs"), (403, "by events alone"), (500, "it failed")],
)
def test_the_doctor_tells_whether_mails_can_be_looked_up(
    service: Service, mailer: SendGrid, fault: int | None, found: str
) -> None:
    """A loop without that is no faulty one."""
    if fault is not None:
        service.sandbox.faults.add(Fault(kind=Kind.STATUS, status=fault, path="/v3/logs"))

    checks = {check.name: check for check in mailer.checks()}

    assert found in checks["look-ups"].found
    assert checks["look-ups"].passed
