"""What SendGrid has signed is believed, whatever its shape; nothing else is."""

import base64
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.errors import Refused
from connectors.ports import MailEvent, MailEventKind
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sandbox.server import running
from connectors.sendgrid import SendGrid, SendGridConfig
from tests.sandbox.sendgrid_account import Receiver, request

VECTORS = Path(__file__).parents[3] / "shared/data/sendgrid/signed_webhook_vectors.json"
NOW = 1_795_000_000.0
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
Change = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


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


def test_the_sandboxs_events_are_believed() -> None:
    receiver = Receiver()
    with running(receiver) as url, SendGridSandbox(webhook=url) as sandbox:
        sandbox.state.accept(request("ann@example.com"))
        sandbox.state.accept(request("bounce@example.com"))
        assert sandbox.flush()
        reader = SendGrid(SendGridConfig(webhook_public_key=sandbox.public_key))

    events = [event for headers, body in receiver.posts for event in reader.events(headers, body)]
    happened = [(event.mail_key, event.kind, event.permanent) for event in events]
    assert set(happened) == {
        ("m-1", MailEventKind.PROCESSED, False),
        ("m-1", MailEventKind.DELIVERED, False),
        ("m-1", MailEventKind.BOUNCED, True),
    }
    assert len({event.id for event in events}) == 4


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


@settings(max_examples=60, deadline=None)
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
