"""Values as they are kept, as they are written, and as they are shown."""

import re
from datetime import UTC, date, datetime
from typing import Any, Final

from connectors.sandbox.salesforce import ids
from connectors.sandbox.salesforce.answers import SaveError
from connectors.sandbox.salesforce.fields import Field

EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")


class WrongType(Exception):
    """The JSON holds a value that the field cannot be read from."""

    def __init__(self, field: Field, value: object) -> None:
        kinds = {str: "VALUE_STRING", bool: "VALUE_BOOLEAN", int: "VALUE_NUMBER_INT"}
        kind = kinds.get(type(value), "VALUE_NUMBER_FLOAT")
        super().__init__(f"Cannot deserialize instance of {field.type} from {kind} value {value}")


def read(field: Field, value: object) -> Any:  # noqa: ANN401 - what the field holds
    """Return a written value as it is kept.

    Raise `WrongType` where it is of another type, `SaveError` where it breaks the field's rules.
    """
    if value is None or value == "":
        return _nothing(field)
    if field.type == "boolean":
        return _only(bool, field, value)
    if field.type in {"double", "currency", "int"}:
        return _number(field, value)
    readers = {"datetime": _moment, "date": _day, "reference": _id, "id": _id}
    return readers.get(field.type, _text)(field, value)


def shown(value: object) -> object:
    """Return a kept value as the vendor's JSON has it."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+0000"
    return value.isoformat() if isinstance(value, date) else value


def _nothing(field: Field) -> None:
    if field.type == "boolean":
        raise SaveError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type", [field.name]
        )
    if field.required:
        message = f"Required fields are missing: [{field.name}]"
        raise SaveError("REQUIRED_FIELD_MISSING", message, [field.name])


def _only(kind: type, field: Field, value: object) -> object:
    if type(value) is not kind:
        raise WrongType(field, value)
    return value


def _number(field: Field, value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongType(field, value)
    if field.precision and abs(value) >= 10 ** (field.precision - field.scale):
        message = f"{field.name}: value outside of valid range on numeric field: {value}"
        raise SaveError("NUMBER_OUTSIDE_VALID_RANGE", message, [field.name])
    return int(value) if field.type == "int" else round(float(value), field.scale or None) * 1.0


def _moment(field: Field, value: object) -> datetime:
    if isinstance(value, datetime):
        value = value.isoformat()
    try:
        found = datetime.fromisoformat(str(_only(str, field, value)))
    except ValueError:
        raise WrongType(field, value) from None
    if found.tzinfo is None:
        raise WrongType(field, value)
    return found.astimezone(UTC).replace(microsecond=0)


def _day(field: Field, value: object) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(str(_only(str, field, value)))
    except ValueError:
        raise WrongType(field, value) from None


def _id(field: Field, value: object) -> str:
    found = ids.whole(str(_only(str, field, value)))
    if found is None:
        message = f"{field.name.removesuffix('Id')} ID: id value of incorrect type: {value}"
        raise SaveError("MALFORMED_ID", message, [field.name])
    return found


def _text(field: Field, value: object) -> str | None:
    text = str(_only(str, field, value))
    if field.type != "textarea":
        text = text.strip()
    if len(text.encode("utf-16-le")) // 2 > field.length:  # it counts as Java does
        message = f"{field.name}: data value too large: {text[:20]} (max length={field.length})"
        raise SaveError("STRING_TOO_LONG", message, [field.name])
    if field.restricted and text not in field.values:
        message = f"{field.name}: bad value for restricted picklist field: {text}"
        raise SaveError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])
    return text or None


def check_address(field: Field, value: object) -> None:
    """Raise where an address could not have been entered. Old records may hold worse."""
    if field.type == "email" and isinstance(value, str) and not EMAIL.fullmatch(value):
        message = f"{field.name}: invalid email address: {value}"
        raise SaveError("INVALID_EMAIL_ADDRESS", message, [field.name])
