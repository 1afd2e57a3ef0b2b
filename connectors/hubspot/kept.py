"""Notes and tasks that carry our mark: found again, else created.

HubSpot has no unique property on them, and its search lags. So we look through the notes or
tasks that belong to the contact, which HubSpot knows at once, before we create one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from connectors.errors import Refused
from connectors.hubspot.api import ASSOCIATIONS, BATCH, OBJECTS, Api, turn
from connectors.hubspot.shapes import Batch, LinkedFrom, Plain
from connectors.hubspot.texts import mark_in, mark_of
from connectors.ports import Outcome

TO_CONTACT: Final = {"notes": 202, "tasks": 204}
TO_COMPANY: Final = {"notes": 190, "tasks": 192}
BODY: Final = {"notes": "hs_note_body", "tasks": "hs_task_body"}


class Kept(NamedTuple):
    """A note or task that is to be there."""

    key: str
    contact_id: str
    account_id: str
    properties: Mapping[str, str]


Changes = Callable[[Plain, Kept], Mapping[str, str]]


def keep_each(api: Api, type_: str, items: Sequence[Kept], changes: Changes) -> list[Outcome]:
    """Create the items, or bring those that are there up to date.

    `changes` says what to write to one that is there; nothing where it is as it should be.
    """
    wanted = {item.key: item for item in items}
    there = _there(api, type_, wanted.values())
    outcomes: dict[str, Outcome] = {}
    updates: dict[str, dict[str, Any]] = {}
    for key, row in there.items():
        outcomes[key] = Outcome(row.id)
        if changed := changes(row, wanted[key]):
            updates[key] = {"id": row.id, "properties": dict(changed)}
    path = f"{OBJECTS}/{type_}/batch"
    if updates:
        outcomes |= api.put_each(f"{path}/update", updates).outcomes
    missing = {key: _new(type_, item) for key, item in wanted.items() if key not in there}
    if missing:
        outcomes |= api.put_each(f"{path}/create", missing).outcomes
    again = {
        key: _new(type_, item) for key, item in _without_company(wanted, outcomes) if key in missing
    }
    if again:
        outcomes |= api.put_each(f"{path}/create", again).outcomes
    return [outcomes[item.key] for item in items]


def _without_company(
    wanted: Mapping[str, Kept], outcomes: Mapping[str, Outcome]
) -> Iterable[tuple[str, Kept]]:
    """Give the refused items without their company: that may be what is gone."""
    for key, item in wanted.items():
        error = outcomes[key].error
        if isinstance(error, Refused) and error.code != "inactive_owner" and item.account_id:
            yield key, item._replace(account_id="")


def _there(api: Api, type_: str, items: Iterable[Kept]) -> dict[str, Plain]:
    """Return those of the items that are in HubSpot, by their keys."""
    marks = {mark_of(item.key): item.key for item in items}
    contacts = list(dict.fromkeys(item.contact_id for item in items))
    ids = _belonging(api, type_, contacts)
    if not ids:
        return {}
    properties = [BODY[type_], *PROPERTIES[type_]]
    rows = api.read_each(f"{OBJECTS}/{type_}", ids, properties).results
    found: dict[str, Plain] = {}
    for row in sorted(rows, key=lambda row: (len(row.id), row.id), reverse=True):
        if key := marks.get(mark_in(row.text(BODY[type_]))):
            found[key] = row
    return found


PROPERTIES: Final[Mapping[str, Sequence[str]]] = {
    "notes": (),
    "tasks": ("hs_task_subject", "hs_task_status", "hs_task_priority"),
}
LINKS: Final = msgspec.json.Decoder(Batch[LinkedFrom])


def _belonging(api: Api, type_: str, contacts: Sequence[str]) -> list[str]:
    """Return the ids of the notes or tasks of these contacts."""
    asked: list[dict[str, str]] = [{"id": id_} for id_ in contacts]
    found: dict[str, None] = {}
    while asked:
        now, asked = asked[:BATCH], asked[BATCH:]
        path = f"{ASSOCIATIONS}/contacts/{type_}/batch/read"
        before = {one["id"]: one for one in now}
        for each in api.post(path, {"inputs": now}).read(LINKS).results:
            found |= dict.fromkeys(str(linked.to_object_id) for linked in each.to)
            if each.paging and each.paging.next:
                onward = dict(before.get(each.from_.id, {"id": each.from_.id}))
                turn(onward, each.paging.next.after)
                asked.append(onward)
    return list(found)


def _new(type_: str, item: Kept) -> dict[str, Any]:
    to = [(item.contact_id, TO_CONTACT[type_]), (item.account_id, TO_COMPANY[type_])]
    return {
        "properties": dict(item.properties),
        "associations": [
            {
                "to": {"id": id_},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}],
            }
            for id_, kind in to
            if id_
        ],
    }
