"""What HubSpot answers, as far as we read it. What it does not send has a default."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

Row = TypeVar("Row")


class Next(Struct, gc=False):
    """Where the next page begins."""

    after: str


class Paging(Struct, gc=False):
    """Whether there is a next page."""

    next: Next | None = None


class Listed(Struct, Generic[Row]):
    """A page of records, of a list or of a search."""

    results: Sequence[Row]
    paging: Paging | None = None

    @property
    def after(self) -> str:
        """Where the next page begins; nothing where this is the last."""
        return self.paging.next.after if self.paging and self.paging.next else ""


class Batch(Struct, Generic[Row]):
    """The answer to a batch: what went well, and what did not."""

    results: Sequence[Row] = ()
    errors: Sequence[dict[str, Any]] = ()


class Link(Struct, gc=False):
    """A record that belongs to another, in a list."""

    id: str
    type: str = ""


class Links(Struct):
    """The records of one type that belong to another."""

    results: Sequence[Link] = ()


class Associations(Struct):
    """What belongs to a contact."""

    companies: Links = field(default_factory=Links)


class Id(Struct, gc=False):
    """A record's id."""

    id: str


class LinkKind(Struct, gc=False, rename="camel"):
    """What kind of association it is."""

    type_id: int


class Linked(Struct, rename="camel"):
    """A record that belongs to another, in a batch."""

    to_object_id: str | int
    association_types: Sequence[LinkKind] = ()


class LinkedFrom(Struct):
    """What belongs to one record of a batch."""

    from_: Id = field(name="from")
    to: Sequence[Linked] = ()
    paging: Paging | None = None


class Plain(Struct, rename="camel"):
    """A record whose properties have no names of ours."""

    id: str
    properties: dict[str, str | None] = field(default_factory=dict)
    object_write_trace_id: str = ""

    def text(self, name: str) -> str:
        """Return a property's value, empty where it has none."""
        return self.properties.get(name) or ""


class Archived(Struct, rename="camel"):
    """A record in the recycling bin."""

    id: str
    archived_at: datetime | None = None


class OwnerRow(Struct, rename="camel"):
    """A user who can own records."""

    id: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    archived: bool = False


class PropertyRow(Struct):
    """A property's definition."""

    name: str
    type: str = ""


class Account(Struct, rename="camel"):
    """The account that a token belongs to."""

    portal_id: int
    ui_domain: str = "app.hubspot.com"
