"""Everything that can be wrong with a configuration, found in one go."""

import re
from typing import Any, Final, get_args
from zoneinfo import available_timezones

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from connectors import registry
from loop.config.layers import Reading
from loop.config.tree import Config, Connector
from loop.config.written import Loc, did_you_mean

SECRET_MIN: Final = 32
_QUOTED: Final = re.compile(r"'([^']+)'")


def check(reading: Reading) -> Config | None:
    """Return the configuration, or None where `reading.mistakes` now says what is wrong."""
    _check_secret(reading)
    _check_programs(reading)
    _check_schedule(reading)
    _check_crms(reading)
    for loc, settings in _connectors(reading):
        _check_connector(reading, loc, settings)
    try:
        config = Config.model_validate(reading.data)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            _tell(reading, each["loc"], each, Config)
        return None
    return None if reading.mistakes else config


def fields_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    """Return the model that a setting's type holds, in a list or mapping perhaps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for each in get_args(annotation):
        found = fields_in(each)
        if found is not None:
            return found
    return None


def holds_secret(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    """Return whether a setting's type is a secret."""
    return annotation is SecretStr or any(holds_secret(each) for each in get_args(annotation))


def _check_secret(reading: Reading) -> None:
    secret = reading.data.get("secret")
    if isinstance(secret, str) and len(secret) < SECRET_MIN:
        reading.tell(
            ("secret",),
            f"needs at least {SECRET_MIN} characters, has {len(secret)}",
            "leave it out, and npsloop makes one",
        )


def _check_programs(reading: Reading) -> None:
    programs = reading.data.get("programs")
    for name, program in programs.items() if isinstance(programs, dict) else ():
        touchpoint = isinstance(program, dict) and program.get("kind") == "touchpoint"
        if touchpoint and not program.get("event"):
            problem = "a touchpoint program needs an event"
            reading.tell(("programs", name, "event"), problem, "add `event: case_closed`")


def _check_schedule(reading: Reading) -> None:
    """Tell of a job that is to skip times of the day and has none."""
    own = reading.data.get("schedule")
    skips, at = (own.get("skip_missed"), own.get("at")) if isinstance(own, dict) else (None, None)
    for place, name in enumerate(skips if isinstance(skips, list) else ()):
        if name not in (at if isinstance(at, dict) else ()):
            problem = f"{name} has no time of the day that it could miss"
            reading.tell(("schedule", "skip_missed", place), problem, "add it to schedule.at")


def _check_crms(reading: Reading) -> None:
    """Tell of two CRMs of one type, and of a fallback owner in a CRM that is not there."""
    types: list[str] = []
    for loc, settings in _connectors(reading):
        type_ = settings.get("type")
        if loc[0] == "crms" and isinstance(type_, str):
            if type_ in types:
                problem = f"there is a CRM of the type {type_} already"
                reading.tell((*loc, "type"), problem, "keep one of them")
            types.append(type_)
    follow_up = reading.data.get("follow_up")
    owners = follow_up.get("fallback_owner") if isinstance(follow_up, dict) else None
    for type_ in owners if isinstance(owners, dict) else ():
        if type_ not in types:
            problem = "no CRM of this type stands under crms"
            hint = did_you_mean(str(type_), types)
            reading.tell(("follow_up", "fallback_owner", type_), problem, hint)


def _connectors(reading: Reading) -> list[tuple[Loc, dict[str, Any]]]:
    """Return the settings of each connector that is one at first sight, with their place."""
    crms = reading.data.get("crms")
    found: list[tuple[Loc, Any]] = [
        (("crms", index), each) for index, each in enumerate(crms if isinstance(crms, list) else ())
    ]
    found.append((("mailer",), reading.data.get("mailer", {"type": Config().mailer.type})))
    return [(loc, settings) for loc, settings in found if isinstance(settings, dict)]


def _check_connector(reading: Reading, loc: Loc, settings: dict[str, Any]) -> None:
    """Check a connector's own settings by its own model, and put its secrets out of sight."""
    model = _model_for(reading, loc, settings.get("type"))
    if model is None:
        return
    try:
        model.model_validate(settings)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            _tell(reading, (*loc, *each["loc"]), each, model)
    for name, field in model.model_fields.items():
        if holds_secret(field.annotation) and isinstance(settings.get(name), str):
            settings[name] = SecretStr(settings[name])


def _model_for(reading: Reading, loc: Loc, type_: object) -> type[BaseModel] | None:
    """Return the model of a connector's settings; tell where there is none for this place."""
    if not isinstance(type_, str):
        return None  # the tree tells
    wants_mailer = loc == ("mailer",)
    try:
        if registry.is_mailer(type_) == wants_mailer:
            return registry.config_for(type_)
        wanted, found = ("a mailer", "a CRM") if wants_mailer else ("a CRM", "a mailer")
        reading.tell((*loc, "type"), f"{type_} is {found}, here goes {wanted}")
    except registry.UnknownType as error:
        reading.tell((*loc, "type"), str(error))
    except (ImportError, AttributeError) as error:
        reading.tell((*loc, "type"), f"the connector cannot be loaded: {error}")
    return None


def _tell(reading: Reading, loc: Loc, error: ErrorDetails, model: type[BaseModel]) -> None:
    """Note a mistake that pydantic found, with a word on how to mend it."""
    problem = error["msg"].removeprefix("Value error, ")
    named, colon, rest = problem.partition(": ")
    if colon and not error["loc"] and named in model.model_fields:
        loc, problem = (*loc, named), rest  # told by the model as a whole, of one setting
    reading.tell(loc, problem, _hint(loc, error, model))


def _hint(loc: Loc, error: ErrorDetails, model: type[BaseModel]) -> str:
    given = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            return did_you_mean(str(loc[-1]), _names_beside(error["loc"], model)) or _elsewhere(
                str(loc[-1])
            )
        case "literal_error":
            return did_you_mean(str(given), _QUOTED.findall(error["msg"]))
        case "string_type" if isinstance(given, bool | int | float):
            return "put it in quotes"
        case "tuple_type":
            return "write a list: [...]"
        case "time_zone":
            return _zone_like(str(given))
        case _:
            return ""


def _zone_like(name: str) -> str:
    """Return a hint that names the time zone of that city (`new york`), or the nearest."""
    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(available_timezones())}
    found = cities.get(name.rpartition("/")[2].lower().replace(" ", "_"))
    return f"did you mean {found}" if found else did_you_mean(name, available_timezones())


def _names_beside(loc: Loc, model: type[BaseModel]) -> list[str]:
    """Return the settings that there are where an unknown one stands."""
    for part in loc[:-1]:
        field = model.model_fields.get(str(part))
        inner = fields_in(field.annotation) if field else None
        model = inner or model
    return list(model.model_fields)


def _elsewhere(name: str) -> str:
    """Return a hint where the setting exists, though in another place."""
    for section, field in Config.model_fields.items():
        model = fields_in(field.annotation)
        if model is not None and model is not Connector and name in model.model_fields:
            between = ".<name>" if section == "programs" else ""
            return f"did you mean {section}{between}.{name}"
    return ""
