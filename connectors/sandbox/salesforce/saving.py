"""Saving a record as the API does: every rule is checked, and the first broken one is told."""

from collections.abc import Mapping
from typing import Any, Final

from connectors.sandbox.salesforce import ids, values
from connectors.sandbox.salesforce.answers import ApiError, SaveError
from connectors.sandbox.salesforce.fields import Field, SObject
from connectors.sandbox.salesforce.state import Record, State

NOT_FOUND: Final = "The requested resource does not exist"


def insert(state: State, schema: SObject, given: Mapping[str, Any], *, allow: bool = False) -> str:
    """Create a record and return its id. `allow` saves it in spite of a duplicate."""
    if not schema.createable:
        message = f"entity type cannot be inserted: {schema.name}"
        raise SaveError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)
    clean = _clean(state, schema, given, new=True)
    missing = [
        field.name
        for field in schema.fields.values()
        if field.required and clean.get(field.name) is None
    ]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise SaveError("REQUIRED_FIELD_MISSING", message, missing)
    _check(state, schema, clean, {}, allow=allow)
    return state.insert(schema.name, clean)


def update(
    state: State, schema: SObject, record_id: object, given: Mapping[str, Any], *, allow: bool
) -> str:
    """Change the record and return its id in full."""
    row = existing(state, schema, record_id)
    clean = _clean(state, schema, given, new=False)
    _check(state, schema, clean, row, allow=allow)
    state.change(schema.name, row["Id"], clean)
    return str(row["Id"])


def existing(state: State, schema: SObject, record_id: object) -> Record:
    """Return the record to be changed. Raise where it is deleted or was never there."""
    if not isinstance(record_id, str) or not record_id:
        message = "Id not specified in an update call"
        raise SaveError("MISSING_ARGUMENT", message, ["Id"])
    known = ids.whole(record_id)
    if known is None or not known.startswith(schema.prefix):
        message = f"{schema.name} ID: id value of incorrect type: {record_id}"
        raise SaveError("MALFORMED_ID", message, ["Id"])
    row = state.rows(schema.name).get(known)
    if row is None:
        raise SaveError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if row.get("IsDeleted"):
        raise SaveError("ENTITY_IS_DELETED", "entity is deleted")
    return row


def matches(state: State, schema: SObject, field: Field, value: object) -> list[str]:
    """Return the ids of the records that hold this value in an external id field."""
    wanted = str(value).casefold()
    if field.unique:
        holder = state.holder(schema.name, field.name, wanted)
        return [] if holder is None else [holder]
    return [
        record_id
        for record_id, row in state.rows(schema.name).items()
        if not row.get("IsDeleted") and str(row[field.name] or "").casefold() == wanted
    ]


def external(schema: SObject, name: str) -> Field:
    """Return an external id field. Raise where it is none."""
    field = schema.field(name)
    if field is None or not (field.unique or field.name in {"Id", "Email"}):
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise ApiError(404, "NOT_FOUND", message)
    return field


def _clean(state: State, schema: SObject, given: Mapping[str, Any], *, new: bool) -> Record:
    clean: Record = {}
    for name, value in given.items():
        if name in {"attributes", "Id", "id"}:
            continue
        field = schema.field(name)
        if field is None:
            message = f"No such column '{name}' on sobject of type {schema.name}"
            raise SaveError("INVALID_FIELD", message)
        writable = field.createable if new else field.updateable
        if not writable or (schema.name, field.name) in state.read_only:
            message = (
                f"Unable to create/update fields: {field.name}. Please check the security"
                " settings of this field and verify that it is read/write for your profile or"
                " permission set."
            )
            raise SaveError("INVALID_FIELD_FOR_INSERT_UPDATE", message, [field.name])
        try:
            clean[field.name] = values.read(field, value)
        except values.WrongType as error:
            raise ApiError(400, "JSON_PARSER_ERROR", str(error)) from None
        values.check_address(field, clean[field.name])
    return clean


def _check(state: State, schema: SObject, clean: Record, row: Record, *, allow: bool) -> None:
    _check_failures(state, str(row.get("Id", "")))
    for name, value in clean.items():
        field = schema.fields[name]
        if value is not None and field.refers and value != row.get(name):
            _check_reference(state, schema, field, value)
        if value is not None and field.unique:
            _check_unique(state, schema, field, str(value), str(row.get("Id", "")))
    of_lead = str(clean.get("WhoId") or "").startswith("00Q")
    if of_lead and (clean.get("WhatId") or row.get("WhatId")):
        message = "You can only associate a lead with no related record"
        raise SaveError("FIELD_INTEGRITY_EXCEPTION", message, ["WhatId"])
    if schema.name == "Contact" and state.duplicates_block and not allow:
        _check_duplicate(state, row | clean)


def _check_failures(state: State, record_id: str) -> None:
    for failure in state.failures:
        if failure.times and failure.record_id in {"", record_id}:
            failure.times -= 1
            raise SaveError(failure.code, failure.message)


def _check_reference(state: State, schema: SObject, field: Field, value: str) -> None:
    prefixes = {state.objects[name].prefix for name in field.refers if name in state.objects}
    if value[:3] not in prefixes:
        message = f"{field.name.removesuffix('Id')} ID: id value of incorrect type: {value}"
        raise SaveError("FIELD_INTEGRITY_EXCEPTION", message, [field.name])
    found = state.find(value)
    if found is None or found[1].get("IsDeleted"):
        raise SaveError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field.name])
    if field.name == "OwnerId" and not found[1]["IsActive"]:
        message = (
            f"operation performed with inactive user [{value}] as owner of {schema.name.lower()}"
        )
        raise SaveError("INACTIVE_OWNER_OR_USER", message, ["OwnerId"])


def _check_unique(state: State, schema: SObject, field: Field, value: str, mine: str) -> None:
    for other in matches(state, schema, field, value):
        if other != mine:
            message = (
                f"duplicate value found: {field.name} duplicates value on record with id: {other}"
            )
            raise SaveError("DUPLICATE_VALUE", message, [field.name])


def _check_duplicate(state: State, record: Record) -> None:
    address = str(record.get("Email") or "").lower()
    for other in state.rows("Contact").values():
        same = address and str(other["Email"] or "").lower() == address
        if same and other["Id"] != record.get("Id") and not other["IsDeleted"]:
            raise SaveError("DUPLICATES_DETECTED", "Use one of these records?")
