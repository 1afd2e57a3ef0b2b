"""The records of the org, kept in memory, and the plain-Python way to them.

All of it may be used from several threads: the server's, the demo's, a test's.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connectors.sandbox.salesforce import ids, values
from connectors.sandbox.salesforce.answers import SaveError
from connectors.sandbox.salesforce.fields import SObject
from connectors.sandbox.salesforce.objects import derive, objects

INTEGRATION_USERNAME: Final = "integration@npsloop.example"
FIRST_NUMBER: Final = 916_132_832 * 62
"""The first id's number; a seed moves it on."""
FOUND_NUMBER: Final = 1_000

Record = dict[str, Any]


@dataclass(kw_only=True)
class Failure:
    """A record that the org will not save, this many times."""

    code: str
    message: str
    record_id: str = ""
    times: int = 1


class State:
    """Everything that the org knows.

    `daily_max` is the day's quota of API requests, `requests` counts them by kind, `api_used`
    is what the quota has lost. `duplicates_block` switches on a duplicate rule for contacts of
    one address.
    """

    def __init__(self, *, seed: int, prepared: bool, now: Callable[[], datetime]) -> None:
        self.lock = threading.RLock()
        self.objects: dict[str, SObject] = objects(prepared=prepared)
        self.requests: Counter[str] = Counter()
        self.daily_max = 100_000
        self.api_used = 0
        self.duplicates_block = False
        self.sessions: set[str] = set()
        self.cursors: dict[str, Any] = {}
        self.failures: list[Failure] = []
        self.hidden: set[tuple[str, str]] = set()
        self.read_only: set[tuple[str, str]] = set()
        self._now = now
        self._records: dict[str, dict[str, Record]] = {name: {} for name in self.objects}
        self._keys: dict[tuple[str, str, str], str] = {}
        self._number = FIRST_NUMBER + seed % 1_000_000 * 100_000
        self.me = ""
        self.me = self.add(
            "User",
            {"LastName": "npsloop", "Email": INTEGRATION_USERNAME, "IsActive": True}
            | {"Username": INTEGRATION_USERNAME},
        )

    # Records

    def add(self, sobject: str, fields: Mapping[str, Any]) -> str:
        """Add a record as if it had always been there and return its id.

        Unknown fields, values of a wrong type and missing required fields raise `ValueError`;
        old sins (an address that is none, an inactive owner) are taken as they are. What the
        server sets by itself (ClosedDate, CreatedDate, IsArchived, ...) may be given.
        """
        with self.lock:
            return self.insert(sobject, self._clean(sobject, fields, whole=True))

    def get(self, sobject: str, record_id: str) -> Record:
        """Return a copy of a record, deleted or not. Raise `KeyError` where there is none."""
        with self.lock:
            return dict(self._records[sobject][ids.whole(record_id) or record_id])

    def all(self, sobject: str, *, deleted: bool = False) -> list[Record]:
        """Return copies of all records, in the order in which they came."""
        with self.lock:
            rows = self._records[sobject].values()
            return [dict(row) for row in rows if deleted or not row.get("IsDeleted")]

    def update(self, sobject: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Change a record as its owner would in the browser, or as the server would."""
        with self.lock:
            self.change(sobject, record_id, self._clean(sobject, fields, whole=False))

    def delete(self, sobject: str, record_id: str) -> None:
        """Put a record into the recycle bin; an account takes its contacts with it."""
        with self.lock:
            self.change(sobject, record_id, {"IsDeleted": True})
            if sobject != "Account":
                return
            for contact in self.all("Contact"):
                if contact["AccountId"] == record_id:
                    self.delete("Contact", contact["Id"])

    def purge(self, sobject: str, record_id: str) -> None:
        """Empty the recycle bin of this record: not even queryAll finds it."""
        with self.lock:
            self.drop(sobject, record_id)

    def merge(self, sobject: str, winner: str, losers: Sequence[str]) -> None:
        """Merge records: the losers are deleted, and what hung on them hangs on the winner."""
        with self.lock:
            for loser in losers:
                self.change(sobject, loser, {"IsDeleted": True, "MasterRecordId": winner})
                self._point_on(loser, winner)

    # What goes wrong on request

    def hide(self, sobject: str, field: str) -> None:
        """Take the integration user's right to see a field."""
        self.hidden.add((sobject, field))

    def forbid(self, sobject: str, field: str) -> None:
        """Take the integration user's right to write a field."""
        self.read_only.add((sobject, field))

    def fail(self, code: str, message: str = "", *, record_id: str = "", times: int = 1) -> None:
        """Refuse to save the next records, or those of one id, with this status code."""
        with self.lock:
            text = message or code.lower().replace("_", " ")
            failure = Failure(code=code, message=text, record_id=record_id, times=times)
            self.failures.append(failure)

    def expire_sessions(self) -> None:
        """End all sessions: their tokens are worth nothing from now on."""
        with self.lock:
            self.sessions.clear()

    def drop_cursors(self) -> None:
        """Forget all queries that are under way."""
        with self.lock:
            self.cursors.clear()

    # For the server; the caller holds the lock

    def now(self) -> datetime:
        """Return the server's time, in whole seconds as its stamps are."""
        return self._now().astimezone(UTC).replace(microsecond=0)

    def schema(self, sobject: str) -> SObject | None:
        """Return an object as the integration user sees it; None where there is none."""
        lower = sobject.lower()
        found = next((it for name, it in self.objects.items() if name.lower() == lower), None)
        if found is None or not any(name == found.name for name, _ in self.hidden):
            return found
        seen = {
            name: field
            for name, field in found.fields.items()
            if (found.name, name) not in self.hidden
        }
        return SObject(
            name=found.name, prefix=found.prefix, fields=seen, createable=found.createable
        )

    def rows(self, sobject: str) -> dict[str, Record]:
        """Return the records of an object themselves, deleted ones too."""
        return self._records[sobject]

    def find(self, record_id: str) -> tuple[str, Record] | None:
        """Return the object and the record that an id belongs to."""
        for name, schema in self.objects.items():
            if record_id.startswith(schema.prefix):
                row = self._records[name].get(record_id)
                return None if row is None else (name, row)
        return None

    def insert(self, sobject: str, fields: Mapping[str, Any]) -> str:
        """Keep a new record of clean values and return its id."""
        schema, now = self.objects[sobject], self.now()
        self._number += 1
        defaults = {name: field.default for name, field in schema.fields.items()}
        made = {
            "Id": ids.make(schema.prefix, self._number),
            "CreatedDate": now,
            "CreatedById": self.me,
            "OwnerId": self.me,
        }
        numbered = {"Case": ("CaseNumber", "{:08d}"), "NPS_Answer__c": ("Name", "A-{:05d}")}
        if sobject in numbered:
            name, pattern = numbered[sobject]
            made[name] = pattern.format(FOUND_NUMBER + len(self._records[sobject]))
        record = {
            name: value
            for name, value in {**defaults, **made, **fields}.items()
            if name in defaults
        }
        self._stamp(record, fields)
        self._hang(sobject, record)
        derive(sobject, record, fields, now)
        self.keep(sobject, record)
        return str(record["Id"])

    def change(self, sobject: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Change a record to clean values."""
        record = self._records[sobject][ids.whole(record_id) or record_id]
        changed = {**record, **fields}
        self._stamp(changed, fields)
        self._hang(sobject, changed)
        derive(sobject, changed, fields, self.now())
        self.keep(sobject, changed)

    def keep(self, sobject: str, record: Record) -> None:
        """Put this version of the record in place of the one before."""
        rows = self._records[sobject]
        self._index(sobject, rows.get(record["Id"]), present=False)
        self._index(sobject, record, present=True)
        rows[record["Id"]] = record

    def drop(self, sobject: str, record_id: str) -> None:
        """Undo an insert, or empty the recycle bin of this record."""
        self._index(sobject, self._records[sobject].pop(record_id), present=False)

    def holder(self, sobject: str, field: str, value: str) -> str | None:
        """Return the id of the record that holds this unique value."""
        return self._keys.get((sobject, field, value.casefold()))

    def _index(self, sobject: str, record: Record | None, *, present: bool) -> None:
        for field in self.objects[sobject].fields.values():
            if record is None or not field.unique or record[field.name] is None:
                continue
            key = (sobject, field.name, str(record[field.name]).casefold())
            if present and not record.get("IsDeleted"):
                self._keys[key] = record["Id"]
            elif self._keys.get(key) == record["Id"]:
                del self._keys[key]

    def _stamp(self, record: Record, given: Mapping[str, Any]) -> None:
        now = self.now()
        stamps = {"LastModifiedDate": now, "SystemModstamp": now, "LastModifiedById": self.me}
        record.update({name: value for name, value in stamps.items() if name not in given})

    def _hang(self, sobject: str, record: Record) -> None:
        """Fill in the account of a task or a case from what it is about."""
        if sobject == "Task":
            what, who = str(record["WhatId"] or ""), str(record["WhoId"] or "")
            of_contact = self._records["Contact"].get(who, {}).get("AccountId")
            record["AccountId"] = what if what.startswith("001") else of_contact
        if sobject == "Case" and record["AccountId"] is None and record["ContactId"]:
            contact = self._records["Contact"].get(record["ContactId"], {})
            record["AccountId"] = contact.get("AccountId")

    def _point_on(self, loser: str, winner: str) -> None:
        for name, rows in self._records.items():
            for record_id, row in list(rows.items()):
                moved = {
                    key: winner
                    for key, value in row.items()
                    if value == loser and key not in {"Id", "MasterRecordId"}
                }
                if moved:
                    self.change(name, record_id, moved)

    def _clean(self, sobject: str, fields: Mapping[str, Any], *, whole: bool) -> Record:
        schema = self.objects[sobject]
        try:
            clean = {
                name: values.read(schema.fields[name], value) for name, value in fields.items()
            }
        except KeyError as error:
            message = f"{sobject} has no field {error}"
            raise ValueError(message) from None
        except (SaveError, values.WrongType) as error:
            message = f"{sobject}: {error}"
            raise ValueError(message) from None
        for field in schema.fields.values():
            if whole and field.required and clean.get(field.name) is None:
                message = f"{sobject} needs {field.name}"
                raise ValueError(message)
        return clean
