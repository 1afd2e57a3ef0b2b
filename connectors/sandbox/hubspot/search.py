"""Search: filters, one sort, at most 200 a page and 10,000 in all, and an index that lags.

https://developers.hubspot.com/docs/api-reference/search/guide
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from connectors.sandbox.hubspot.problems import Problem, unreadable
from connectors.sandbox.hubspot.schema import Property, moment
from connectors.sandbox.hubspot.state import State

PAGE_MAX: Final = 200
RESULTS_MAX: Final = 10_000
BODY_MAX: Final = 3_000
GROUPS_MAX: Final = 5
FILTERS_MAX: Final = 6
FILTERS_IN_ALL_MAX: Final = 18
WITHOUT_VALUE: Final = frozenset({"HAS_PROPERTY", "NOT_HAS_PROPERTY"})
WITH_VALUES: Final = frozenset({"IN", "NOT_IN"})
FOR_WHOM_IT_IS_EMPTY: Final = frozenset({"NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN", "NOT_HAS_PROPERTY"})

Value = float | str
Keep = Callable[[Mapping[str, str]], bool]


class Hit(NamedTuple):
    """A record that was found, as the index knows it."""

    id: str
    properties: Mapping[str, str]


def found(state: State, type_: str, asked: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return the answer to a search whose body has `size` bytes. Raise a `Problem`."""
    if size > BODY_MAX:
        raise Problem(400, f"The request body is larger than {BODY_MAX} characters")
    limit, after = _page(asked)
    hits = _hits(state, type_, _filter(state, type_, asked.get("filterGroups", [])))
    ordered = _sorted(state, type_, hits, asked.get("sorts", []))
    names = asked.get("properties") or []
    shown = [_shown(state, type_, hit, names) for hit in ordered[after : after + limit]]
    answer: dict[str, Any] = {"total": len(ordered), "results": shown}
    if after + limit < len(ordered):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return answer


def _shown(state: State, type_: str, hit: Hit, names: list[str]) -> dict[str, Any]:
    """Return a hit as the index knows it."""
    shown = state.get(type_, hit.id).shown(names)
    return shown | {"properties": {n: hit.properties.get(n) or None for n in shown["properties"]}}


def _page(asked: Mapping[str, Any]) -> tuple[int, int]:
    limit, after = asked.get("limit", 10), asked.get("after") or "0"
    if not isinstance(limit, int) or not 0 < limit <= PAGE_MAX:
        raise Problem(400, f"limit must be between 1 and {PAGE_MAX}")
    if not str(after).isdigit():
        raise Problem(400, "after is not a valid cursor")
    if int(after) + limit > RESULTS_MAX:
        raise Problem(400, f"The paging cursor goes beyond the {RESULTS_MAX} results of a search")
    return limit, int(after)


def _hits(state: State, type_: str, keep: Keep) -> list[Hit]:
    hits = []
    for record in state.all(type_):
        properties = state.as_indexed(record)
        if properties is not None and keep(properties):
            hits.append(Hit(record.id, properties))
    return hits


def _sorted(state: State, type_: str, hits: list[Hit], sorts: Any) -> list[Hit]:  # noqa: ANN401
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise Problem(400, "only one sort rule is supported")
    hits.sort(key=lambda hit: int(hit.id))
    for rule in sorts:
        name, direction = _rule(rule)
        property_ = _property(state, type_, name)
        here = [hit for hit in hits if hit.properties.get(name)]
        here.sort(
            key=lambda hit: _value(property_, hit.properties[name]),
            reverse=direction == "DESCENDING",
        )
        hits = here + [hit for hit in hits if not hit.properties.get(name)]
    return hits


def _rule(rule: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON
    if isinstance(rule, str):
        return rule.removeprefix("-"), "DESCENDING" if rule.startswith("-") else "ASCENDING"
    if isinstance(rule, dict) and isinstance(rule.get("propertyName"), str):
        return rule["propertyName"], str(rule.get("direction", "ASCENDING"))
    raise unreadable("sorts")


def _filter(state: State, type_: str, groups: Any) -> Keep:  # noqa: ANN401 - any JSON
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        raise unreadable("filterGroups")
    filters = [group.get("filters", []) for group in groups]
    if len(groups) > GROUPS_MAX or any(len(each) > FILTERS_MAX for each in filters):
        raise Problem(400, f"at most {GROUPS_MAX} filterGroups of {FILTERS_MAX} filters")
    if sum(map(len, filters)) > FILTERS_IN_ALL_MAX:
        raise Problem(400, f"at most {FILTERS_IN_ALL_MAX} filters in all")
    tests = [[_test(state, type_, each) for each in group] for group in filters]
    if not tests:
        return lambda _: True
    return lambda properties: any(all(test(properties) for test in group) for group in tests)


def _test(state: State, type_: str, given: Any) -> Keep:  # noqa: ANN401 - any JSON
    if not isinstance(given, dict):
        raise unreadable("filters")
    name, operator = str(given.get("propertyName")), str(given.get("operator"))
    property_ = _property(state, type_, name)
    if operator not in {*OPERATORS, *WITHOUT_VALUE}:
        raise unreadable(f"operator {operator}")
    wanted = _wanted(property_, operator, given)
    if operator in WITHOUT_VALUE:
        return lambda properties: bool(properties.get(name)) is (operator == "HAS_PROPERTY")
    holds = OPERATORS[operator]

    def test(properties: Mapping[str, str]) -> bool:
        text = properties.get(name)
        if not text:
            return operator in FOR_WHOM_IT_IS_EMPTY
        return holds(_value(property_, text), wanted)

    return test


def _wanted(property_: Property, operator: str, given: Mapping[str, Any]) -> list[Value]:
    if operator in WITHOUT_VALUE:
        return []
    texts = given.get("values") if operator in WITH_VALUES else [given.get("value")]
    if operator == "BETWEEN":
        texts = [given.get("value"), given.get("highValue")]
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise Problem(400, f"the operator {operator} needs its value as text")
    try:
        return [_value(property_, text) for text in texts]
    except ValueError:
        raise Problem(400, f"a value for {property_.name} is not a {property_.type}") from None


def _property(state: State, type_: str, name: str) -> Property:
    property_ = state.schema.find(type_, name)
    if property_ is None:
        raise Problem(400, f"There was a problem with the request: no property {name}")
    return property_


def _value(property_: Property, text: str) -> Value:
    """Return a value so that it compares as its type does."""
    if property_.type in {"date", "datetime"}:
        return moment(text).timestamp()
    if property_.type == "number":
        return float(text)
    return text.lower()


def _contains(value: Value, wanted: list[Value]) -> bool:
    pattern = re.escape(str(wanted[0])).replace(r"\*", r"\w*")
    return re.search(rf"(?<!\w){pattern}(?!\w)", str(value)) is not None


OPERATORS: Final[Mapping[str, Callable[[Any, list[Any]], bool]]] = {
    "EQ": lambda value, wanted: value == wanted[0],
    "NEQ": lambda value, wanted: value != wanted[0],
    "GT": lambda value, wanted: value > wanted[0],
    "GTE": lambda value, wanted: value >= wanted[0],
    "LT": lambda value, wanted: value < wanted[0],
    "LTE": lambda value, wanted: value <= wanted[0],
    "BETWEEN": lambda value, wanted: wanted[0] <= value <= wanted[1],
    "IN": lambda value, wanted: value in wanted,
    "NOT_IN": lambda value, wanted: value not in wanted,
    "CONTAINS_TOKEN": _contains,
    "NOT_CONTAINS_TOKEN": lambda value, wanted: not _contains(value, wanted),
}
