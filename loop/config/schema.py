"""The JSON Schema of the whole tree, connectors' own settings included."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from connectors import registry
from loop.config.tree import Config

_TITLE: Final = "npsloop's configuration"


def schema(types: Iterable[str]) -> dict[str, Any]:
    """Return the schema, with the settings of these types of connector."""
    models = {type_: registry.config_for(type_) for type_ in sorted(types)}
    refs, whole = models_json_schema(
        [(Config, "validation"), *((model, "validation") for model in models.values())],
        title=_TITLE,
    )
    defs: dict[str, Any] = whole["$defs"]
    root = defs.pop(_name(refs[Config, "validation"]))
    defs.pop("Connector", None)
    places: dict[bool, list[str]] = {True: [], False: []}
    for type_, model in models.items():
        name = _name(refs[model, "validation"])
        defs[name]["required"] = sorted({"type", *defs[name].get("required", ())})
        places[registry.is_mailer(type_)].append(name)
    properties = root["properties"]
    properties["mailer"] = {**_one_of(places[True]), **_told(properties["mailer"])}
    properties["crms"] = {**properties["crms"], "items": _one_of(places[False])}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": _TITLE,
        "$defs": dict(sorted(defs.items())),
    }


def _name(ref: dict[str, Any]) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _one_of(names: list[str]) -> dict[str, Any]:
    return {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}


def _told(before: dict[str, Any]) -> dict[str, Any]:
    return {key: before[key] for key in ("description", "default") if key in before}
