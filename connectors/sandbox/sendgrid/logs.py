"""The account's Email Logs: what became of each mail, found by reader, time, subject or status.

https://www.twilio.com/docs/sendgrid/api-reference/email-logs and `tsg_logs_v3.json` of
SendGrid's OpenAPI files. They have no pages, and come a little later than the mail.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connectors.sandbox.sendgrid.events import Event, event, message_id
from connectors.sandbox.sendgrid.state import Delivered, State

LIMIT_MAX: Final = 1000
LIMIT: Final = 10
EVENTS_MAX: Final = 100
SMTP_OK: Final = "250 2.0.0 OK"
STATUS: Final = {
    "processed": "processed",
    "deferred": "deferred",
    "delivered": "delivered",
    "open": "delivered",
    "click": "delivered",
    "bounce": "bounced",
    "dropped": "dropped",
}
"""The status that an event makes of a message: the last of them counts."""
EXTRA: Final[Mapping[str, Mapping[str, Any]]] = {
    "delivered": {"ip": "192.0.2.9", "response": SMTP_OK},
    "dropped": {"reason": "Bounced Address"},
    "bounce": {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such mailbox"},
    "unsubscribe": {"date": "2030-01-07"},
}
"""What an event must have beside what all have."""
OPERATORS: Final = {
    "sg_message_id": ("=",),
    "subject": ("=",),
    "to_email": ("=",),
    "reason": ("=",),
    "status": ("IN",),
    "categories": ("IN",),
    "sg_message_id_created_at": (">", "<", ">=", "<="),
}
COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda has, wanted: has == wanted,
    "IN": lambda has, wanted: has in wanted,
    ">": lambda has, wanted: has > wanted,
    "<": lambda has, wanted: has < wanted,
    ">=": lambda has, wanted: has >= wanted,
    "<=": lambda has, wanted: has <= wanted,
}
_CONDITION: Final = re.compile(
    r"""\s*(?P<field>\w+)\s*(?P<operator>>=|<=|=|>|<|IN\b)\s*"""
    r"""(?P<value>TIMESTAMP\s*"[^"]*"|"[^"]*"|\(\s*'[^']*'(?:\s*,\s*'[^']*')*\s*\))\s*(?:AND\b|$)"""
)


class Unclear(Exception):
    """The request is not one that the logs take."""


class TooFast(Exception):
    """More requests came than the account may make in a minute."""


class Logs:
    """What the account's logs show, and to whom."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._asked: deque[float] = deque()

    def spend(self) -> None:
        """Take one request. Raise `TooFast` where there is none left."""
        now, most = time.monotonic(), self.state.look_ups_per_minute
        while self._asked and self._asked[0] <= now - 60.0:
            self._asked.popleft()
        if most is not None and len(self._asked) >= most:
            raise TooFast
        self._asked.append(now)

    def found(self, asked: object) -> list[dict[str, Any]]:
        """Return the messages that a request is about, newest first. Raise `Unclear`."""
        if not isinstance(asked, dict) or not asked.keys() <= {"query", "limit", "subusers"}:
            raise Unclear("invalid request")
        query, limit = asked.get("query", ""), asked.get("limit", LIMIT)
        if not isinstance(query, str) or isinstance(limit, bool) or not isinstance(limit, int):
            raise Unclear("invalid request")
        if not 1 <= limit <= LIMIT_MAX:
            raise Unclear(f"limit must be between 1 and {LIMIT_MAX}")
        conditions = list(_conditions(query))
        rows = (_message(mail) for mail in reversed(self._shown()))
        return [row for row in rows if all(holds(row) for holds in conditions)][:limit]

    def one(self, sg_message_id: str) -> dict[str, Any] | None:
        """Return all about one message; None where there is none."""
        for mail in self._shown():
            if message_id(mail) == sg_message_id:
                return _whole(mail)
        return None

    def _shown(self) -> list[Delivered]:
        until = time.time() - self.state.logs_late_s
        return [mail for mail in self.state.inbox if mail.at <= until]


def _conditions(query: str) -> Iterator[Callable[[Mapping[str, Any]], bool]]:
    """Give the conditions of a query. Raise `Unclear`."""
    at = 0
    while at < len(query):
        if (found := _CONDITION.match(query, at)) is None:
            raise Unclear("invalid query")
        field, operator, at = found["field"], found["operator"], found.end()
        if field not in OPERATORS:
            raise Unclear(f"invalid syntax: '{field}' is not a known field")
        if operator not in OPERATORS[field]:
            raise Unclear(f"invalid syntax: '{field}' does not take '{operator}'")
        wanted = _value(field, found["value"])
        yield lambda row, f=field, o=operator, w=wanted: COMPARED[o](_of(row, f), w)  # type: ignore[misc]
    if query.rstrip().endswith("AND"):
        raise Unclear("invalid query")


def _value(field: str, text: str) -> object:
    if OPERATORS[field] == ("IN",):
        if not text.startswith("("):
            raise Unclear(f"invalid syntax: '{field}' takes a list")
        return re.findall(r"'([^']*)'", text)
    if text.startswith("TIMESTAMP") is not (field == "sg_message_id_created_at"):
        raise Unclear(f"invalid syntax: '{field}' takes another value")
    if not text.startswith("TIMESTAMP"):
        return text[1:-1]
    try:
        return datetime.fromisoformat(text.partition('"')[2][:-1])
    except ValueError:
        raise Unclear("invalid timestamp") from None


def _of(row: Mapping[str, Any], field: str) -> object:
    value = row.get(field, "")
    return datetime.fromisoformat(value) if field == "sg_message_id_created_at" else value


def _message(mail: Delivered) -> dict[str, Any]:
    created = datetime.fromtimestamp(int(mail.at), UTC)
    return {
        "from_email": mail.sender,
        "sg_message_id": message_id(mail),
        "subject": mail.subject,
        "to_email": mail.to,
        "reason": "",
        "status": next((STATUS[n] for n in reversed(mail.happened) if n in STATUS), "processed"),
        "sg_message_id_created_at": created.isoformat().replace("+00:00", "Z"),
    }


def _whole(mail: Delivered) -> dict[str, Any]:
    shown = ("from_email", "sg_message_id", "subject", "to_email", "status")
    row = _message(mail)
    return {
        **{name: row[name] for name in shown},
        "api_key_id": "abcdefghijklmnopqrstuv",
        "client_ip": "192.0.2.1",
        "custom_args": dict(mail.custom_args),
        "events": [_event(mail, name) for name in mail.happened[-EVENTS_MAX:]],
    }


def _event(mail: Delivered, name: str) -> Event:
    """Return an event as it stands in the logs: custom arguments on their own."""
    told = event(mail, name, **EXTRA.get(name, {}))
    own = {key: value for key, value in told.items() if key not in mail.custom_args}
    return {**own, "timestamp": int(mail.at), "custom_args": dict(mail.custom_args)}
