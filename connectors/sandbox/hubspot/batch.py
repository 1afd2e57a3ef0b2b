"""Up to a hundred records at a time, and associations: `.../batch/{verb}`.

Where every input has an `objectWriteTraceId`, a bad one is told in a 207 and the others go on;
else one bad input fails them all with a 400.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from connectors.sandbox.hubspot.objects import checked, created, identified, matching, updated
from connectors.sandbox.hubspot.problems import Problem, unreadable
from connectors.sandbox.hubspot.records import PLAIN, PRIMARY, Record
from connectors.sandbox.hubspot.schema import TYPES, stamp, type_named
from connectors.sandbox.hubspot.state import State

INPUTS_MAX: Final = 100
ASSOCIATIONS_MAX: Final = 1000

Answer = tuple[int, dict[str, Any] | None]


def read(state: State, type_: str, asked: Any, *, archived: bool) -> Answer:  # noqa: ANN401
    """Read records by their ids, or by a unique property."""
    inputs = _inputs(asked, INPUTS_MAX)
    names = asked.get("properties")
    if not isinstance(names, list):
        raise unreadable("properties")
    results, missing = [], []
    for each in inputs:
        try:
            id_ = identified(state, type_, _id(each), asked)
            results.append(state.get(type_, id_, archived=archived).shown(names))
        except Problem as problem:
            if problem.category != "OBJECT_NOT_FOUND":
                raise
            missing.append(_id(each))
    return _answer(state, results, [_missing(type_, missing)] if missing else [])


def create(state: State, type_: str, asked: Any) -> Answer:  # noqa: ANN401 - any JSON
    """Create records."""
    status, body = _each(state, asked, lambda one: created(state, type_, one).shown())
    return (201 if status == 200 else status), body  # noqa: PLR2004 - nothing failed


def update(state: State, type_: str, asked: Any) -> Answer:  # noqa: ANN401 - any JSON
    """Change records."""
    _once(asked)
    return _each(state, asked, lambda one: updated(state, type_, _id(one), one).shown())


def upsert(state: State, type_: str, asked: Any) -> Answer:  # noqa: ANN401 - any JSON
    """Change the records that a unique property names, or create them."""
    _once(asked)

    def put(one: Mapping[str, Any]) -> dict[str, Any]:
        name, value = str(one.get("idProperty")), _id(one)
        there = matching(state, type_, name, value)
        if there:
            state.update(type_, there, checked(state, type_, one.get("properties")))
            return state.get(type_, there).shown() | {"new": False}
        properties = {name: value} | dict(one.get("properties") or {})
        return created(state, type_, {"properties": properties}).shown() | {"new": True}

    return _each(state, asked, put)


def archive(state: State, type_: str, asked: Any) -> Answer:  # noqa: ANN401 - any JSON
    """Put records into the recycling bin; one that is there already is no problem."""
    for each in _inputs(asked, INPUTS_MAX):
        record = state.find(type_, _id(each))
        if record is not None and record.archived_at is None:
            state.archive(type_, record.id)
    return 204, None


def read_associations(state: State, type_: str, to: str, asked: Any) -> Answer:  # noqa: ANN401
    """Return which records belong to each of these."""
    other, results, missing = type_named(to), [], []
    for each in _inputs(asked, ASSOCIATIONS_MAX):
        record = state.find(type_, _id(each))
        if record is None or record.archived_at is not None:
            missing.append(_id(each))
            continue
        if found := _linked(state, record, other, str(each.get("after", ""))):
            results.append({"from": {"id": record.id}, **found})
    return _answer(state, results, [_missing(type_, missing)] if missing else [])


def _linked(state: State, record: Record, other: str, after: str) -> dict[str, Any]:
    """Return a page of what belongs to a record; nothing where nothing does."""
    there = [
        {"toObjectId": id_, "associationTypes": _types(numbers)}
        for id_, numbers in sorted(state.links.of(record, other).items(), key=lambda p: int(p[0]))
        if (found := state.find(other, id_)) is not None and found.archived_at is None
    ]
    left = [each for each in there if int(str(each["toObjectId"])) > int(after or 0)]
    shown = left[: state.associations_page]
    if not shown:
        return {}
    if len(left) == len(shown):
        return {"to": shown}
    return {"to": shown, "paging": {"next": {"after": shown[-1]["toObjectId"]}}}


def associate(state: State, type_: str, to: str, asked: Any) -> Answer:  # noqa: ANN401 - any JSON
    """Join records without a label."""
    other, results = type_named(to), []
    for each in _inputs(asked, ASSOCIATIONS_MAX):
        try:
            one, two = str(each["from"]["id"]), str(each["to"]["id"])
        except (KeyError, TypeError):
            raise unreadable("inputs") from None
        state.associate(type_, one, other, two)
        spec = {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": PLAIN[type_, other],
        }
        results.append({"from": {"id": one}, "to": {"id": two}, "associationSpec": spec})
    return _answer(state, results, [])


def _each(
    state: State,
    asked: Any,  # noqa: ANN401 - any JSON
    write: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> Answer:
    """Write the inputs, or none where one is bad and they have no trace ids."""
    inputs = _inputs(asked, INPUTS_MAX)
    traces = [each.get("objectWriteTraceId") for each in inputs]
    if not all(traces):
        return _answer(state, _all_or_none(state, inputs, write), [])
    if len(set(traces)) < len(traces):
        raise Problem(400, "objectWriteTraceId has to be unique in a batch")
    results, errors = [], []
    for each, trace in zip(inputs, traces, strict=True):
        try:
            results.append(write(each) | {"objectWriteTraceId": trace})
        except Problem as problem:
            if problem.category == "CONFLICT":
                problem.context = {"existingId": [problem.message.rpartition(" ")[2]]}
            errors.append(problem.in_batch(str(trace)))
    return _answer(state, results, errors)


def _all_or_none(
    state: State,
    inputs: list[dict[str, Any]],
    write: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> list[dict[str, Any]]:
    kept = state.remembered()
    try:
        return [write(each) for each in inputs]
    except Problem:
        state.restore(kept)
        raise


def _inputs(asked: Any, most: int) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list):
        raise unreadable("inputs")
    inputs = asked["inputs"]
    if not inputs or not all(isinstance(each, dict) for each in inputs):
        raise unreadable("inputs")
    if len(inputs) > most:
        raise Problem(400, f"The maximum number of inputs is {most}: {len(inputs)} were given")
    return list(inputs)


def _once(asked: Any) -> None:  # noqa: ANN401 - any JSON
    """Refuse a batch that names a record twice."""
    ids = [_id(each) for each in _inputs(asked, INPUTS_MAX)]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
    if twice:
        raise Problem(400, f"Duplicate IDs found in batch input: {twice}. IDs must be unique")


def _id(each: Mapping[str, Any]) -> str:
    if not isinstance(each.get("id"), str):
        raise unreadable("id: expected a string")
    return str(each["id"])


def _missing(type_: str, ids: list[str]) -> dict[str, Any]:
    name = TYPES[type_][0].upper()
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {name} objects, they may be deleted or not exist.",
        "context": {"ids": ids},
        "errors": [],
        "links": {},
    }


def _types(numbers: set[int]) -> list[dict[str, Any]]:
    return [
        {"category": "HUBSPOT_DEFINED", "typeId": number}
        | ({"label": "Primary"} if number in PRIMARY.values() else {})
        for number in sorted(numbers)
    ]


def _answer(state: State, results: list[Any], errors: list[dict[str, Any]]) -> Answer:
    now = stamp(state.now())
    body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        return 207, body | {"numErrors": len(errors), "errors": errors}
    return 200, body
