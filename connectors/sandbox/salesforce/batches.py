"""sObject Collections: up to 200 records a request, a result for each, in their order."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from connectors.sandbox.salesforce import ids, saving, values
from connectors.sandbox.salesforce.answers import ApiError, Saved, SaveError
from connectors.sandbox.salesforce.fields import SObject
from connectors.sandbox.salesforce.querying import attributes
from connectors.sandbox.salesforce.state import Record, State

BATCH_MAX: Final = 200
TYPE_CHUNKS_MAX: Final = 10
ROLLED_BACK: Final = SaveError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone"
    " header",
)
Row = Mapping[str, Any]
Save = Callable[[Row], Saved]


def insert(state: State, body: object, *, allow: bool) -> list[dict[str, Any]]:
    """Serve POST /composite/sobjects."""

    def save(row: Row) -> Saved:
        return Saved(saving.insert(state, typed(state, row), row, allow=allow))

    return _each(state, body, save)


def update(state: State, body: object, *, allow: bool) -> list[dict[str, Any]]:
    """Serve PATCH /composite/sobjects."""

    def save(row: Row) -> Saved:
        record_id = row.get("Id", row.get("id"))
        return Saved(saving.update(state, typed(state, row), record_id, row, allow=allow))

    return _each(state, body, save)


def upsert(
    state: State, schema: SObject, name: str, body: object, *, allow: bool
) -> list[dict[str, Any]]:
    """Serve PATCH /composite/sobjects/{object}/{external id field}."""
    field = saving.external(schema, name)
    seen: set[str] = set()

    def save(row: Row) -> Saved:
        if typed(state, row).name != schema.name:
            raise SaveError("INVALID_TYPE", f"all records have to be of type {schema.name}")
        key = next((row[it] for it in row if it.lower() == field.name.lower()), None)
        if key in {None, ""}:
            raise SaveError("MISSING_ARGUMENT", f"{field.name} not specified", [field.name])
        if str(key).casefold() in seen:
            message = f"Duplicate external id specified: {key}"
            raise SaveError("DUPLICATE_VALUE", message, [field.name])
        seen.add(str(key).casefold())
        return put(state, schema, (field.name, key), row, allow=allow)

    return _each(state, body, save)


def put(state: State, schema: SObject, key: tuple[str, object], row: Row, *, allow: bool) -> Saved:
    """Create the record of this external id, or change it."""
    field = saving.external(schema, key[0])
    if field.name == "Id":
        return Saved(saving.update(state, schema, key[1], row, allow=allow), created=False)
    found = saving.matches(state, schema, field, key[1])
    if len(found) > 1:
        message = f"{field.name}: more than one record found for external id field: {found}"
        raise SaveError("DUPLICATE_EXTERNAL_ID", message, [field.name])
    if found:
        return Saved(saving.update(state, schema, found[0], row, allow=allow), created=False)
    new = {**row, field.name: key[1]}
    return Saved(saving.insert(state, schema, new, allow=allow), created=True)


def delete(state: State, record_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Serve DELETE /composite/sobjects?ids=..."""
    if len(record_ids) > BATCH_MAX:
        raise _too_many(len(record_ids))
    results: list[dict[str, Any]] = []
    for record_id in record_ids:
        found = state.find(ids.whole(record_id) or "")
        try:
            schema = state.objects[found[0] if found else "Account"]
            row = saving.existing(state, schema, record_id)
            state.delete(schema.name, row["Id"])
            results.append(Saved(row["Id"]))
        except SaveError as error:
            results.append(error.result())
    return results


def retrieve(
    state: State, schema: SObject, record_ids: Sequence[str], names: Sequence[str], version: str
) -> list[Record | None]:
    """Serve GET and POST /composite/sobjects/{object}: records in order, null where missing."""
    if not names or not record_ids:
        raise ApiError(400, "MISSING_ARGUMENT", "ids and fields are required")
    return [show(state, schema, record_id, names, version) for record_id in record_ids]


def show(
    state: State, schema: SObject, record_id: str, names: Sequence[str] | None, version: str
) -> Record | None:
    """Return a record with these fields (all where None); None where it is deleted or unknown."""
    row = state.rows(schema.name).get(ids.whole(record_id) or "")
    if row is None or row.get("IsDeleted"):
        return None
    shown = attributes(schema.name, row["Id"], version)
    for name in names if names is not None else schema.fields:
        field = schema.field(name.strip())
        if field is None:
            message = f"No such column '{name}' on sobject of type {schema.name}"
            raise ApiError(400, "INVALID_FIELD", message)
        shown[field.name] = values.shown(row[field.name])
    return shown


def typed(state: State, row: Row) -> SObject:
    """Return the object that a record says it is of. Raise where it says none."""
    about = row.get("attributes")
    name = about.get("type") if isinstance(about, dict) else None
    schema = state.schema(str(name or ""))
    if schema is None:
        message = f"sObject type '{name}' is not supported."
        raise SaveError("INVALID_TYPE", message)
    return schema


def _each(state: State, body: object, save: Save) -> list[dict[str, Any]]:
    rows, all_or_none = _read(body)
    before = {name: dict(state.rows(name)) for name in state.objects} if all_or_none else None
    results: list[dict[str, Any]] = []
    for row in rows:
        try:
            results.append(save(row))
        except SaveError as error:
            results.append(error.result())
    if before is None or all(result["success"] for result in results):
        return results
    _undo(state, before)
    return [ROLLED_BACK.result() if result["success"] else result for result in results]


def _read(body: object) -> tuple[list[Row], bool]:
    if not isinstance(body, dict) or not isinstance(body.get("records"), list):
        raise ApiError(400, "JSON_PARSER_ERROR", "The request has to be an object with records")
    unknown = body.keys() - {"allOrNone", "records"}
    if unknown:
        raise ApiError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{min(unknown)}"')
    rows = body["records"]
    if not all(isinstance(row, dict) for row in rows):
        raise ApiError(400, "JSON_PARSER_ERROR", "Every record has to be an object")
    if len(rows) > BATCH_MAX:
        raise _too_many(len(rows))
    chunks = [kind for kind, _ in groupby(str(row.get("attributes")) for row in rows)]
    if len(chunks) > TYPE_CHUNKS_MAX:
        message = f"Can't have more than {TYPE_CHUNKS_MAX} chunks in a single operation"
        raise ApiError(400, "INVALID_INPUT", message)
    return rows, body.get("allOrNone", False) is True


def _too_many(count: int) -> ApiError:
    message = (
        f"record limit reached. cannot submit more than {BATCH_MAX} records into this call"
        f" ({count})"
    )
    return ApiError(400, "EXCEEDED_ID_LIMIT", message)


def _undo(state: State, before: Mapping[str, Mapping[str, Record]]) -> None:
    for name, rows in before.items():
        for record_id, row in list(state.rows(name).items()):
            if record_id not in rows:
                state.drop(name, record_id)
            elif rows[record_id] is not row:
                state.keep(name, rows[record_id])
