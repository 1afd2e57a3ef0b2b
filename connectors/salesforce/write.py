"""Writing: sObject Collections of up to 200 records, an outcome for each.

Calls come one after another, never side by side: Salesforce locks the account of a contact or
task while it saves. Every request here may be repeated without harm.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from connectors.errors import Doubtful, Refused
from connectors.ports import Outcome
from connectors.salesforce import errors
from connectors.salesforce.api import Org
from connectors.salesforce.errors import RecordError
from connectors.salesforce.pull import Puller, Row, among

BATCH: Final = 200
IN_MAX: Final = 400
IN_MAX_BYTES: Final = 10_000
"""An address may be 16,384 bytes long."""
MERGES_MAX: Final = 3
"""How many merges on merges are followed."""
ID: Final = re.compile(r"[0-9A-Za-z]{18}")
HEADERS: Final = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
KEEP_OWNER: Final = {"Sforce-Auto-Assign": "FALSE"}
"""Else the org's assignment rules would give a lead to somebody else."""
LOST: Final = {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"}
T = TypeVar("T")


class Result(msgspec.Struct):
    """A record's line in the answer."""

    success: bool
    id: str | None = None
    errors: list[RecordError] = []


class Master(Row):
    """Whether a record is deleted, and into which it was merged."""

    Id: str
    IsDeleted: bool = False
    MasterRecordId: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """A record to be saved.

    `needs` names the field whose contact or account must be there, `likes` those that are left
    empty where theirs is gone. `account` keeps records of one account in one request.
    """

    key: str
    values: Mapping[str, Any]
    needs: str
    likes: Sequence[str] = ()
    account: str = ""


@dataclass(kw_only=True)
class Winners:
    """Where the records went that are not there any more."""

    merged: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


class Writer:
    """Saves records of one org."""

    def __init__(self, org: Org, puller: Puller) -> None:
        self.org = org
        self.puller = puller

    def update(self, sobject: str, items: Sequence[Item]) -> list[Outcome]:
        """Change records by their ids."""
        return self._save("composite/sobjects", sobject, items)

    def upsert(self, sobject: str, key_field: str, items: Sequence[Item]) -> list[Outcome]:
        """Create records by their keys, or change them."""
        return self._save(f"composite/sobjects/{sobject}/{key_field}", sobject, items)

    def _save(self, path: str, sobject: str, items: Sequence[Item]) -> list[Outcome]:
        """Save the items and return an outcome for each; of one key the last counts."""
        last = {item.key: item for item in items}
        found = self._all(path, sobject, list(last.values()))
        lost = [last[key] for key, result in found.items() if _lost(result)]
        if lost:
            found |= self._again(path, sobject, lost)
        return [_outcome(found[item.key]) for item in items]

    def _all(self, path: str, sobject: str, items: Sequence[Item]) -> dict[str, Result | Refused]:
        found: dict[str, Result | Refused] = {}
        for batch in batches(items, BATCH, lambda item: item.account):
            results = self._one(path, sobject, batch)
            found |= {item.key: result for item, result in zip(batch, results, strict=True)}
        return found

    def _one(self, path: str, sobject: str, batch: Sequence[Item]) -> Sequence[Result | Refused]:
        records = [{"attributes": {"type": sobject}, **item.values} for item in batch]
        body = msgspec.json.encode({"allOrNone": False, "records": records})
        owned = all("OwnerId" in item.values for item in batch)
        headers = HEADERS | (KEEP_OWNER if owned else {})
        try:
            answer = self.org.restful(path, method="PATCH", data=body, headers=headers)
            results = msgspec.convert(answer, list[Result])
        except msgspec.ValidationError:
            results = []
        if len(results) != len(batch):
            problem = "it answered about other records than we sent"
            raise Doubtful(errors.SERVICE, problem) from None
        return results

    def _again(self, path: str, sobject: str, items: Sequence[Item]) -> dict[str, Result | Refused]:
        """Save once more what names a record that was merged or deleted, where that helps."""
        ids = [
            str(item.values[name])
            for item in items
            for name in (item.needs, *item.likes)
            if item.values.get(name)
        ]
        winners = self._winners(ids)
        found: dict[str, Result | Refused] = {}
        mended = []
        for item in items:
            if item.values[item.needs] in winners.gone:
                found[item.key] = errors.gone("the record that it is about")
            elif (better := _mended(item, winners)) != item:
                mended.append(better)
        return found | self._all(path, sobject, mended)

    def _winners(self, ids: Sequence[str]) -> Winners:
        winners = Winners()
        for sobject, prefix in (("Contact", "003"), ("Account", "001")):
            asked = {known for known in ids if known.startswith(prefix) and ID.fullmatch(known)}
            known = self._masters(sobject, asked)
            for record_id in asked:
                last = record_id
                for _ in range(MERGES_MAX):
                    last = (known[last].MasterRecordId or last) if last in known else last
                if last not in known or known[last].IsDeleted:
                    winners.gone.add(record_id)
                elif last != record_id:
                    winners.merged[record_id] = last
        return winners

    def _masters(self, sobject: str, ids: Iterable[str]) -> dict[str, Master]:
        """Return these records, and those into which they were merged."""
        known: dict[str, Master] = {}
        asked = set(ids)
        for _ in range(MERGES_MAX):
            for row in self.find(sobject, "Id", sorted(asked), Master):
                known[row.Id] = row
            masters = {row.MasterRecordId for row in known.values() if row.MasterRecordId}
            asked = masters - known.keys()
            if not asked:
                break
        return known

    def find(self, sobject: str, name: str, values: Sequence[str], shape: type[T]) -> Iterator[T]:
        """Return the records that have one of these values, deleted and archived ones too."""
        names = ", ".join(getattr(shape, "__struct_encode_fields__"))  # noqa: B009 - any Struct
        for chunk in in_chunks(values):
            soql = f"SELECT {names} FROM {sobject} WHERE {among(name, chunk)}"  # noqa: S608 - quoted
            for answer in self.puller.answers(soql, shape, deleted=True):  # type: ignore[arg-type]
                yield from answer.rows


def batches(items: Sequence[T], size: int, together: Callable[[T], str]) -> Iterator[list[T]]:
    """Cut items into lists of at most `size`, those of one account in one where they fit."""
    groups: dict[str, list[T]] = {}
    for number, item in enumerate(items):
        groups.setdefault(together(item) or f"alone {number}", []).append(item)
    batch: list[T] = []
    for group in groups.values():
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch += group
        while len(batch) > size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def in_chunks(values: Sequence[str]) -> Iterator[list[str]]:
    """Cut values into lists that fit into the address of one query."""
    chunk: list[str] = []
    room = IN_MAX_BYTES
    for value in values:
        needs = len(quote(value, safe="")) + len(quote("'',", safe=""))
        if chunk and (len(chunk) >= IN_MAX or needs > room):
            yield chunk
            chunk, room = [], IN_MAX_BYTES
        chunk.append(value)
        room -= needs
    if chunk:
        yield chunk


def _lost(result: Result | Refused) -> bool:
    return isinstance(result, Result) and any(e.status_code in LOST for e in result.errors)


def _mended(item: Item, winners: Winners) -> Item:
    values = dict(item.values)
    for name in (item.needs, *item.likes):
        value = values.get(name)
        if value in winners.merged:
            values[name] = winners.merged[value]
        elif value in winners.gone:
            values[name] = None
    return replace(item, values=values)


def _outcome(result: Result | Refused) -> Outcome:
    if isinstance(result, Refused):
        return Outcome(error=result)
    if result.success:
        return Outcome(result.id or "")
    return Outcome(error=errors.for_record(result.errors))
