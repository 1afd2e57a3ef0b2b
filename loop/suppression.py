"""The list of addresses that are never written to again, as keyed hashes."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from loop.models import Customer, Suppression
from loop.store import among, chunks, table, upsert


class Why(StrEnum):
    """Why an address is on the list; a later word outranks an earlier one, in any order."""

    BOUNCED = "bounced"
    UNSUBSCRIBED = "unsubscribed"
    STOP = "said stop"
    COMPLAINED = "complained"
    FORGOTTEN = "forgotten"


RANK: Final = tuple(Why)
OWN_WISH: Final = (Why.UNSUBSCRIBED, Why.STOP)
"""What people may take back."""


def suppress(
    session: Session,
    customer_ids: Sequence[str],
    why: Why,
    at: datetime,
    also: Sequence[str] = (),
) -> None:
    """Write to these people never again. It stands as soon as the transaction does.

    `also` are hashes of addresses that they had when they were written to.
    """
    _list(session, also, why, at)
    for some in chunks(customer_ids):
        hashes = session.connection().execute(
            select(col(Customer.address_hash)).where(
                col(Customer.id).in_(some), col(Customer.address_hash) != ""
            )
        )
        _list(session, hashes.scalars().all(), why, at)


def carry(session: Session, was: str, now: str, at: datetime) -> None:
    """Let somebody's wish go along to their new address (hashes); a bounce stays behind."""
    listed = session.get(Suppression, was) if was else None
    if listed is not None and listed.reason != Why.BOUNCED and now:
        _list(session, [now], Why(listed.reason), at)


def forgotten(session: Session, hashes: Sequence[str]) -> set[str]:
    """Return which of these addresses belong to people who were forgotten."""
    query = "SELECT address_hash, reason FROM suppression WHERE address_hash IN"
    return {row[0] for row in among(session, query, hashes) if row[1] == Why.FORGOTTEN}


def _list(session: Session, hashes: Sequence[str], why: Why, at: datetime) -> None:
    if not hashes:
        return
    rows = [{"address_hash": found, "reason": why, "at": at} for found in hashes]
    upsert(session, Suppression, rows, key=("address_hash",))
    listed = table(Suppression)
    session.connection().execute(
        update(listed)
        .where(listed.c.address_hash.in_(hashes), listed.c.reason.in_(RANK[: RANK.index(why)]))
        .values(reason=why, at=at)
    )


def lift(session: Session, customer_id: str, also: Sequence[str] = ()) -> None:
    """Take somebody's own unsubscribe back; a bounce or a complaint stays."""
    customer = session.get(Customer, customer_id)
    hashes = [*also, customer.address_hash] if customer else also
    listed = table(Suppression)
    session.connection().execute(
        delete(listed).where(listed.c.address_hash.in_(hashes), listed.c.reason.in_(OWN_WISH))
    )


def suppressed(session: Session, customer_id: str) -> bool:
    """Tell whether somebody is on the list."""
    customer = session.get(Customer, customer_id)
    return bool(
        customer and customer.address_hash and session.get(Suppression, customer.address_hash)
    )
