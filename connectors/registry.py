"""Finds a connector by the `type` in the configuration.

A connector is a class with an attribute `Config` (a pydantic model) whose only argument is such
a model. A package offers one through the entry point group `npsloop.connectors`; ours are known
in a checkout that is not installed, too.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from pydantic import BaseModel

from connectors.budget import Keeper
from connectors.ports import Crm, Mailer, Rationed

GROUP: Final = "npsloop.connectors"
BUILT_IN: Final = {
    "hubspot": "connectors.hubspot:HubSpot",
    "memory_crm": "connectors.memory:MemoryCrm",
    "memory_mailer": "connectors.memory:MemoryMailer",
    "salesforce": "connectors.salesforce:Salesforce",
    "sendgrid": "connectors.sendgrid:SendGrid",
    "smtp": "connectors.smtp:Smtp",
}


class UnknownType(ValueError):
    """No connector has this type. The text names those that there are."""

    def __init__(self, wanted: object) -> None:
        known = types()
        near = get_close_matches(str(wanted), known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        super().__init__(f"no connector has the type {wanted!r}: {hint}known: {', '.join(known)}")


def types() -> list[str]:
    """Return the types of all connectors there are, sorted."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


def config_for(type_: str) -> type[BaseModel]:
    """Return the model of a connector's own settings. Raise `UnknownType`."""
    return cast("type[BaseModel]", _class_for(type_).Config)


def is_mailer(type_: str) -> bool:
    """Return whether connectors of this type send mail. Raise `UnknownType`."""
    return hasattr(_class_for(type_), "send")


def connect(
    config: Mapping[str, Any], name: str = "", keeper: Keeper | None = None
) -> Crm | Mailer:
    """Return the connector that the settings describe.

    `name` is its key in the configuration, its type where not given. Its budgets are kept by
    the keeper, or in memory. Raise `UnknownType`, or pydantic's `ValidationError`. Nothing is
    sent yet.
    """
    type_ = config.get("type")
    if not isinstance(type_, str):
        raise UnknownType(type_)
    found = _class_for(type_)
    connector: Crm | Mailer = found(found.Config.model_validate(dict(config)))
    if name:
        connector.name = name
    if keeper is not None and isinstance(connector, Rationed):
        for budget in connector.budgets:
            budget.name, budget.keeper = f"{connector.name}.{budget.name}", keeper
    return connector


def _class_for(type_: str) -> Any:  # noqa: ANN401 - a class we have not seen
    for entry in entry_points(group=GROUP, name=type_):
        return _loaded(entry)
    if type_ not in BUILT_IN:
        raise UnknownType(type_)
    module, _, attribute = BUILT_IN[type_].partition(":")
    return getattr(import_module(module), attribute)


def _loaded(entry: EntryPoint) -> Any:  # noqa: ANN401 - a class we have not seen
    return entry.load()
