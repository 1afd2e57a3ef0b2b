"""A mail as the body of a request: plain dictionaries, no helper classes.

The library's Mail helper turns the order of recipients round and puts them all into one mail
unless told not to, and is slower than the template that it carries.
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

import re
from typing import Any, Final

import orjson

from connectors.errors import Refused
from connectors.ports import Mail

KEY: Final = "npsloop_key"
"""The custom argument that carries our key: it comes back in each event, beside its own fields."""

_BREAK: Final = re.compile(r"[\r\n\0]")
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f,;]+")
_NOT_IN_SUBJECTS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_UNTRACKED: Final = orjson.Fragment(
    orjson.dumps(
        {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        }
    )
)
"""Score links are ours and go out untouched; so do our own unsubscribe links."""


def request_for(mail: Mail) -> bytes:
    """Return the body of the request that sends this mail to its one reader.

    Raise `Refused` for a line break in an address or a header, and for text that is no
    Unicode. A line break in a name or a subject, where a customer's data may hold one, becomes
    a blank.
    """
    addresses = (mail.to, mail.sender, mail.reply_to)
    if _BREAK.search("".join((*addresses, *mail.headers, *mail.headers.values()))):
        raise Refused("sendgrid", "a line break in an address or a header", code="LINE_BREAK")
    request: dict[str, Any] = {
        "personalizations": [
            {
                "to": [_person(mail.to, mail.to_name)],
                "headers": mail.headers,
                "custom_args": {KEY: mail.key},
            }
        ],
        "from": _person(mail.sender, mail.sender_name),
        "subject": _NOT_IN_SUBJECTS.sub(" ", mail.subject),
        "content": [
            {"type": kind, "value": value}
            for kind, value in (("text/plain", mail.text), ("text/html", mail.html))
            if value
        ],
        "tracking_settings": _UNTRACKED,
    }
    if mail.reply_to:
        request["reply_to"] = {"email": mail.reply_to}
    try:
        return orjson.dumps(request)
    except TypeError:  # half of a pair of surrogates: no encoding has it
        raise Refused("sendgrid", "a text that is no Unicode", code="UNICODE") from None


def _person(address: str, name: str) -> dict[str, str]:
    """Return an address with its name, in which SendGrid takes no `,` and no `;`."""
    clean = _NOT_IN_NAMES.sub(" ", name).strip()
    return {"email": address, "name": clean} if clean else {"email": address}
