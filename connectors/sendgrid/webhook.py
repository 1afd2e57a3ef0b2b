"""Reads posts of the event webhook, and believes none that SendGrid has not signed.

What is signed are the bytes as they came, with the timestamp of the header before them: parsed
and written anew, or stripped of the line break at their end, they are others.
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from connectors.errors import Refused
from connectors.ports import MailEvent, MailEventKind
from connectors.sendgrid.body import KEY
from connectors.sendgrid.config import SendGridConfig

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
BODY_MAX_BYTES: Final = 16 * 1024 * 1024
REASON_MAX: Final = 500
NEWEST: Final = 2**33
SIGNED_WITH: Final = ec.ECDSA(SHA256())
KINDS: Final = {
    "processed": MailEventKind.PROCESSED,
    "deferred": MailEventKind.DEFERRED,
    "delivered": MailEventKind.DELIVERED,
    "bounce": MailEventKind.BOUNCED,
    "dropped": MailEventKind.DROPPED,
    "spamreport": MailEventKind.COMPLAINED,
    "unsubscribe": MailEventKind.UNSUBSCRIBED,
    "group_unsubscribe": MailEventKind.UNSUBSCRIBED,
    "open": MailEventKind.OPENED,
    "click": MailEventKind.CLICKED,
}
DROPPED_FOR_GOOD: Final = ("bounced address", "invalid")
_ADDRESS: Final = re.compile(r"[^\s\[\]<>\"'(),;]+@[^\s\[\]<>\"'(),;]+")
_TIME: Final = re.compile(r"[0-9]{1,11}")


@lru_cache
def key_from(text: str) -> ec.EllipticCurvePublicKey:
    """Return a verification key as SendGrid shows it: DER in base64, without armour.

    Raise `ValueError` where it is none.
    """
    try:
        key = load_der_public_key(base64.b64decode(text.strip(), validate=True))
    except (ValueError, binascii.Error):
        message = "that is no verification key: copy it whole, without BEGIN and END"
        raise ValueError(message) from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        message = "that is a key of another kind than SendGrid's (ECDSA)"
        raise ValueError(message)  # noqa: TRY004 - a setting is wrong, not a type
    return key


def verify(config: SendGridConfig, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raise `Refused` unless one of our keys signed this post, not long ago."""
    if not config.webhook_public_key:
        raise _refused("no verification key is set: set webhook_public_key")
    lower = {name.lower(): value for name, value in headers.items()}
    timestamp = lower.get(TIMESTAMP, "")
    if _TIME.fullmatch(timestamp) is None or len(body) > BODY_MAX_BYTES:
        raise _refused("the post is not signed by SendGrid")
    try:
        signature = base64.b64decode(lower.get(SIGNATURE, ""), validate=True)
    except ValueError:
        raise _refused("the post is not signed by SendGrid") from None
    signed = timestamp.encode() + body
    if not any(_fits(key_from(key), signature, signed) for key in config.webhook_public_key):
        raise _refused("the post is not signed by SendGrid")
    if abs(now - int(timestamp)) > config.webhook_window_s:
        raise _refused("the post was signed long ago, or our clock is wrong", "TIMESTAMP")


def read(body: bytes) -> Sequence[MailEvent]:
    """Return the events of a verified post that are about our mails."""
    try:
        told = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise _refused("the post is no JSON", "BODY") from None
    if not isinstance(told, list):
        raise _refused("the post is no list of events", "BODY")
    events = (_event(each) for each in told if isinstance(each, dict))
    return [event for event in events if event is not None]


def _event(told: Mapping[str, Any]) -> MailEvent | None:
    """Return an event, whatever the shape of its lesser fields; None where it is not for us."""
    kind, at = KINDS.get(_text(told, "event")), _time(told.get("timestamp"))
    key = _text(told, KEY)
    if kind is None or at is None or not key:
        return None
    reason = _text(told, "reason") or _text(told, "response")
    return MailEvent(
        id=_id(told),
        mail_key=key,
        kind=kind,
        at=at,
        permanent=_is_permanent(kind, told),
        reason=_ADDRESS.sub("[address]", reason)[:REASON_MAX],
    )


def _is_permanent(kind: MailEventKind, told: Mapping[str, Any]) -> bool:
    """Return whether it will happen again: blocks and full mailboxes pass."""
    if kind is MailEventKind.BOUNCED:
        return _text(told, "type") != "blocked" and not _text(told, "status").startswith("4")
    reason = _text(told, "reason").lower()
    return kind is MailEventKind.DROPPED and reason.startswith(DROPPED_FOR_GOOD)


def _id(told: Mapping[str, Any]) -> str:
    """Return what is the same for all copies of an event.

    `sg_event_id` is said to be, and is seen to change on retries (sendgrid-nodejs issue 1435),
    so it counts only where the event cannot be told by what it says.
    """
    names = ["sg_message_id", KEY, "event", "timestamp", "email", "url", "attempt"]
    if not _text(told, "sg_message_id"):
        names.append("sg_event_id")
    natural = msgspec.json.encode([_text(told, name) for name in names])
    return hashlib.blake2b(natural, digest_size=16).hexdigest()


def _text(told: Mapping[str, Any], name: str) -> str:
    """Return a field as text: some are numbers here and text there."""
    value = told.get(name)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def _time(value: object) -> datetime | None:
    if isinstance(value, str) and _TIME.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < NEWEST:
        return None
    return datetime.fromtimestamp(value, UTC)


def _fits(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, SIGNED_WITH)
    except InvalidSignature:
        return False
    return True


def _refused(problem: str, code: str = "SIGNATURE") -> Refused:
    return Refused("sendgrid", problem, code=code)
