"""Reading: one page at a time, parsed straight into the fields that are wanted.

A watermark is a time of the server (ISO 8601), taken from its rows and its `Date`: our own
clock may be wrong. The next pull looks back over it, since a transaction may have begun before
the last pull and ended after it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
from simple_salesforce.format import format_soql

from connectors.errors import Refused, Unauthorized
from connectors.ports import Account, Contact, Owner, Page, Record, Trigger, TriggerEvent
from connectors.salesforce.api import Org, decoded, server_time
from connectors.salesforce.config import Config
from connectors.salesforce.errors import SERVICE
from connectors.salesforce.fields import Schema

LOOK_BACK: Final = timedelta(minutes=5)
IDS_MAX: Final = 400
R = TypeVar("R", bound=Record)


class Row(msgspec.Struct):
    """One record of an answer; each query has a child of it with its own fields."""


class Answer(msgspec.Struct):
    """What every page says besides its records."""

    done: bool
    next: str | None
    rows: list[Any]
    at: datetime | None
    """The server's time when it answered."""


class Gone(Row):
    """A record in the recycle bin; a merge has put it there where it has a master."""

    Id: str
    SystemModstamp: str
    MasterRecordId: str | None = None


class User(Row):
    """A user."""

    Id: str
    Name: str | None = None
    Email: str | None = None
    IsActive: bool = True


class Company(Row):
    """An account."""

    Id: str
    SystemModstamp: str
    Name: str | None = None
    OwnerId: str | None = None
    Industry: str | None = None


class ClosedCase(Row):
    """A closed case."""

    Id: str
    ContactId: str
    ClosedDate: str
    Subject: str | None = None


class Person(Row):
    """A contact; the mapped fields may be of any type and stand in a child of it."""

    Id: str
    SystemModstamp: str
    Email: str | None = None
    FirstName: str | None = None
    LastName: str | None = None
    Title: str | None = None
    AccountId: str | None = None
    OwnerId: str | None = None
    HasOptedOutOfEmail: bool | None = None
    EmailBouncedReason: str | None = None
    IsEmailBounced: bool | None = None


class Puller:
    """Reads users, accounts, contacts and closed cases of one org."""

    def __init__(self, org: Org, schema: Schema, config: Config) -> None:
        self.org = org
        self.schema = schema
        self.config = config

    def owners(self) -> Iterator[Page[Owner]]:
        """Return all users."""
        names = self.schema.visible("User", User.__struct_fields__)
        soql = f"SELECT {', '.join(names)} FROM User ORDER BY Id"  # noqa: S608 - our own names
        for answer in self.answers(soql, User):
            yield Page(records=[_owner(row) for row in answer.rows])

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Return the accounts that changed, and which are gone."""
        yield from self._changed("Account", Company, _account, since)

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Return the contacts that changed, and which are gone."""
        extra = [name for name in (self.config.product_field, self.config.locale_field) if name]
        shape = msgspec.defstruct(
            "MappedPerson", [(name, Any, None) for name in dict.fromkeys(extra)], bases=(Person,)
        )

        def contact(row: Any) -> Contact:  # noqa: ANN401 - a shape made above
            return _contact(row, self.config)

        yield from self._changed("Contact", shape, contact, since)

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Return the cases closed since then; of the last 30 days where it is None."""
        names = self.schema.visible("Case", ClosedCase.__struct_fields__)
        begin = _begin(since) if since else "LAST_N_DAYS:30"
        soql = (
            f"SELECT {', '.join(names)} FROM Case WHERE IsClosed = true AND ContactId != null"  # noqa: S608 - our own names
            f" AND ClosedDate >= {begin} ORDER BY ClosedDate, Id"
        )
        started = None
        for answer in self.answers(soql, ClosedCase):
            started = started or answer.at
            mark = answer.rows[-1].ClosedDate if answer.rows else None
            records = [_trigger(row) for row in answer.rows]
            yield Page(records=records, watermark=_mark(answer, mark, started, since))

    def answers(self, soql: str, shape: type[Row], *, deleted: bool = False) -> Iterator[Answer]:
        """Return the pages of a query, one in memory at a time. `deleted` finds everything."""
        decoder = _decoder(shape)
        try:
            path = "queryAll/" if deleted else "query/"
            response = self.org.send("GET", path, params={"q": soql})
            while True:
                page = decoded(response, decoder)
                following = None if page.done else page.nextRecordsUrl
                yield Answer(not following, following, page.records, server_time(response))
                if not following:
                    return
                response = self.org.follow(following)
        except Refused as error:
            raise Unauthorized(SERVICE, f"a query was refused: {error.problem}") from None

    def _changed(
        self,
        sobject: str,
        shape: type[Any],
        convert: Callable[[Any], R],
        since: str | None,
    ) -> Iterator[Page[R]]:
        """Tell first what is gone, then what changed, in the order in which it changed."""
        names = self.schema.visible(sobject, shape.__struct_fields__)
        changed = f"SystemModstamp >= {_begin(since)}" if since else ""
        where = " AND ".join(filter(None, ("IsDeleted = true", changed)))
        soql = (
            f"SELECT Id, MasterRecordId, SystemModstamp FROM {sobject} WHERE {where}"  # noqa: S608 - our own names
            " ORDER BY SystemModstamp, Id"
        )
        started = None
        for answer in self.answers(soql, Gone, deleted=True):
            started = started or answer.at
            if answer.rows:
                yield _gone(answer.rows)
        soql = (
            f"SELECT {', '.join(names)} FROM {sobject} {'WHERE ' + changed if changed else ''}"  # noqa: S608 - our own names
            " ORDER BY SystemModstamp, Id"
        )
        for answer in self.answers(soql, shape):
            mark = answer.rows[-1].SystemModstamp if answer.rows else None
            records = [convert(row) for row in answer.rows]
            yield Page(records=records, watermark=_mark(answer, mark, started, since))


def among(field: str, values: Sequence[str]) -> str:
    """Return the condition that a field has one of these values, quoted."""
    return str(format_soql("{field:literal} IN {values}", field=field, values=list(values)))


_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def _decoder(shape: type[Row]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a page of such rows; fields that nobody asked for are skipped."""
    page = msgspec.defstruct(
        "PageOfRows",
        [("done", bool), ("records", list[shape]), ("nextRecordsUrl", str | None, None)],  # type: ignore[valid-type]
    )
    return msgspec.json.Decoder(page)


def _begin(since: str) -> str:
    begin = datetime.fromisoformat(since) - LOOK_BACK
    return str(format_soql("{}", begin))


def _mark(
    answer: Answer, stamp: str | None, started: datetime | None, since: str | None
) -> str | None:
    """Return where the next pull may start once this page is kept.

    In the middle that is the last row's stamp; at the end it is when the server began to answer.
    """
    if answer.done and started is not None:
        return started.isoformat()
    if stamp is None:
        return since
    return datetime.fromisoformat(stamp).astimezone(UTC).isoformat()


def _gone(rows: Sequence[Gone]) -> Page[Any]:
    merged: Mapping[str, str] = {row.Id: row.MasterRecordId for row in rows if row.MasterRecordId}
    return Page(gone=[row.Id for row in rows if not row.MasterRecordId], merged=merged)


def _owner(row: User) -> Owner:
    return Owner(id=row.Id, name=row.Name or "", email=row.Email or "", active=row.IsActive)


def _account(row: Company) -> Account:
    return Account(
        id=row.Id, name=row.Name or "", owner_id=row.OwnerId or "", industry=row.Industry or ""
    )


def _contact(row: Any, config: Config) -> Contact:  # noqa: ANN401 - a child of Person
    product = getattr(row, config.product_field) if config.product_field else None
    locale = getattr(row, config.locale_field) if config.locale_field else None
    return Contact(
        id=row.Id,
        email=row.Email or "",
        first_name=row.FirstName or "",
        last_name=row.LastName or "",
        title=row.Title or "",
        account_id=row.AccountId or "",
        owner_id=row.OwnerId or "",
        locale=str(locale or "").replace("_", "-"),
        product=str(product or ""),
        opted_out=bool(row.HasOptedOutOfEmail),
        bounced=bool(row.IsEmailBounced or row.EmailBouncedReason),
    )


def _trigger(row: ClosedCase) -> Trigger:
    return Trigger(
        id=row.Id,
        event=TriggerEvent.CASE_CLOSED,
        contact_id=row.ContactId,
        subject=row.Subject or "",
        at=datetime.fromisoformat(row.ClosedDate).astimezone(UTC),
    )
