"""What the sandbox's HubSpot account holds, and verbs to fill and read it directly."""

import copy
import itertools
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.sandbox.hubspot.limits import Limits
from connectors.sandbox.hubspot.problems import PORTAL, Invalid, invalid, not_found, taken
from connectors.sandbox.hubspot.records import PLAIN, Links, Owner, Record
from connectors.sandbox.hubspot.schema import TYPES, Schema, stamp, type_named

FIRST_ID: Final = {type_: (n + 1) * 10_000_000_001 for n, type_ in enumerate(TYPES)}
FIRST_OWNER: Final = 70_001
CLOSED_STAGE: Final = "4"
SEARCHES: Final = 5


class State:
    """The account. Everything that changes or reads several things takes `lock`.

    `add`, `update` and their like trust their caller: they know every property, read-only ones
    included, and check no address and no option, as an import of years ago did not.
    """

    def __init__(self, *, prepared: bool = True, now: Callable[[], datetime] | None = None) -> None:
        self.portal = PORTAL
        self.now = now or (lambda: datetime.now(UTC))
        self.lock = threading.RLock()
        self.schema = Schema(prepared=prepared)
        self.limits = Limits()
        self.index_delay_s = 0.0
        """How long a change takes to be found by search."""
        self.associations_page = 500
        """How many associations of one record an answer holds."""
        self.token = ""
        """The only token that is taken; any where empty."""
        self.requests: Counter[str] = Counter()
        self.owners: dict[str, Owner] = {}
        self.links = Links()
        self._records: dict[str, dict[str, Record]] = {type_: {} for type_ in TYPES}
        self._order: dict[str, list[int]] = {type_: [] for type_ in TYPES}
        self._ids = {type_: itertools.count(first) for type_, first in FIRST_ID.items()}
        self._addresses: dict[str, str] = {}

    @property
    def rate(self) -> int | None:
        """How many calls are taken in ten seconds, searches apart; None for no limit."""
        return self.limits.rate.calls

    @rate.setter
    def rate(self, calls: int | None) -> None:
        self.limits.rate.calls = calls
        self.limits.search.calls = None if calls is None else SEARCHES

    def add_owner(self, first_name: str, last_name: str, email: str, *, active: bool = True) -> str:
        """Add a user and return the id."""
        with self.lock:
            id_ = str(FIRST_OWNER + len(self.owners))
            self.owners[id_] = Owner(
                id=id_,
                user_id=900_001 + len(self.owners),
                first_name=first_name,
                last_name=last_name,
                email=email,
                created=self.now(),
                archived=not active,
            )
            return id_

    def active_owners(self) -> list[str]:
        """Return the ids of the users who can be given something."""
        return [owner.id for owner in self.owners.values() if not owner.archived]

    def add(
        self,
        type_: str,
        properties: Mapping[str, str],
        associations: Iterable[tuple[str, str]] = (),
    ) -> str:
        """Add a record, joined to others (`[("companies", id)]`), and return its id.

        Raise a `Problem` where another contact has the address or a property is unknown.
        """
        with self.lock:
            type_ = type_named(type_)
            others = [self.get(*pair) for pair in associations]
            self._known(type_, properties)
            self._free(type_, properties)
            number, now = next(self._ids[type_]), self.now()
            record = Record(id=str(number), type=type_, created=now, updated=now)
            self._records[type_][record.id] = record
            self._order[type_].append(number)
            self._set(record, properties)
            for other in others:
                self._join(record, other)
            return record.id

    def get(self, type_: str, id_: str, *, archived: bool = False) -> Record:
        """Return a record. Raise a 404 where there is none."""
        record = self._records[type_named(type_)].get(id_)
        if record is None or (record.archived_at is not None) is not archived:
            raise not_found()
        return record

    def find(self, type_: str, id_: str) -> Record | None:
        """Return a record, archived or not, if there is such a one."""
        return self._records[type_named(type_)].get(id_)

    def all(self, type_: str, *, archived: bool = False) -> list[Record]:
        """Return the records of a type, oldest first."""
        with self.lock:
            there = self._records[type_named(type_)].values()
            return [record for record in there if (record.archived_at is not None) is archived]

    def page(self, type_: str, after: str, limit: int, *, archived: bool) -> list[Record]:
        """Return up to `limit` records that follow the one with the id `after`."""
        there, order = self._records[type_], self._order[type_]
        found: list[Record] = []
        for number in itertools.islice(order, bisect_right(order, int(after or 0)), None):
            record = there[str(number)]
            if (record.archived_at is not None) is archived:
                found.append(record)
                if len(found) == limit:
                    break
        return found

    def update(self, type_: str, id_: str, properties: Mapping[str, str]) -> None:
        """Change a record's properties; an empty value clears one."""
        with self.lock:
            record = self.get(type_, id_)
            self._known(record.type, properties)
            self._free(record.type, properties, record.id)
            self._set(record, properties)

    def archive(self, type_: str, id_: str) -> None:
        """Put a record into the recycling bin."""
        with self.lock:
            record = self.get(type_, id_)
            record.archived_at = self.now()
            self._addresses = {a: i for a, i in self._addresses.items() if i != id_}

    def merge(self, type_: str, winner: str, loser: str) -> None:
        """Merge two records: the loser is no more, the winner names it and has its things."""
        with self.lock:
            left, gone = self.get(type_, winner), self.get(type_, loser)
            for other in TYPES:
                for id_ in self.links.of(gone, other):
                    self._join(left, self._records[other][id_])
            names = [left.properties.get("hs_merged_object_ids", ""), gone.id]
            names.append(gone.properties.get("hs_merged_object_ids", ""))
            own = {name: v for name, v in gone.properties.items() if not left.properties.get(name)}
            merged = {"hs_merged_object_ids": ";".join(filter(None, names))}
            self._set(left, own | merged)
            del self._records[left.type][loser]
            del self._order[left.type][bisect_left(self._order[left.type], int(loser))]
            self._addresses = {a: winner if i == loser else i for a, i in self._addresses.items()}

    def associate(self, type_: str, id_: str, to_type: str, to_id: str) -> None:
        """Join two records."""
        with self.lock:
            self._join(self.get(type_, id_), self.get(to_type, to_id))

    def associated(self, type_: str, id_: str, to_type: str) -> list[Record]:
        """Return the records of a type that belong to this one, without archived ones."""
        with self.lock:
            ids = sorted(self.links.of(self.get(type_, id_), type_named(to_type)), key=int)
            found = (self._records[type_named(to_type)].get(other) for other in ids)
            return [record for record in found if record and record.archived_at is None]

    def contact_at(self, address: str) -> str:
        """Return the id of the contact that has this address, or nothing."""
        return self._addresses.get(address.lower(), "")

    def remembered(self) -> Any:  # noqa: ANN401 - for `restore` alone
        """Return everything as it stands, for `restore`."""
        return copy.deepcopy((self._records, self._order, self._addresses, self.links))

    def restore(self, kept: Any) -> None:  # noqa: ANN401 - from `remembered`
        """Undo everything since."""
        self._records, self._order, self._addresses, self.links = kept

    def as_indexed(self, record: Record) -> Mapping[str, str] | None:
        """Return the properties that search knows of a record; None where it knows none yet."""
        if record.updated <= self.now() - timedelta(seconds=self.index_delay_s):
            return record.properties
        return record.indexed

    def _join(self, one: Record, other: Record) -> None:
        if (one.type, other.type) not in PLAIN:
            wrong = f"{one.type} cannot be associated with {other.type}"
            raise invalid([Invalid("associations", "INVALID_ASSOCIATION", wrong)])
        self.links.add(one, other)

    def _known(self, type_: str, properties: Mapping[str, str]) -> None:
        wrong = [
            Invalid(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
            for name in properties
            if self.schema.find(type_, name) is None
        ]
        if wrong:
            raise invalid(wrong)

    def _free(self, type_: str, properties: Mapping[str, str], own: str = "") -> None:
        if type_ != "contacts":
            return
        holder = self.contact_at(properties.get("email", ""))
        if holder and holder != own:
            raise taken(holder)

    def _set(self, record: Record, properties: Mapping[str, str]) -> None:
        before = self.as_indexed(record) if record.properties else None
        record.indexed = dict(before) if before is not None else None
        was = dict(record.properties)
        record.properties.update(properties)
        _derive(record, was, self.now())
        record.touch(self.now())
        if record.type == "contacts" and "email" in properties:
            self._addresses.pop(was.get("email", "").lower(), None)
            if properties["email"]:
                self._addresses[properties["email"].lower()] = record.id


def _derive(record: Record, was: Mapping[str, str], now: datetime) -> None:
    """Set what HubSpot sets itself when a task is finished or a ticket closed."""
    state, set_at, final = {
        "tasks": ("hs_task_status", "hs_task_completion_date", "COMPLETED"),
        "tickets": ("hs_pipeline_stage", "closed_date", CLOSED_STAGE),
    }.get(record.type, ("", "", ""))
    if not state or record.properties.get(state) == was.get(state):
        return
    if record.properties.get(state) != final:
        record.properties[set_at] = ""
    elif record.properties.get(set_at) == was.get(set_at):
        record.properties[set_at] = stamp(now)
