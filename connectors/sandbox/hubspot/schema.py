"""The properties of each object, and which values HubSpot takes for them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from connectors.sandbox.hubspot.problems import Invalid, Problem, unknown_type, unreadable

TYPES: Final = {
    "contacts": ("contact", "0-1"),
    "companies": ("company", "0-2"),
    "deals": ("deal", "0-3"),
    "tickets": ("ticket", "0-5"),
    "tasks": ("task", "0-27"),
    "notes": ("note", "0-46"),
}
TEXT_MAX: Final = 65_536
ADDRESS: Final = re.compile(r"[^@\s,;<>()\[\]\"]+@[^@\s,;<>()\[\]\"]+\.[a-zA-Z0-9-]{2,}")
LANGUAGES: Final = (
    "ar cs da de de-at de-ch de-de en en-gb en-us es es-mx fi fr fr-ca fr-fr he-il hi-in hu-hu "
    "it it-it ja ja-jp ko nl nl-nl no pl pt pt-br ro-ro ru sv-se tr uk-ua zh-cn zh-tw"
)
LEAD_STATUS: Final = (
    "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING"
)


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property of an object."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = "crm"
    options: tuple[str, ...] = ()
    read_only: bool = False
    unique: bool = False
    custom: bool = False

    def shown(self) -> dict[str, Any]:
        """Return the property as the API shows it."""
        return {
            "name": self.name,
            "label": self.label or self.name,
            "description": "",
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": self.group,
            "hasUniqueValue": self.unique,
            "hubspotDefined": not self.custom,
            "archived": False,
            "hidden": False,
            "options": [
                {"label": value, "value": value, "displayOrder": place, "hidden": False}
                for place, value in enumerate(self.options)
            ],
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyValue": self.read_only,
            },
        }


def type_named(name: str) -> str:
    """Return the object type that a path means: `contacts`, `contact` or `0-1`."""
    for type_, others in TYPES.items():
        if name == type_ or name in others:
            return type_
    raise unknown_type(name)


class Schema:
    """The properties that there are; more can be added."""

    def __init__(self, *, prepared: bool = True) -> None:
        self._properties = {type_: {p.name: p for p in _built_in(type_)} for type_ in TYPES}
        if prepared:
            for type_, ours in OURS.items():
                for each in ours:
                    self.add(type_, each)

    def add(self, type_: str, new: Property) -> None:
        """Add a property. Raise a 409 where there is one of that name."""
        if new.name in self._properties[type_]:
            raise Problem(
                409, f"A property named '{new.name}' already exists.", "OBJECT_ALREADY_EXISTS"
            )
        self._properties[type_][new.name] = new

    def remove(self, type_: str, name: str) -> None:
        """Take a property away, as an administrator who archives it."""
        del self._properties[type_][name]

    def all(self, type_: str) -> list[Property]:
        """Return an object's properties."""
        return list(self._properties[type_].values())

    def find(self, type_: str, name: str) -> Property | None:
        """Return one property, if there is such a one."""
        return self._properties[type_].get(name)

    def checked(
        self,
        type_: str,
        given: Any,  # noqa: ANN401 - any JSON
        owners: Iterable[str] = (),
    ) -> tuple[dict[str, str], list[Invalid]]:
        """Return the values as they are kept, and those that HubSpot refuses."""
        if not isinstance(given, dict):
            raise unreadable("properties: expected an object")
        kept: dict[str, str] = {}
        wrong: list[Invalid] = []
        for name, value in given.items():
            if not isinstance(value, str):
                raise unreadable(f"properties[{name!r}]: expected a string")
            try:
                kept[name] = self._value(type_, name, value, owners)
            except _Bad as error:
                wrong.append(Invalid(name, error.code, error.message))
        return kept, wrong

    def _value(self, type_: str, name: str, value: str, owners: Iterable[str]) -> str:
        found = self.find(type_, name)
        if found is None:
            raise _Bad("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
        if found.read_only:
            raise _Bad(
                "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set'
            )
        if not value:
            return ""
        if name == "hubspot_owner_id":
            return _option(value, tuple(owners))
        if name == "email":
            return _address(value)
        return CHECKS[found.type](value, found.options)


class _Bad(ValueError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def moment(value: str) -> datetime:
    """Return the time that a value stands for: milliseconds or ISO 8601. Raise ValueError."""
    if re.fullmatch(r"-?\d+", value):
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    told = datetime.fromisoformat(value)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    """Return a time as HubSpot writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _address(value: str) -> str:
    if not ADDRESS.fullmatch(value):
        raise _Bad("INVALID_EMAIL", f"Email address {value} is invalid")
    return value.lower()


def _text(value: str, _: tuple[str, ...]) -> str:
    if len(value) > TEXT_MAX:
        raise _Bad("INVALID_STRING_LENGTH", f"The value is longer than {TEXT_MAX} characters")
    return value


def _number(value: str, _: tuple[str, ...]) -> str:
    if not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value):
        raise _Bad("INVALID_DOUBLE", f"{value} was not a valid number.")
    return value


def _bool(value: str, _: tuple[str, ...]) -> str:
    return _option(value, ("true", "false"))


def _datetime(value: str, _: tuple[str, ...]) -> str:
    try:
        return stamp(moment(value))
    except (ValueError, OverflowError, OSError):
        raise _Bad("INVALID_LONG", f"{value} was not a valid long.") from None


def _date(value: str, _: tuple[str, ...]) -> str:
    try:
        if not re.fullmatch(r"-?\d+", value):
            return date.fromisoformat(value).isoformat()
        at = moment(value)
    except (ValueError, OverflowError, OSError):
        raise _Bad("INVALID_DATE", f"{value} is not a valid date") from None
    if (at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0):
        raise _Bad("INVALID_DATE", f"{value} is at {at.time()} UTC, not midnight!")
    return at.date().isoformat()


def _option(value: str, options: tuple[str, ...]) -> str:
    if value not in options:
        raise _Bad("INVALID_OPTION", f"{value} was not one of the allowed options: {list(options)}")
    return value


CHECKS: Final = {
    "string": _text,
    "number": _number,
    "bool": _bool,
    "date": _date,
    "datetime": _datetime,
    "enumeration": _option,
}


def _plain(names: str, type_: str = "string", **more: Any) -> Iterator[Property]:  # noqa: ANN401
    for name in names.split():
        yield Property(name=name, type=type_, **more)


def _choice(name: str, options: str, **more: Any) -> Property:  # noqa: ANN401
    return Property(
        name=name, type="enumeration", field_type="select", options=tuple(options.split()), **more
    )


def _built_in(type_: str) -> Iterator[Property]:
    """Give the properties that every account has; those that we meet."""
    changed = "lastmodifieddate" if type_ == "contacts" else "hs_lastmodifieddate"
    yield from _plain(f"createdate {changed}", "datetime", field_type="date", read_only=True)
    yield from _plain("hs_object_id", "number", field_type="number", read_only=True)
    yield from _plain("hs_merged_object_ids", read_only=True)
    yield _choice("hubspot_owner_id", "")
    yield from BUILT_IN[type_]


BUILT_IN: Final[Mapping[str, tuple[Property, ...]]] = {
    "contacts": (
        *_plain("email firstname lastname jobtitle phone company city country"),
        *_plain("birthday", "date", field_type="date"),
        *_plain("associatedcompanyid", "number", field_type="number", read_only=True),
        *_plain("hs_email_optout", "bool", field_type="booleancheckbox", read_only=True),
        *_plain("hs_email_bounce", "number", field_type="number", read_only=True),
        _choice("hs_email_hard_bounce_reason_enum", "UNKNOWN_USER OTHER", read_only=True),
        _choice("hs_language", LANGUAGES),
        _choice("hs_lead_status", LEAD_STATUS),
        _choice("lifecyclestage", "subscriber lead customer evangelist other"),
    ),
    "companies": (*_plain("name domain industry phone city country"),),
    "deals": (
        *_plain("dealname dealstage pipeline"),
        *_plain("amount", "number", field_type="number"),
        *_plain("closedate", "datetime", field_type="date"),
    ),
    "tickets": (
        *_plain("subject content hs_pipeline"),
        _choice("hs_pipeline_stage", "1 2 3 4"),
        _choice("hs_ticket_priority", "LOW MEDIUM HIGH URGENT"),
        *_plain("closed_date", "datetime", field_type="date"),
    ),
    "tasks": (
        *_plain("hs_task_subject"),
        *_plain("hs_task_body", field_type="html"),
        *_plain("hs_timestamp", "datetime", field_type="date"),
        *_plain("hs_task_completion_date", "datetime", field_type="date", read_only=True),
        _choice("hs_task_status", "NOT_STARTED IN_PROGRESS WAITING COMPLETED DEFERRED"),
        _choice("hs_task_priority", "NONE LOW MEDIUM HIGH"),
        _choice("hs_task_type", "TODO CALL EMAIL"),
    ),
    "notes": (
        *_plain("hs_note_body", field_type="html"),
        *_plain("hs_timestamp", "datetime", field_type="date"),
    ),
}

_CUSTOM: Final[dict[str, Any]] = {"group": "nps", "custom": True}
OURS: Final[Mapping[str, tuple[Property, ...]]] = {
    "contacts": (
        *_plain("nps_score nps_surveys nps_factor", "number", field_type="number", **_CUSTOM),
        _choice("nps_group", "promoter passive detractor", **_CUSTOM),
        *_plain("nps_comment", field_type="textarea", **_CUSTOM),
        *_plain("nps_answered_at", "datetime", field_type="date", **_CUSTOM),
        *_plain("nps_referred_by nps_key product", **_CUSTOM),
    ),
    "companies": (
        *_plain("nps nps_answers", "number", field_type="number", **_CUSTOM),
        *_plain("nps_answered_at", "datetime", field_type="date", **_CUSTOM),
    ),
}
"""The properties that npsloop needs, and `product`, which many companies have."""
