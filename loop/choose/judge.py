"""Decides whose turn it is, from plain values alone."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email

from loop.config import Ask, Program

HASHED_BITS = 64
PLAIN: Final = re.compile(r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*", re.IGNORECASE | re.ASCII)
"""The part before the @ that nobody objects to."""
NAME_MAX: Final = 64
ADDRESS_MAX: Final = 254


class Reason(StrEnum):
    """Why a customer is passed over; or that they were chosen."""

    CHOSEN = "chosen"
    NO_ADDRESS = "no address"
    INVALID_ADDRESS = "invalid address"
    OPTED_OUT = "opted out in the CRM"
    BOUNCED = "address bounces, says the CRM"
    SUPPRESSED = "unsubscribed or bounced here"
    OPEN_SURVEY = "a survey is open"
    RESTING = "asked lately"
    NOT_DUE = "not due yet"
    ACCOUNT_FULL = "enough of the account were asked"
    NOT_SAMPLED = "not in the sample"
    DAY_FULL = "the day's number is reached"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One customer, with the record through which they would be asked."""

    customer_id: str
    contact_id: str
    account_id: str
    owner_id: str
    email: str
    """As it stands in the CRM."""
    opted_out: bool
    bounced: bool
    suppressed: bool
    open_survey: bool = False
    asked_at: datetime | None = None
    """When they were last chosen, by any program."""
    program_at: datetime | None = None
    """When they were last chosen by this program."""
    trigger_id: str | None = None
    """The event that sets a touchpoint survey off."""


@dataclass(kw_only=True)
class Room:
    """How many more can be asked today, and per account; it shrinks as people are chosen."""

    today: int
    tomorrow: datetime
    """When a day's number begins anew."""
    per_account: int
    lately: Counter[str] = field(default_factory=Counter)
    """By account of the people at hand: how many were asked within the rest."""
    taken: Counter[str] = field(default_factory=Counter)
    """By account: how many were taken that are not among those."""

    def take(self, account_id: str) -> None:
        """Count one more."""
        self.today -= 1
        self.taken[account_id] += 1

    def full(self, account_id: str) -> bool:
        """Tell whether enough people of the account were asked."""
        asked = self.lately[account_id] + self.taken[account_id]
        return bool(account_id) and asked >= self.per_account


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a program's choice goes by."""

    name: str
    program: Program
    ask: Ask
    now: datetime
    due_by: datetime
    """A rest that is over by then is over: now, or tonight where it chooses once a day."""


def judge(rules: Rules, person: Candidate, room: Room) -> tuple[Reason, datetime | None]:
    """Return whether a customer is asked now; if not, why, and when it is their turn again."""
    if (reason := _unreachable(person)) is not None:
        return reason, None
    if (again := _rests_until(rules, person)) is not None:
        return again
    if not drawn(rules, person):
        return Reason.NOT_SAMPLED, None
    if room.full(person.account_id):
        return Reason.ACCOUNT_FULL, None
    if room.today <= 0:
        return Reason.DAY_FULL, room.tomorrow
    return Reason.CHOSEN, None


def _unreachable(person: Candidate) -> Reason | None:
    """Return why no mail may or can reach them."""
    if not person.email.strip():
        return Reason.NO_ADDRESS
    if not valid(person.email.strip()):
        return Reason.INVALID_ADDRESS
    if person.opted_out:
        return Reason.OPTED_OUT
    if person.suppressed:
        return Reason.SUPPRESSED
    return Reason.BOUNCED if person.bounced else None


def _rests_until(rules: Rules, person: Candidate) -> tuple[Reason, datetime | None] | None:
    """Return what they wait for: an open survey, or the longest clock that is not over yet."""
    if person.open_survey:
        return Reason.OPEN_SURVEY, None
    waits = []
    if person.asked_at is not None:
        waits.append((person.asked_at + timedelta(days=rules.ask.rest_days), Reason.RESTING))
    if person.program_at is not None and rules.program.kind == "relationship":
        waits.append((person.program_at + rules.program.every, Reason.NOT_DUE))
    until, reason = max(waits, default=(rules.now, Reason.NOT_DUE))
    return (reason, until) if until > rules.due_by else None


def drawn(rules: Rules, person: Candidate) -> bool:
    """Tell whether the lot falls on them: the same seed and turn draw the same people."""
    if rules.program.sample >= 1:
        return True
    turn = person.trigger_id or int(rules.now.timestamp() / rules.program.every.total_seconds())
    words = f"{rules.ask.seed}:{rules.name}:{person.customer_id}:{turn}"
    lot = int.from_bytes(hashlib.sha256(words.encode()).digest()[: HASHED_BITS // 8], "big")
    return lot < int(rules.program.sample * (1 << HASHED_BITS))


def valid(address: str) -> bool:
    """Tell whether this is an address that mail can go to (RFC 5321, RFC 6531).

    Many people have plain names at few domains: then one look at the domain serves them all.
    """
    name, _, domain = address.rpartition("@")
    plain = len(address) <= ADDRESS_MAX and len(name) <= NAME_MAX and PLAIN.fullmatch(name)
    return _valid(f"a@{domain}" if plain else address)


@lru_cache(maxsize=65536)
def _valid(address: str) -> bool:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
