"""SendGrid keeps every promise of a mailer, and believes no event that it has not signed."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from connectors.errors import Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Mail, MailEvent, MailEventKind
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sandbox.server import running
from connectors.sendgrid import SendGrid, SendGridConfig, request_for
from connectors.testing import MailerSuite, Received

VECTORS = Path(__file__).parents[3] / "shared/data/sendgrid/signed_webhook_vectors.json"
NOW = 1_795_000_000.0
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
Change = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


class Service(NamedTuple):
    sandbox: SendGridSandbox
    url: str


@pytest.fixture
def service() -> Iterator[Service]:
    with SendGridSandbox() as sandbox, running(sandbox.application) as url:
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


class TestSendGrid(MailerSuite):
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
    error = failing(service, mailer, status=429, headers={"Retry-After": "7"}, times=1)
    [outcome] = mailer.send([mail("m-2")])

    assert error.retry_after_s == 7.0
    assert isinstance(outcome.error, Unavailable)
    assert outcome.error.retry_after_s == pytest.approx(7.0, abs=1.0)
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
    assert passed == {"key": True, "rights": False, "sender": False, "webhook key": False}
    assert all(check.remedy for check in checks.values() if not check.passed)


def test_a_key_that_may_only_send_is_enough(service: Service) -> None:
    state = service.sandbox.state
    state.api_keys[state.api_key] = ("mail.send",)

    assert all(check.passed for check in connected(service).checks())


def test_another_webhook_key_than_the_providers_is_told(service: Service) -> None:
    service.sandbox.webhook = "http://127.0.0.1:9/hook"
    with SendGridSandbox() as other:
        checks = list(connected(service, webhook_public_key=other.public_key).checks())

    assert [check.passed for check in checks] == [True, True, True, False]


def test_an_outage_while_checking_is_told(service: Service, mailer: SendGrid) -> None:
    service.sandbox.faults.add(Fault(kind=Kind.STATUS, status=503, path="domains"))

    assert [check.passed for check in mailer.checks()] == [True, True, False, True]


# Events


class Signer:
    """Somebody with a key of SendGrid's kind."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public = base64.b64encode(der).decode()

    def headers(self, body: bytes, at: float = NOW) -> dict[str, str]:
        signature = self.key.sign(str(int(at)).encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            SIGNATURE: base64.b64encode(signature).decode(),
            TIMESTAMP: str(int(at)),
        }


SIGNER = Signer()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> SendGrid:
    monkeypatch.setattr(time, "time", lambda: NOW)
    return SendGrid(SendGridConfig(webhook_public_key=[SIGNER.public]))


def read(reader: SendGrid, *events: object, **options: object) -> Sequence[MailEvent]:
    body = orjson.dumps(events) + b"\r\n"
    return reader.events(SIGNER.headers(body, **options), body)


def told(**changes: object) -> dict[str, Any]:
    event = {
        "email": "ann@example.com",
        "event": "delivered",
        "npsloop_key": "m-1",
        "sg_event_id": "ZXZlbnQ",
        "sg_message_id": "abc.recvd-1-0.0",
        "timestamp": int(NOW),
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def test_a_signed_event_is_believed(reader: SendGrid) -> None:
    [event] = read(reader, told())

    assert (event.mail_key, event.kind) == ("m-1", MailEventKind.DELIVERED)
    assert event.at.timestamp() == NOW


def test_the_sandboxs_events_are_believed(service: Service, mailer: SendGrid) -> None:
    posts: list[tuple[dict[str, str], bytes]] = []

    async def hook(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        posts.append(({k.decode(): v.decode() for k, v in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with running(hook) as url:
        service.sandbox.webhook = url
        mailer.send([mail("m-1"), mail("m-2", to="bounce@example.com")])
        assert service.sandbox.flush()

    events = [event for headers, body in posts for event in mailer.events(headers, body)]
    happened = {(event.mail_key, event.kind, event.permanent) for event in events}
    assert happened == {
        ("m-1", MailEventKind.PROCESSED, False),
        ("m-1", MailEventKind.DELIVERED, False),
        ("m-2", MailEventKind.PROCESSED, False),
        ("m-2", MailEventKind.BOUNCED, True),
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda headers, body: (headers, body.strip()),
        lambda headers, body: (headers, orjson.dumps(orjson.loads(body))),
        lambda headers, body: (headers, body.replace(b"m-1", b"m-2")),
        lambda _headers, body: ({}, body),
        lambda headers, body: ({**headers, SIGNATURE: "%%%"}, body),
        lambda headers, body: ({**headers, SIGNATURE: "AAAA"}, body),
        lambda headers, body: ({**headers, SIGNATURE: "ä"}, body),
        lambda headers, body: ({**headers, TIMESTAMP: ""}, body),
        lambda headers, body: ({**headers, TIMESTAMP: "٣٤"}, body),
        lambda headers, body: ({**headers, TIMESTAMP: "9" * 5000}, body),
        lambda _headers, body: (Signer().headers(body), body),
    ],
    ids=range(11),
)
def test_whatever_was_changed_after_signing_is_refused(reader: SendGrid, change: Change) -> None:
    body = orjson.dumps([told()]) + b"\r\n"
    headers, body = change(SIGNER.headers(body), body)

    with pytest.raises(Refused) as caught:
        reader.events(headers, body)

    assert caught.value.code == "SIGNATURE"


def test_without_a_key_nothing_is_believed() -> None:
    with pytest.raises(Refused, match="webhook_public_key"):
        read(SendGrid(SendGridConfig()), told())


@pytest.mark.parametrize("age_s", [601, -601])
def test_an_old_or_early_post_is_refused(reader: SendGrid, age_s: int) -> None:
    with pytest.raises(Refused) as caught:
        read(reader, told(), at=NOW - age_s)

    assert caught.value.code == "TIMESTAMP"


def test_two_keys_hold_while_they_change_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    reader = SendGrid(SendGridConfig(webhook_public_key=[Signer().public, SIGNER.public]))

    assert len(read(reader, told())) == 1


def test_what_is_no_key_is_told_by_the_configuration() -> None:
    with pytest.raises(ValueError, match="no verification key"):
        SendGridConfig(webhook_public_key=["MFkw"])


def test_copies_of_an_event_have_one_id_even_under_another_of_the_providers(
    reader: SendGrid,
) -> None:
    [first, again, other] = read(
        reader, told(), told(sg_event_id="b3RoZXI"), told(timestamp=int(NOW) - 1)
    )

    assert first.id == again.id != other.id


@pytest.mark.parametrize(
    "changes, kind, permanent",
    [
        ({"event": "bounce", "type": "bounce"}, "bounced", True),
        ({"event": "bounce", "type": "blocked", "status": "5.2.2"}, "bounced", False),
        ({"event": "bounce", "type": "bounce", "status": "4.4.1"}, "bounced", False),
        ({"event": "dropped", "reason": "Bounced Address"}, "dropped", True),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, "dropped", False),
        ({"event": "spamreport"}, "complained", False),
        ({"event": "unsubscribe"}, "unsubscribed", False),
        ({"event": "group_unsubscribe", "asm_group_id": 7}, "unsubscribed", False),
        ({"event": "open", "sg_machine_open": True}, "opened", False),
        ({"event": "click", "url": "https://x.example"}, "clicked", False),
        ({"event": "deferred", "attempt": "3"}, "deferred", False),
        ({"event": "processed", "category": ["a", "b"]}, "processed", False),
        ({"event": "processed", "category": "a", "pool": {"id": "1"}}, "processed", False),
        ({"event": "delivered", "timestamp": str(int(NOW))}, "delivered", False),
    ],
)
def test_each_kind_is_told_in_our_words(
    reader: SendGrid, changes: dict[str, object], kind: str, permanent: object
) -> None:
    [event] = read(reader, told(**changes))

    assert (event.kind, event.permanent) == (kind, permanent)


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "account_status_change"},
        {"event": None},
        {"event": ["delivered"]},
        {"npsloop_key": None},
        {"timestamp": None},
        {"timestamp": -1},
        {"timestamp": 10**15},
        {"timestamp": True},
    ],
)
def test_what_is_not_for_us_is_left_out(reader: SendGrid, changes: dict[str, Any]) -> None:
    [event] = read(reader, told(**changes), "text", None, told(npsloop_key="m-2"))

    assert event.mail_key == "m-2"


def test_a_reason_holds_no_address(reader: SendGrid) -> None:
    reason = "550 <ann@example.com>: no such user; see https://x.example"

    [event] = read(reader, told(event="bounce", reason=reason))

    assert event.reason == "550 <[address]>: no such user; see https://x.example"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("email", "event", "npsloop_key", "sg_event_id", "sg_message_id", "timestamp", "reason",
          "status", "type", "url", "attempt", "response")  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {},
    optional={name: JSON | st.sampled_from(["bounce", "dropped", "m-1", NOW]) for name in FIELDS},
)


POSTS = st.binary() | (JSON | st.lists(EVENTS | JSON)).map(json.dumps).map(str.encode)


@settings(max_examples=150, deadline=None)
@given(body=POSTS)
@example(body=b"[" * 100_000)
@example(body=b"\xff\xfe")
@example(body=b'[{"timestamp": 1e400}]')
@example(body=b'["\\ud800"]')
def test_a_signed_post_of_any_shape_is_read_or_refused(body: bytes) -> None:
    at = time.time()
    reader = SendGrid(SendGridConfig(webhook_public_key=[SIGNER.public]))

    try:
        events = reader.events(SIGNER.headers(body, at), body)
    except Refused:
        return

    assert all(isinstance(event, MailEvent) for event in events)


@settings(max_examples=150, deadline=None)
@given(
    body=st.binary(),
    headers=st.dictionaries(
        st.sampled_from(list(SIGNER.headers(b""))) | st.text(),
        st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()),
    ),
)
def test_an_unsigned_post_of_any_shape_is_refused(body: bytes, headers: dict[str, str]) -> None:
    reader = SendGrid(SendGridConfig(webhook_public_key=[SIGNER.public]))

    with pytest.raises(Refused):
        reader.events(headers, body)


@pytest.mark.skipif(not VECTORS.exists(), reason=f"the recorded posts are not at {VECTORS.name}")
def test_posts_recorded_at_the_provider_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for vector in json.loads(VECTORS.read_text()):
        monkeypatch.setattr(time, "time", lambda at=int(vector["timestamp"]): at + 5)
        reader = SendGrid(SendGridConfig(webhook_public_key=vector["public_key"]))
        headers = {
            SIGNATURE: vector["signature"],
            TIMESTAMP: vector["timestamp"],
        }
        body = vector["body"].encode()

        assert reader.events(headers, body) == []
        with pytest.raises(Refused):
            reader.events(headers, body.strip())
