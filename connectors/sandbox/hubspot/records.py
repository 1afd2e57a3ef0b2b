"""A record, and how records point at each other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.sandbox.hubspot.problems import PORTAL
from connectors.sandbox.hubspot.schema import TYPES, stamp

PRIMARY: Final = {("contacts", "companies"): 1, ("companies", "contacts"): 2}
PLAIN: Final = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
    ("contacts", "tickets"): 15,
    ("tickets", "contacts"): 16,
    ("deals", "tickets"): 27,
    ("tickets", "deals"): 28,
    ("tickets", "companies"): 339,
    ("companies", "tickets"): 340,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("companies", "notes"): 189,
    ("notes", "companies"): 190,
    ("companies", "tasks"): 191,
    ("tasks", "companies"): 192,
    ("contacts", "notes"): 201,
    ("notes", "contacts"): 202,
    ("contacts", "tasks"): 203,
    ("tasks", "contacts"): 204,
    ("deals", "notes"): 213,
    ("notes", "deals"): 214,
    ("deals", "tasks"): 215,
    ("tasks", "deals"): 216,
    ("tickets", "notes"): 227,
    ("notes", "tickets"): 228,
    ("tickets", "tasks"): 229,
    ("tasks", "tickets"): 230,
}
"""The ids of HubSpot's own associations, those without a label."""


@dataclass(kw_only=True)
class Owner:
    """A user who can own records. `id` is not `user_id`."""

    id: str
    user_id: int
    first_name: str
    last_name: str
    email: str
    created: datetime
    archived: bool = False

    def shown(self) -> dict[str, Any]:
        """Return the owner as the API shows it; an archived one has no user id any more."""
        found = {
            "id": self.id,
            "email": self.email,
            "type": "PERSON",
            "firstName": self.first_name,
            "lastName": self.last_name,
            "userIdIncludingInactive": self.user_id,
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.created),
            "archived": self.archived,
        }
        return found if self.archived else found | {"userId": self.user_id}


@dataclass(kw_only=True)
class Record:
    """A record of any type."""

    id: str
    type: str
    created: datetime
    updated: datetime
    properties: dict[str, str] = field(default_factory=dict)
    archived_at: datetime | None = None
    indexed: dict[str, str] | None = None
    """What search still shows of it while its index lags behind."""

    @property
    def changed_property(self) -> str:
        """Return the name of the property that holds the time of the last change."""
        return "lastmodifieddate" if self.type == "contacts" else "hs_lastmodifieddate"

    def touch(self, now: datetime) -> None:
        """Keep the time of a change."""
        self.updated = now
        self.properties["createdate"] = stamp(self.created)
        self.properties["hs_object_id"] = self.id
        self.properties[self.changed_property] = stamp(now)

    def shown(self, wanted: list[str] | None = None) -> dict[str, Any]:
        """Return the record as the API shows it, with these properties; None for all it has."""
        found: dict[str, Any] = {
            "id": self.id,
            "properties": self._chosen(wanted),
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
            "archived": self.archived_at is not None,
        }
        if self.archived_at is not None:
            found["archivedAt"] = stamp(self.archived_at)
        number = TYPES[self.type][1]
        found["url"] = f"https://app.hubspot.com/contacts/{PORTAL}/record/{number}/{self.id}"
        return found

    def _chosen(self, wanted: list[str] | None) -> dict[str, str | None]:
        if wanted is None:
            return dict(self.properties)
        names = {*wanted, "createdate", "hs_object_id", self.changed_property}
        return {name: self.properties.get(name) or None for name in sorted(names)}


class Links:
    """Which records belong together, seen from both ends, each with its association ids."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str, str], dict[str, set[int]]] = {}

    def add(self, one: Record, other: Record) -> None:
        """Join two records; a contact's first company is its primary one."""
        for a, b in ((one, other), (other, one)):
            types = self._links.setdefault((a.type, a.id, b.type), {}).setdefault(b.id, set())
            types.add(PLAIN[a.type, b.type])
        if {one.type, other.type} == {"contacts", "companies"}:
            contact, company = (one, other) if one.type == "contacts" else (other, one)
            if not contact.properties.get("associatedcompanyid"):
                contact.properties["associatedcompanyid"] = company.id
                self._links[contact.type, contact.id, company.type][company.id].add(1)
                self._links[company.type, company.id, contact.type][contact.id].add(2)

    def of(self, record: Record, type_: str) -> dict[str, set[int]]:
        """Return the ids of the records of a type that belong to this one."""
        return self._links.get((record.type, record.id, type_), {})

    def shown(self, record: Record, type_: str) -> Iterator[dict[str, str]]:
        """Give the associations as a record's page shows them.

        Between contacts and companies a primary one is there twice, once without its label.
        """
        name = f"{TYPES[record.type][0]}_to_{TYPES[type_][0]}"
        primary = PRIMARY.get((record.type, type_))
        for id_, types in sorted(self.of(record, type_).items(), key=lambda link: int(link[0])):
            if primary is None or primary in types:
                yield {"id": id_, "type": name}
            if primary is not None:
                yield {"id": id_, "type": f"{name}_unlabeled"}
