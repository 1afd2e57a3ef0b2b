"""What the account holds: accepted mail, who may not get any, and what became of each mail."""

import random
import string
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.sandbox.sendgrid.events import Event, event

LISTS: Final = ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes")
DROPPED_FOR: Final = {
    "bounces": "Bounced Address",
    "blocks": "",
    "invalid_emails": "Invalid",
    "spam_reports": "Spam Reporting Address",
    "unsubscribes": "Unsubscribed Address",
}
SCOPES: Final = (
    "mail.send",
    "sender_verification_eligible",
    "suppression.read",
    "user.webhooks.event.settings.read",
    "whitelabel.read",
)


@dataclass(kw_only=True)
class Delivered:
    """One mail to one person, as it was accepted, and what became of it since."""

    id: str
    """The X-Message-Id of its request."""
    number: int
    """Its place in the outbox, from 1."""
    to: str
    to_name: str
    sender: str
    sender_name: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    custom_args: Mapping[str, str]
    at: float
    """Seconds since 1970."""
    happened: list[str] = field(default_factory=list)
    """The names of its events, in the order in which they came about."""


class State:
    """The account. Its methods may be called from any thread."""

    def __init__(self, seed: int, tell: Callable[[Sequence[Event]], None]) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - not a secret
        self._tell = tell
        self._lock = threading.RLock()
        self.api_key = f"SG.{self._letters(22)}.{self._letters(43)}"
        self.api_keys: dict[str, Sequence[str]] = {self.api_key: SCOPES}
        """Valid keys, each with its scopes."""
        self.verified: set[str] = {"example", "example.com", "example.org"}
        """Addresses, and domains with all below them, that may be sent from."""
        self.inbox: list[Delivered] = []
        self.suppressed: dict[str, dict[str, int]] = {name: {} for name in LISTS}
        """By list, the address (in small letters) and since when."""
        self.may_read_logs = True
        """Whether the account's keys may read its Email Logs."""
        self.logs_late_s = 0.0
        """How much later than the mail its logs come."""
        self.look_ups_per_minute: int | None = 60
        """How often the logs may be asked; None for no limit."""
        self.bounce_when: Callable[[str], bool] = lambda address: address.startswith("bounce")

    def accept(self, request: Mapping[str, Any], at: float | None = None) -> str:
        """Take a valid request and return its X-Message-Id."""
        with self._lock:
            message_id = self._letters(22)
            for one in request["personalizations"]:
                for to in one["to"]:
                    mail = self._mail(message_id, request, one, to, at or time.time())
                    self.inbox.append(mail)
                    self.deliver(mail)
            return message_id

    def deliver(self, mail: Delivered) -> None:
        """Carry a mail to its mailbox, or not: it is dropped, bounces or is delivered."""
        for name in LISTS:
            if mail.to.lower() in self.suppressed[name]:
                self._happen(mail, event(mail, "dropped", reason=DROPPED_FOR[name]))
                return
        self._happen(mail, event(mail, "processed"))
        if not self.bounce_when(mail.to):
            self._happen(mail, event(mail, "delivered", response="250 2.0.0 OK"))
            return
        self.suppressed["bounces"][mail.to.lower()] = int(time.time())
        reason = "550 5.1.1 The email account that you tried to reach does not exist"
        self._happen(mail, event(mail, "bounce", type="bounce", status="5.1.1", reason=reason))

    def open(self, mail: Delivered, *, by_machine: bool = False) -> None:
        """Tell that the mail's picture was fetched."""
        self._happen(mail, event(mail, "open", sg_machine_open=by_machine, **_BROWSER))

    def click(self, mail: Delivered, url: str) -> None:
        """Tell that a link in the mail was followed."""
        self._happen(mail, event(mail, "click", url=url, **_BROWSER))

    def complain(self, mail: Delivered) -> None:
        """Tell that its reader called the mail spam: the address gets no more of it."""
        self.suppressed["spam_reports"][mail.to.lower()] = int(time.time())
        self._happen(mail, event(mail, "spamreport"))

    def unsubscribe(self, mail: Delivered) -> None:
        """Tell that its reader wants no more: the address gets no more."""
        self.suppressed["unsubscribes"][mail.to.lower()] = int(time.time())
        self._happen(mail, event(mail, "unsubscribe"))

    def counts(self) -> dict[str, int]:
        """Return how many mails were accepted, delivered and bounced (or dropped)."""
        with self._lock:
            told = [name for mail in self.inbox for name in mail.happened]
            bounced = told.count("bounce") + told.count("dropped")
            return {
                "accepted": len(self.inbox),
                "delivered": told.count("delivered"),
                "bounced": bounced,
            }

    def may_send_from(self, address: str) -> bool:
        """Return whether an address, its domain or a domain above that is verified."""
        domain = address.rpartition("@")[2].lower()
        above = domain.split(".")
        names = {address.lower(), *(".".join(above[n:]) for n in range(len(above)))}
        return bool(names & self.verified)

    def _happen(self, mail: Delivered, what: Event) -> None:
        with self._lock:
            mail.happened.append(str(what["event"]))
        self._tell([what])

    def _mail(
        self,
        message_id: str,
        request: Mapping[str, Any],
        one: Mapping[str, Any],
        to: Mapping[str, str],
        at: float,
    ) -> Delivered:
        sender = one.get("from", request["from"])
        parts = {part["type"]: part["value"] for part in request.get("content", ())}
        return Delivered(
            id=message_id,
            number=len(self.inbox) + 1,
            to=to["email"],
            to_name=to.get("name", ""),
            sender=sender["email"],
            sender_name=sender.get("name", ""),
            reply_to=request.get("reply_to", {}).get("email", ""),
            subject=one.get("subject", request.get("subject", "")),
            text=parts.get("text/plain", ""),
            html=parts.get("text/html", ""),
            headers={**request.get("headers", {}), **one.get("headers", {})},
            custom_args={**request.get("custom_args", {}), **one.get("custom_args", {})},
            at=at,
        )

    def _letters(self, length: int) -> str:
        signs = string.ascii_letters + string.digits + "-_"
        return "".join(self._chance.choices(signs, k=length))


_BROWSER: Final = {"ip": "192.0.2.7", "useragent": "Mozilla/5.0 (X11; Linux x86_64)"}
