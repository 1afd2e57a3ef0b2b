"""What comes in: owners, companies, contacts, and tickets that were closed."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from connectors.hubspot.api import ASSOCIATIONS, OWNERS, Api, turn
from connectors.hubspot.changes import Walk, since_when
from connectors.hubspot.config import Config
from connectors.hubspot.rows import Kind, Row
from connectors.hubspot.shapes import Batch, Linked, LinkedFrom, Listed, OwnerRow
from connectors.ports import Account, Contact, Owner, Page, R, Trigger, TriggerEvent

FIRST_TRIGGERS: Final = timedelta(days=30)
PRIMARY_COMPANY: Final = 1
TO_COMPANY: Final = "contact_to_company"
TRUE: Final = "true"


class Pull:
    """Reads the account."""

    def __init__(self, api: Api, config: Config) -> None:
        self.api = api
        self.contact = Kind(
            "contacts",
            "lastmodifieddate",
            {
                "email": "email",
                "first_name": "firstname",
                "last_name": "lastname",
                "title": "jobtitle",
                "owner_id": "hubspot_owner_id",
                "opted_out": "hs_email_optout",
                "bounced": "hs_email_hard_bounce_reason_enum",
                "locale": config.locale_property,
                "product": config.product_property,
                "referred": config.nps_key,
                "lead_status": "hs_lead_status",
                "stage": "lifecyclestage",
            },
        )
        self.company = Kind(
            "companies",
            "hs_lastmodifieddate",
            {
                "name": "name",
                "domain": "domain",
                "owner_id": "hubspot_owner_id",
                "industry": "industry",
            },
        )
        self.ticket = Kind("tickets", "closed_date", {"subject": "subject"})

    def owners(self) -> Iterator[Page[Owner]]:
        """Give all users; archived ones are inactive."""
        for archived in ("false", "true"):
            asked = {"limit": "100", "archived": archived}
            while True:
                page = self.api.get(OWNERS, **asked).read(OWNER_ROWS)
                yield Page(records=[_owner(row) for row in page.results])
                if not page.after:
                    break
                turn(asked, page.after)

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Give all contacts, or what changed since the watermark."""
        walk, at = Walk(self.api, self.contact), since_when(since)
        if at is None:
            return _paged(walk, walk.all("companies"), self._contacts)
        return _paged(walk, walk.changed(at), self._changed_contacts, at)

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Give all companies, or what changed since the watermark."""
        walk, at = Walk(self.api, self.company), since_when(since)
        return _paged(walk, walk.changed(at) if at else walk.all(), self._accounts, at)

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Give the tickets closed since the watermark that have a contact."""
        walk = Walk(self.api, self.ticket)
        at = since_when(since) or datetime.now(UTC) - FIRST_TRIGGERS
        return _paged(walk, walk.changed(at), self._triggers)

    def _contacts(self, rows: Sequence[Row[Any]]) -> Sequence[Contact]:
        values = self.contact.values
        return [
            _contact(row, _listed_company(row), values(row.properties))
            for row in rows
            if not _only_a_lead(row)
        ]

    def _changed_contacts(self, rows: Sequence[Row[Any]]) -> Sequence[Contact]:
        """Read contacts that a search found: it tells no associations."""
        values, companies = self.contact.values, self._linked("contacts", "companies", rows)
        return [
            _contact(row, companies.get(row.id, ""), values(row.properties))
            for row in rows
            if not _only_a_lead(row)
        ]

    def _accounts(self, rows: Sequence[Row[Any]]) -> Sequence[Account]:
        found = []
        for row in rows:
            name, domain, owner_id, industry = self.company.values(row.properties)
            found.append(
                Account(
                    id=row.id,
                    name=name or domain or "",
                    owner_id=owner_id or "",
                    industry=industry or "",
                )
            )
        return found

    def _triggers(self, rows: Sequence[Row[Any]]) -> Sequence[Trigger]:
        contacts = self._linked("tickets", "contacts", rows)
        return [
            Trigger(
                id=row.id,
                event=TriggerEvent.CASE_CLOSED,
                contact_id=contacts[row.id],
                subject=row.properties.subject or "",
                at=datetime.fromisoformat(row.stamp),
            )
            for row in rows
            if row.id in contacts and row.stamp
        ]

    def _linked(self, type_: str, to: str, rows: Sequence[Row[Any]]) -> dict[str, str]:
        """Return the first record of a type that belongs to each; a primary one goes first."""
        if not rows:
            return {}
        asked = {"inputs": [{"id": row.id} for row in rows]}
        answer = self.api.post(f"{ASSOCIATIONS}/{type_}/{to}/batch/read", asked)
        links = answer.read(LINKS).results
        return {
            each.from_.id: str(min(each.to, key=_rank).to_object_id) for each in links if each.to
        }


LINKS: Final = msgspec.json.Decoder(Batch[LinkedFrom])
CUSTOMER: Final = "customer"
OWNER_ROWS: Final = msgspec.json.Decoder(Listed[OwnerRow])


def _paged(
    walk: Walk,
    pages: Iterator[Sequence[Row[Any]]],
    read: Callable[[Sequence[Row[Any]]], Sequence[R]],
    gone_since: datetime | None = None,
) -> Iterator[Page[R]]:
    """Give the pages of a walk; the last one tells what is gone, and the watermark.

    A walk that breaks off is to begin anew: what was archived is told at its end only.
    """
    losers: set[str] = set()
    for rows in pages:
        merged = {loser: row.id for row in rows for loser in row.losers}
        losers |= merged.keys()
        yield Page(records=read(rows), merged=merged)
    gone = [id_ for id_ in walk.gone(gone_since) if id_ not in losers] if gone_since else []
    yield Page(gone=gone, watermark=walk.watermark())


def _contact(row: Row[Any], company: str, values: Sequence[str | None]) -> Contact:
    email, first, last, title, owner, opted_out, bounced, locale, product, *_ = values
    return Contact(
        id=row.id,
        email=email or "",
        first_name=first or "",
        last_name=last or "",
        title=title or "",
        account_id=company,
        owner_id=owner or "",
        locale=_language_tag(locale) if locale else "",
        product=product or "",
        opted_out=opted_out == TRUE,
        bounced=bool(bounced),
    )


def _only_a_lead(row: Row[Any]) -> bool:
    """Tell whether this is a friend who came through a referral and is no customer yet.

    HubSpot keeps leads among its contacts; nobody asks them how they like what they do not have.
    """
    properties = row.properties
    return bool(properties.referred and properties.lead_status and properties.stage != CUSTOMER)


def _listed_company(row: Row[Any]) -> str:
    """Return the primary company; the list names it twice, once without a label."""
    links = row.associations.companies.results
    for link in links:
        if link.type == TO_COMPANY:
            return link.id
    return links[0].id if links else ""


def _rank(linked: Linked) -> int:
    return min((kind.type_id != PRIMARY_COMPANY for kind in linked.association_types), default=1)


def _owner(row: OwnerRow) -> Owner:
    name = " ".join(filter(None, (row.first_name, row.last_name)))
    email = row.email or ""
    return Owner(id=row.id, name=name or email, email=email, active=not row.archived)


@lru_cache(maxsize=256)
def _language_tag(value: str) -> str:
    """Return a language as BCP 47 writes it: HubSpot has `de-at` for `de-AT`."""
    language, _, region = value.replace("_", "-").partition("-")
    return f"{language.lower()}-{region.upper()}" if region else language.lower()
