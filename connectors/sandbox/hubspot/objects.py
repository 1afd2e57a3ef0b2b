"""One record at a time, and pages of them: `/crm/objects/2026-09/{type}`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from connectors.sandbox.hubspot.problems import (
    Invalid,
    Problem,
    invalid,
    not_found,
    unreadable,
)
from connectors.sandbox.hubspot.records import PLAIN, PRIMARY, Record
from connectors.sandbox.hubspot.schema import TYPES, type_named
from connectors.sandbox.hubspot.state import State

PAGE_MAX: Final = 100
DEFAULTS: Final = {
    "contacts": ["email", "firstname", "lastname"],
    "companies": ["name", "domain"],
    "deals": ["dealname", "amount", "closedate", "pipeline", "dealstage"],
    "tickets": ["subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority"],
    "tasks": [],
    "notes": [],
}
REQUIRED: Final = {"tasks": ("hs_timestamp",), "notes": ("hs_timestamp",)}


def listed(state: State, type_: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of records."""
    limit, after = asked.get("limit", "10"), asked.get("after", "")
    if not limit.isdigit() or not 0 < int(limit) <= PAGE_MAX:
        raise Problem(400, f"limit must be between 1 and {PAGE_MAX}")
    if after and not after.isdigit():
        raise Problem(400, "after is not a valid cursor")
    archived = asked.get("archived") == "true"
    page = state.page(type_, after, int(limit) + 1, archived=archived)
    shown = page[: int(limit)]
    answer: dict[str, Any] = {"results": [with_links(state, record, asked) for record in shown]}
    if len(page) > len(shown):
        link = f"https://api.hubapi.com/crm/objects/2026-09/{type_}?after={shown[-1].id}"
        answer["paging"] = {"next": {"after": shown[-1].id, "link": link}}
    return answer


def with_links(state: State, record: Record, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a record with the properties and the associations that were asked for."""
    shown = record.shown(_names(asked.get("properties", "")) or DEFAULTS[record.type])
    groups: dict[str, Any] = {}
    for name in _names(asked.get("associations", "")):
        try:
            other = type_named(name)
        except Problem:
            continue
        if results := list(state.links.shown(record, other)):
            groups[other] = {"results": results}
    return shown | {"associations": groups} if groups else shown


def by_id(state: State, type_: str, id_: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return one record."""
    archived = asked.get("archived") == "true"
    record = state.get(type_, identified(state, type_, id_, asked), archived=archived)
    return with_links(state, record, asked)


def identified(state: State, type_: str, id_: str, asked: Mapping[str, Any]) -> str:
    """Return the id of the record that a unique property names. Raise a 404 or a 400."""
    name = asked.get("idProperty") or "hs_object_id"
    if name == "hs_object_id":
        return id_
    found = matching(state, type_, str(name), id_)
    if not found:
        raise not_found()
    return found


def matching(state: State, type_: str, name: str, value: str) -> str:
    """Return the id of the record with this value of a unique property, or nothing."""
    if type_ == "contacts" and name == "email":
        return state.contact_at(value)
    property_ = state.schema.find(type_, name)
    if property_ is None or not property_.unique:
        raise Problem(400, f"Property {name} is not a unique identifier")
    same = (record.id for record in state.all(type_) if record.properties.get(name) == value)
    return next(same, "")


def created(state: State, type_: str, given: Any) -> Record:  # noqa: ANN401 - any JSON
    """Create a record with its associations and return it."""
    if not isinstance(given, dict):
        raise unreadable("expected an object")
    kept = checked(state, type_, given.get("properties"))
    missing = [name for name in REQUIRED.get(type_, ()) if not kept.get(name)]
    if missing:
        raise invalid(
            [Invalid(n, "MISSING_REQUIRED_PROPERTY", f'"{n}" is required') for n in missing]
        )
    others = list(_associations(state, type_, given.get("associations", [])))
    return state.get(type_, state.add(type_, kept, others))


def updated(state: State, type_: str, id_: str, given: Any) -> Record:  # noqa: ANN401 - any JSON
    """Change a record's properties and return it."""
    if not isinstance(given, dict):
        raise unreadable("expected an object")
    record = state.get(type_, identified(state, type_, id_, given))
    state.update(type_, record.id, checked(state, type_, given.get("properties")))
    return record


def checked(state: State, type_: str, given: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON
    """Return properties as they are kept. Raise a 400 that names each bad one."""
    kept, wrong = state.schema.checked(type_, given, state.active_owners())
    if wrong:
        raise invalid(wrong)
    return kept


def _names(listed_: str) -> list[str]:
    return [name for name in listed_.split(",") if name]


def _associations(
    state: State,
    type_: str,
    given: Any,  # noqa: ANN401 - any JSON
) -> Iterable[tuple[str, str]]:
    """Read `[{"to": {"id"}, "types": [{"associationCategory", "associationTypeId"}]}]`."""
    if not isinstance(given, list):
        raise unreadable("associations")
    for each in given:
        try:
            id_ = each["to"]["id"]
            numbers = {spec["associationTypeId"] for spec in each["types"]}
            known = all(s["associationCategory"] == "HUBSPOT_DEFINED" for s in each["types"])
        except (KeyError, TypeError):
            raise unreadable("associations") from None
        other = _other(type_, numbers)
        if not known or not isinstance(id_, str) or state.find(other, id_) is None:
            message = f"{other} {id_} cannot be associated: it is not there"
            raise Problem(400, message, "VALIDATION_ERROR")
        state.get(other, id_)
        yield other, id_


def _other(type_: str, numbers: set[Any]) -> str:
    for other in TYPES:
        if numbers and numbers <= {PLAIN.get((type_, other)), PRIMARY.get((type_, other))}:
            return other
    raise Problem(400, f"{sorted(map(str, numbers))} are no association types of {type_}")
