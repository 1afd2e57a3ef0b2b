"""The shape of an event, as SendGrid posts it.

Custom arguments stand beside the event's own fields, which win where both have a name.
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

Event = dict[str, Any]

_AS_GO_WRITES_IT: Final = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))


class Sent(Protocol):
    """What an event has to know of its mail."""

    id: str
    number: int
    to: str
    custom_args: Mapping[str, str]
    happened: list[str]


def event(mail: Sent, name: str, **more: Any) -> Event:  # noqa: ANN401 - any JSON
    """Return an event of a mail, of this second."""
    own = {
        "email": mail.to,
        "event": name,
        "sg_event_id": _event_id(f"{name}-{len(mail.happened)}-{mail.number}-{mail.id}"),
        "sg_message_id": message_id(mail),
        "smtp-id": f"<{mail.id}@geopod-ismtpd-1>",
        "timestamp": int(time.time()),
    }
    return {**mail.custom_args, **more, **own}


def message_id(mail: Sent) -> str:
    """Return what the mail is called: its request's id, and its own."""
    return f"{mail.id}.recvd-5d5b6f7d8-x2vq7-1-{mail.number:08X}-1.0"


def again(told: Event) -> Event:
    """Return the same event with another id, as it comes now and then on a retry."""
    return {**told, "sg_event_id": _event_id(f"again-{told['sg_event_id'][-40:]}")}


def written(events: Sequence[Event]) -> bytes:
    """Return the body of a post, byte for byte in SendGrid's manner."""
    body = b",\r\n".join(orjson.dumps(one) for one in events)
    for plain, escaped in _AS_GO_WRITES_IT:
        body = body.replace(plain, escaped)
    return b"[" + body + b"]\r\n"


def _event_id(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
