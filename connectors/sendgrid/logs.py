"""Asks SendGrid's Email Logs what became of a mail: the last 30 days of every account.

https://www.twilio.com/docs/sendgrid/api-reference/email-logs

The logs are searched by reader and time; our key is among the custom arguments of a single
message, so each message that is found is read once. They come "in near real-time" and have no
pages: that they do not show a mail proves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

from connectors.budget import Budget
from connectors.errors import Unauthorized, Unavailable
from connectors.ports import Sought
from connectors.sendgrid.body import KEY

NAME: Final = "sendgrid"
MESSAGES_MAX: Final = 1000
KNOWN_MAX: Final = 10_000
CLOCKS: Final = timedelta(minutes=5)
"""How far their clock and ours may be apart."""
NOT_IN_QUERIES: Final = frozenset('"\\\r\n')


class Account(Protocol):
    """An account that can be asked."""

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return what stands at a path. Raise a `ConnectorError`."""
        ...

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """Ask at a path by a body. Raise a `ConnectorError`."""
        ...


class Logs:
    """The Email Logs of one account, asked no faster than the budget allows."""

    def __init__(self, account: Account, budget: Budget) -> None:
        self._account = account
        self._budget = budget
        self._keys: dict[str, str] = {}
        """Our key of each message that was read: nothing there if it is not ours."""

    def look_up(self, sought: Sequence[Sought]) -> dict[str, bool]:
        """Return which of the mails the logs show, as far as the budget goes."""
        found: dict[str, bool] = {}
        for mail in sought:
            try:
                found[mail.key] = any(key == mail.key for key in self._keys_of(mail))
            except Unavailable:
                if not found:
                    raise
                break
        return found

    def _keys_of(self, mail: Sought) -> Iterator[str]:
        """Give our keys of the messages that the mail may be."""
        for address in mail.to:
            if not address or NOT_IN_QUERIES & set(address):
                continue
            asked = {"query": _query(address, mail), "limit": MESSAGES_MAX}
            for message in _rows(self._asked("logs", asked), "messages"):
                if isinstance(message_id := message.get("sg_message_id"), str):
                    yield self._key(message_id)

    def _key(self, message_id: str) -> str:
        """Return our key of a message."""
        if message_id not in self._keys:
            if len(self._keys) >= KNOWN_MAX:
                self._keys.clear()
            told = self._asked(f"logs/{quote(message_id, safe='')}")
            self._keys[message_id] = next(_told_keys(told), "")
        return self._keys[message_id]

    def _asked(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        self._budget.spend(NAME)
        try:
            return self._account.get(path) if body is None else self._account.post(path, body)
        except Unavailable as error:
            if error.retry_after_s:
                self._budget.pause(error.retry_after_s)
            raise
        except Unauthorized:
            problem = "its Email Logs may not be read: let the API key do so (Settings, API Keys)"
            raise Unauthorized(NAME, problem) from None


def _query(address: str, mail: Sought) -> str:
    created = "sg_message_id_created_at"
    since, until = _instant(mail.since - CLOCKS), _instant(mail.until + CLOCKS)
    return f'to_email = "{address}" AND {created} >= {since} AND {created} <= {until}'


def _instant(at: datetime) -> str:
    return f'TIMESTAMP "{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"'


def _told_keys(told: object) -> Iterator[str]:
    """Give our key as the message has it, or as its events have it."""
    parts = [told] if isinstance(told, dict) else []
    for part in (*parts, *_rows(told, "events")):
        custom = part.get("custom_args")
        if isinstance(custom, dict) and isinstance(key := custom.get(KEY), str):
            yield key


def _rows(told: object, name: str) -> list[Mapping[str, Any]]:
    """Return the rows of an answer, whatever else its shape may be."""
    rows = told.get(name) if isinstance(told, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
