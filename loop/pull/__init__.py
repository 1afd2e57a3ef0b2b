"""Stage 1: customers come in from the CRM.

A page of records and the watermark behind it are kept in one transaction, so a pull that was
killed goes on where it stopped, and pulling the same page twice changes nothing.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import update
from sqlalchemy.exc import DataError
from sqlmodel import Session

from connectors import ports
from loop.app import App
from loop.gathered import gathered
from loop.models import (
    Account,
    Contact,
    Owner,
    Survey,
    Trigger,
    Watermark,
)
from loop.pull import people
from loop.store import table, upsert

UNKEEPABLE: Final = (DataError, ValueError)
"""What a database says to a text with NUL or half a character in it."""

Keep = Callable[[Session, str, ports.Page[Any]], None]
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pulled:
    """A page has come in and is kept."""

    crm: str
    records: str
    count: int
    gone: int
    bad: int = 0
    """Records that no database keeps as they are; the log names them."""


def customers(app: App, *, only: str = "") -> Iterator[Pulled]:
    """Bring in what changed in each CRM since last time; tell of each page once it is kept.

    Raises a `ConnectorError` where a CRM does not answer; what came in before is kept.
    """
    for crm in app.crms.values():
        if only in {"", crm.name}:
            for pulled in _all_of(app, crm):
                yield pulled
                if app.stopping.is_set():
                    return


def _all_of(app: App, crm: ports.Crm) -> Iterator[Pulled]:
    for page in crm.owners():
        with app.store.write() as session:
            _keep_owners(session, crm.name, page)
        yield Pulled(crm.name, "owners", len(page.records), 0)
    yield from _since(app, crm, "accounts", crm.accounts, partial(_keep_accounts, app))
    yield from _since(app, crm, "contacts", crm.contacts, partial(people.keep, app))
    yield from _since(app, crm, "triggers", crm.triggers, _keep_triggers)


def _since(
    app: App,
    crm: ports.Crm,
    records: str,
    source: Callable[[str | None], Iterator[ports.Page[Any]]],
    keep: Keep,
) -> Iterator[Pulled]:
    with app.store.read() as session:
        mark = session.get(Watermark, (crm.name, records))
    for page in gathered(source(mark.value if mark else None), app.stopping):
        bad = 0
        try:
            _keep(app, crm.name, records, page, keep)
        except UNKEEPABLE:
            good = [one for one in page.records if _keeps(app, crm.name, one, keep)]
            bad = len(page.records) - len(good)
            _keep(app, crm.name, records, msgspec.structs.replace(page, records=good), keep)
        gone = len(page.gone) + len(page.merged)
        yield Pulled(crm.name, records, len(page.records) - bad, gone, bad)


def _keep(app: App, crm: str, records: str, page: ports.Page[Any], keep: Keep) -> None:
    """Keep a page, and where the next pull starts."""
    with app.store.write() as session:
        keep(session, crm, page)
        if page.watermark is not None:
            row = {"crm": crm, "records": records, "value": page.watermark, "at": app.now()}
            upsert(session, Watermark, [row], key=("crm", "records"), update=("value", "at"))


def _keeps(app: App, crm: str, record: Any, keep: Keep) -> bool:  # noqa: ANN401 - any kind
    """Tell whether a record can be kept by itself; one that cannot stops no other."""
    try:
        with app.store.write() as session:
            keep(session, crm, ports.Page(records=[record]))
    except UNKEEPABLE as error:
        log.warning("%s %s cannot be kept: %s", crm, record.id, type(error).__name__)
        return False
    return True


def _keep_owners(session: Session, crm: str, page: ports.Page[ports.Owner]) -> None:
    rows = [
        {
            "id": f"{crm}:{owner.id}",
            "crm": crm,
            "remote_id": owner.id,
            "name": owner.name,
            "email": owner.email,
            "active": owner.active,
        }
        for owner in page.records
    ]
    upsert(session, Owner, rows, update=("name", "email", "active"))


def _keep_accounts(app: App, session: Session, crm: str, page: ports.Page[ports.Account]) -> None:
    rows = [
        {
            "id": f"{crm}:{account.id}",
            "crm": crm,
            "remote_id": account.id,
            "name": account.name,
            "owner_id": people.there(crm, account.owner_id),
            "industry": account.industry,
            "gone_at": None,
        }
        for account in page.records
    ]
    upsert(session, Account, rows, update=("name", "owner_id", "industry", "gone_at"))
    people.mark_gone(app, session, Account, crm, [*page.gone, *page.merged])
    for loser, winner in page.merged.items():
        for model in (Contact, Survey):
            session.connection().execute(
                update(table(model))
                .where(table(model).c.account_id == f"{crm}:{loser}")
                .values(account_id=f"{crm}:{winner}")
            )


def _keep_triggers(session: Session, crm: str, page: ports.Page[ports.Trigger]) -> None:
    about = sorted({f"{crm}:{trigger.contact_id}" for trigger in page.records})
    known = people.known_contacts(session, about)
    told = known.keys() - people.of_the_forgotten(session, known)
    rows = [
        {
            "id": f"{crm}:{trigger.id}",
            "crm": crm,
            "event": str(trigger.event),
            "contact_id": f"{crm}:{trigger.contact_id}",
            "subject": trigger.subject if f"{crm}:{trigger.contact_id}" in told else "",
            "at": trigger.at,
            "survey_id": None,
        }
        for trigger in page.records
        if trigger.contact_id
    ]
    upsert(session, Trigger, rows, update=("subject", "contact_id"))
