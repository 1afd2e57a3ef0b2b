"""Says what SendGrid would object to in a request to send mail.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors and .../limitations
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

PERSONALIZATIONS_MAX: Final = 1000
RECIPIENTS_MAX: Final = 1000
CUSTOM_ARGS_MAX_BYTES: Final = 10_000
SUBJECT_MAX: Final = 998
ADDRESS_MAX: Final = 320
LOCAL_MAX: Final = 64
ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*"
)
TOP: Final = frozenset(
    [
        "personalizations",
        "from",
        "reply_to",
        "reply_to_list",
        "subject",
        "content",
        "attachments",
        "template_id",
        "headers",
        "categories",
        "custom_args",
        "send_at",
        "batch_id",
        "asm",
        "ip_pool_name",
        "mail_settings",
        "tracking_settings",
    ]
)
NOT_OURS_TO_SET: Final = frozenset(
    [
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    ]
)
HELP: Final = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#"


class Objection(NamedTuple):
    """One thing that is wrong: SendGrid's words, the field, and the anchor of its help."""

    message: str
    field: str | None
    anchor: str | None = None

    def told(self) -> dict[str, str | None]:
        """Return it as it stands in the answer."""
        help_ = HELP + self.anchor if self.anchor else None
        return {"message": self.message, "field": self.field, "help": help_}


def objections(request: object) -> list[Objection]:
    """Return all that is wrong with a request; nothing where it would be accepted."""
    if not isinstance(request, dict):
        return [Objection("Bad Request", None)]
    unknown = [
        Objection(f"Additional property {name} is not allowed", name)
        for name in request
        if name not in TOP
    ]
    return [
        *unknown,
        *_about_sender(request),
        *_about_people(request),
        *_about_words(request),
        *_about_headers(request.get("headers"), "headers"),
        *_about_switches(request),
    ]


def _about_sender(request: Mapping[str, Any]) -> Iterator[Objection]:
    if not _is_address((request.get("from") or {}).get("email")):
        yield Objection(
            "The from object must be provided for every email send. It is an object that requires "
            "the email parameter, but may also contain a name parameter.",
            "from.email",
            "message.from",
        )
    reply_to = request.get("reply_to")
    if reply_to is not None and not _is_address(reply_to.get("email")):
        yield Objection(
            "The reply_to email does not contain a valid address.",
            "reply_to.email",
            "message.reply_to",
        )


def _about_people(request: Mapping[str, Any]) -> Iterator[Objection]:
    people = request.get("personalizations")
    if not isinstance(people, list) or not people:
        yield Objection(
            "You must have at least one personalization.",
            "personalizations",
            "message.personalizations",
        )
        return
    if len(people) > PERSONALIZATIONS_MAX:
        yield Objection(
            "The personalization block is limited to 1000 personalizations per API request. You "
            f"have provided {len(people)} personalizations. Please consider splitting this into "
            "multiple requests and resending your request.",
            "personalizations",
            "message.personalizations",
        )
    for place, one in enumerate(people):
        yield from _about_person(one, f"personalizations.{place}")
    yield from _about_repeats(people)


def _about_person(one: Mapping[str, Any], field: str) -> Iterator[Objection]:
    if not one.get("to"):
        yield Objection(
            "The to array is required for all personalization objects, and must have at least one "
            "email object with a valid email address.",
            f"{field}.to",
            "message.personalizations.to",
        )
    for place, to in enumerate(one.get("to", ())):
        if not _is_address(to.get("email")):
            where = f"{field}.to.{place}.email"
            yield Objection(
                "Does not contain a valid address.", where, "message.personalizations.to"
            )
        if any(sign in to.get("name", "") for sign in ",;\r\n\0"):
            yield Objection("The name may not contain , or ;", f"{field}.to.{place}.name")
    yield from _about_headers(one.get("headers"), f"{field}.headers")
    args = one.get("custom_args", {})
    if not all(isinstance(value, str) for value in args.values()):
        yield Objection("custom_args must be strings.", f"{field}.custom_args")
    elif len(orjson.dumps(args)) > CUSTOM_ARGS_MAX_BYTES:
        yield Objection(
            "The combined size of your custom arguments exceeds the limit of 10,000 bytes.",
            f"{field}.custom_args",
        )


def _about_repeats(people: list[Mapping[str, Any]]) -> Iterator[Objection]:
    addresses = Counter(
        str(to.get("email", "")).lower()
        for one in people
        for kind in ("to", "cc", "bcc")
        for to in one.get(kind, ())
    )
    if addresses.total() > RECIPIENTS_MAX:
        yield Objection(
            "There is a limit of 1000 total recipients (to + cc + bcc) per request.",
            "personalizations",
        )
    for address, times in addresses.items():
        if times > 1:
            yield Objection(
                "Each unique email address in the personalizations array should only be included "
                f"once. You have included [{address}] more than once.",
                "personalizations",
                "message.recipient-errors",
            )


def _about_words(request: Mapping[str, Any]) -> Iterator[Objection]:
    if "template_id" in request:
        return
    subjects = [one.get("subject") for one in request.get("personalizations") or ()]
    if not request.get("subject") and not (subjects and all(subjects)):
        yield Objection(
            "The subject is required. You can get around this requirement if you use a template "
            "with a subject defined or if every personalization has a subject defined.",
            "subject",
            "message.subject",
        )
    for subject in (request.get("subject"), *subjects):
        if subject and (len(subject) > SUBJECT_MAX or any(sign in subject for sign in "\r\n\0")):
            yield Objection("The subject is not a valid header.", "subject", "message.subject")
    yield from _about_content(request.get("content"))


def _about_content(content: object) -> Iterator[Objection]:
    if not isinstance(content, list) or not content:
        yield Objection(
            "Unless a valid template_id is provided, the content parameter is required. There must "
            "be at least one defined content block.",
            "content",
            "message.content",
        )
        return
    for place, part in enumerate(content):
        if not isinstance(part.get("value"), str) or not part["value"]:
            yield Objection(
                "The content value must be a string at least one character in length.",
                f"content.{place}.value",
                "message.content.value",
            )
    kinds = [part.get("type") for part in content]
    if len(set(kinds)) < len(kinds) or kinds != sorted(kinds, key=_place):
        yield Objection(
            "If present, text/plain must come first, followed by text/html, followed by any other "
            "content.",
            "content",
            "message.content.type",
        )


def _place(kind: object) -> int:
    first = ("text/plain", "text/html")
    return first.index(kind) if kind in first else len(first)


def _about_headers(headers: object, field: str) -> Iterator[Objection]:
    if headers is None:
        return
    if not isinstance(headers, dict):
        yield Objection("The headers must be an object.", field)
        return
    for name, value in headers.items():
        if name.lower() in NOT_OURS_TO_SET:
            yield Objection(
                f"The header {name} may not be set.", f"{field}.{name}", "message.headers"
            )
        if not isinstance(value, str) or any(sign in name + value for sign in "\r\n\0"):
            yield Objection("The header is not valid.", field, "message.headers")
        elif not (name + value).isascii():
            yield Objection("Headers must be 7-bit ASCII.", field, "message.headers")


def _about_switches(request: Mapping[str, Any]) -> Iterator[Objection]:
    """Object to a switch that is no boolean: `"false"` and 0 are none."""
    for group in ("mail_settings", "tracking_settings"):
        for name, switch in (request.get(group) or {}).items():
            if not isinstance(switch.get("enable"), bool | None):
                yield Objection("The enable parameter must be a boolean.", f"{group}.{name}.enable")
    if not isinstance(request.get("custom_args", {}), dict):
        yield Objection("custom_args must be an object.", "custom_args")


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or len(value) > ADDRESS_MAX:
        return False
    return ADDRESS.fullmatch(value) is not None and len(value.partition("@")[0]) <= LOCAL_MAX
