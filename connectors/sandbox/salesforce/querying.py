"""Running a query over the records: fields and parents are looked up, values compared by type."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from connectors.sandbox.salesforce import ids, values
from connectors.sandbox.salesforce.answers import ApiError
from connectors.sandbox.salesforce.fields import Field, SObject
from connectors.sandbox.salesforce.soql import (
    Both,
    Compare,
    Literal,
    Not,
    Order,
    Select,
    Where,
    pattern,
    refuse,
    unescaped,
)
from connectors.sandbox.salesforce.state import Record, State

OFFSET_MAX: Final = 2_000
HINT: Final = (
    " If you are attempting to use a custom {what}, be sure to append the '__c' after the {name}"
    " name. Please reference your WSDL or the describe call for the appropriate names."
)
SIGNS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
Test = Callable[[Record], bool]


@dataclass(frozen=True)
class Path:
    """The way from a record to a value: over its parents to a field."""

    parents: Sequence[Field]
    field: Field

    def value(self, state: State, record: Record | None) -> Any:  # noqa: ANN401 - any field's
        """Return the value; None where a parent is missing."""
        for parent in self.parents:
            record = _parent(state, record, parent)
        return None if record is None else record[self.field.name]


def run(state: State, query: Select, *, deleted: bool) -> tuple[SObject, list[Record]]:
    """Return the object and the records that the query selects, in its order."""
    schema = state.schema(query.sobject)
    if schema is None:
        why = f"sObject type '{query.sobject}' is not supported."
        hint = HINT.format(what="object", name="entity")
        refuse("INVALID_TYPE", query.text, query.sobject_at, why + hint)
    _check_items(state, schema, query)
    test = _test(state, schema, query, query.where)
    found = [
        row
        for row in state.rows(schema.name).values()
        if (deleted or not _aside(row)) and test(row)
    ]
    for order in reversed(query.order):
        _sort(state, schema, query, order, found)
    if query.offset > OFFSET_MAX:
        message = f"Maximum SOQL offset allowed is {OFFSET_MAX}"
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", message)
    end = None if query.limit is None else query.offset + query.limit
    return schema, found[query.offset : end]


def plan(state: State, schema: SObject, query: Select) -> list[Path]:
    """Return the ways to the selected fields, in the order of the query."""
    return [resolve(state, schema, query, text, at) for text, at in query.paths]


def shape(state: State, row: Record, paths: Sequence[Path], version: str) -> Record:
    """Return one record as the answer shows it."""
    shown: Record = attributes(_kind(state, row), row["Id"], version)
    for path in paths:
        here, place = row, shown
        for parent in path.parents:
            relation = str(parent.relation)
            found = _parent(state, here, parent)
            if found is None:
                place[relation] = None
                break
            known = attributes(_kind(state, found), found["Id"], version)
            place = place.setdefault(relation, known)
            here = found
        else:
            place[path.field.name] = values.shown(here[path.field.name])
    return shown


def attributes(sobject: str, record_id: str, version: str) -> Record:
    """Return the start of every record: its type and its address."""
    url = f"/services/data/v{version}/sobjects/{sobject}/{record_id}"
    return {"attributes": {"type": sobject, "url": url}}


def resolve(state: State, schema: SObject, query: Select, text: str, at: int) -> Path:
    """Follow `Account.Owner.Name` to its field. Raise `ApiError` where there is none."""
    parents: list[Field] = []
    *relations, last = text.split(".")
    for relation in relations:
        field = schema.relations.get(relation.lower())
        parent = None if field is None else _parent_schema(state, field)
        if field is None or parent is None:
            why = f"Didn't understand relationship '{relation}' in field path."
            hint = HINT.format(what="relationship", name="custom relationship")
            refuse("INVALID_FIELD", query.text, at, why + hint.replace("__c", "__r"))
        parents.append(field)
        schema = parent
    found = schema.field(last)
    if found is None:
        why = f"No such column '{last}' on entity '{schema.name}'."
        refuse(
            "INVALID_FIELD", query.text, at, why + HINT.format(what="field", name="custom field")
        )
    return Path(parents, found)


def _check_items(state: State, schema: SObject, query: Select) -> None:
    seen: set[str] = set()
    for text, at in query.paths:
        resolve(state, schema, query, text, at)
        if text.lower() in seen:
            refuse("INVALID_FIELD", query.text, at, f"duplicate field selected: {text}")
        seen.add(text.lower())
    if query.counts:
        resolve(state, schema, query, query.counts, 0)


def _parent_schema(state: State, field: Field) -> SObject | None:
    """Return where a lookup leads; an owner who may be a queue is looked at as a user."""
    known = [name for name in field.refers if name in state.objects]
    return state.schema(known[0]) if known else None


def _parent(state: State, record: Record | None, field: Field) -> Record | None:
    value = None if record is None else record.get(field.name)
    found = state.find(value) if value else None
    return None if found is None else found[1]


def _kind(state: State, row: Record) -> str:
    found = state.find(row["Id"])
    return found[0] if found else ""


def _aside(row: Record) -> bool:
    """Say whether only queryAll finds the record: it is deleted, or an archived task."""
    return bool(row.get("IsDeleted") or row.get("IsArchived"))


def _sort(state: State, schema: SObject, query: Select, order: Order, rows: list[Record]) -> None:
    path = _usable(state, schema, query, order.path, order.at, "sorted")

    def key(row: Record) -> tuple[bool, Any]:
        value = path.value(state, row)
        value = value.casefold() if path.field.is_text and value else value
        missing = value is None
        return (missing if order.nulls_last != order.down else not missing, value or 0)

    rows.sort(key=key, reverse=order.down)


def _usable(  # noqa: PLR0913, PLR0917 - one place of the query, and what is wanted of it
    state: State, schema: SObject, query: Select, text: str, at: int, verb: str
) -> Path:
    path = resolve(state, schema, query, text, at)
    if not path.field.filterable:
        why = f"field '{text}' can not be {verb} in a query call"
        refuse("INVALID_FIELD", query.text, at, why)
    return path


def _test(state: State, schema: SObject, query: Select, where: Where | None) -> Test:
    if where is None:
        return lambda _row: True
    if isinstance(where, Not):
        inner = _test(state, schema, query, where.part)
        return lambda row: not inner(row)
    if isinstance(where, Both):
        tests = [_test(state, schema, query, part) for part in where.parts]
        every = all if where.word == "and" else any
        return lambda row: every(test(row) for test in tests)
    return _compare(state, schema, query, where)


def _compare(state: State, schema: SObject, query: Select, where: Compare) -> Test:
    path = _usable(state, schema, query, where.path, where.at, "filtered")
    if where.sign == "like":
        return _like(state, query, where, path)
    wanted = [_wanted(state, query, where, path.field, value) for value in where.values]
    fold = _fold if path.field.is_text else _same
    period = where.values[0].kind == "period"
    if where.sign in {"in", "not in", "=", "!="} and not period:
        among = {fold(value) for value in wanted}
        hit = where.sign in {"in", "="}
        return lambda row: (fold(path.value(state, row)) in among) == hit
    holds, bound = SIGNS[">=" if where.sign == "=" else where.sign], fold(wanted[0])

    def test(row: Record) -> bool:
        value = path.value(state, row)
        return value is not None and bound is not None and holds(fold(value), bound)

    return test


def _same(value: Any) -> Any:  # noqa: ANN401 - any field's
    return value


def _fold(value: Any) -> Any:  # noqa: ANN401 - any field's
    return None if value is None else str(value).casefold()


def _like(state: State, query: Select, where: Compare, path: Path) -> Test:
    if not path.field.is_text or where.values[0].kind != "string":
        why = f"invalid operator on {path.field.type} field: LIKE"
        refuse("INVALID_QUERY_FILTER_OPERATOR", query.text, where.at, why)
    wanted = pattern(where.values[0].text)
    return lambda row: bool(wanted.fullmatch(path.value(state, row) or ""))


def _wanted(state: State, query: Select, where: Compare, field: Field, literal: Literal) -> Any:  # noqa: ANN401 - any field's
    """Return the value that a literal stands for. Raise where it is not of the field's type."""
    if literal.kind == "null":
        return None
    if literal.kind not in KINDS.get(field.type, {"string"}):
        quotes = "should be" if _quoted(field) else "should not be"
        why = (
            f"value of filter criterion for field '{where.path}' must be of type"
            f" {TYPES.get(field.type, field.type)} and {quotes} enclosed in quotes"
        )
        refuse("INVALID_FIELD", query.text, where.at, why)
    if literal.kind == "string" and not field.is_text:
        return _id(query, where, literal)
    readers: dict[str, Callable[[str], Any]] = {
        "string": unescaped,
        "number": float,
        "boolean": lambda text: text == "true",
        "date": date.fromisoformat,
        "datetime": datetime.fromisoformat,
        "period": lambda text: _start(state, text, field),
    }
    try:
        return readers[literal.kind](literal.text)
    except ValueError:
        refuse("MALFORMED_QUERY", query.text, where.at, f"invalid {literal.kind}: {literal.text}")


KINDS: Final = {
    "double": {"number"},
    "currency": {"number"},
    "int": {"number"},
    "boolean": {"boolean"},
    "date": {"date", "period"},
    "datetime": {"datetime", "period"},
}
TYPES: Final = {"datetime": "dateTime", "id": "ID", "reference": "ID"}


def _quoted(field: Field) -> bool:
    return field.type not in KINDS


def _id(query: Select, where: Compare, literal: Literal) -> str:
    found = ids.whole(unescaped(literal.text))
    if found is None:
        why = f"invalid ID field: {unescaped(literal.text)}"
        refuse("INVALID_QUERY_FILTER_OPERATOR", query.text, where.at, why)
    return found


def _start(state: State, text: str, field: Field) -> datetime | date:
    """Return the midnight at which a period begins: the day itself counts as day 0."""
    word, _, days = text.partition(":")
    back = int(days) if days else int(word == "yesterday")
    midnight = state.now().replace(hour=0, minute=0, second=0) - timedelta(days=back)
    return midnight.date() if field.type == "date" else midnight
