"""What the environment sets: `NPSLOOP_ASK__SEED=7`, `NPSLOOP_MAILER__API_KEY=...`."""

import os
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from loop.config.errors import Mistake
from loop.config.tree import Config
from loop.config.written import Loc, did_you_mean

PREFIX: Final = "NPSLOOP_"
BETWEEN: Final = "__"
_NOT_SETTINGS: Final = frozenset({"NPSLOOP_CONFIG"})
_WORTH_TELLING: Final = 0.8


class _Tree(Config, BaseSettings):
    """The tree of settings, as pydantic-settings wants it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=BETWEEN, env_ignore_empty=True, extra="ignore"
    )


@dataclass(frozen=True)
class Environment:
    """What was found in the environment, and under which names."""

    data: dict[str, Any] = field(default_factory=dict)
    names: dict[Loc, str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def name(self, loc: Loc) -> str | None:
        """Return the variable that sets this setting or all around it."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.names:
                return self.names[loc[:length]]
        return None


def read() -> Environment:
    """Read all variables that begin with the prefix."""
    found = Environment()
    for name, value in os.environ.items():
        if name.upper().startswith(PREFIX) and value and name not in _NOT_SETTINGS:
            _name(found, name)
    if not found.names and not found.mistakes:
        return found
    source = EnvSettingsSource(_Tree)
    for name, each in _Tree.model_fields.items():
        try:
            value, _, is_complex = source.get_field_value(each, name)
            value = source.prepare_field_value(name, each, value, is_complex)
        except ValueError as error:
            where = f"environment {PREFIX}{name.upper()}"
            problem = f"expected JSON: {error.__cause__ or error}"
            found.mistakes.append(Mistake(where=where, key=name, problem=problem))
            continue
        if value is not None:
            found.data[name] = value
    return found


def _name(found: Environment, name: str) -> None:
    """Note what a variable sets; tell of one that nearly sets something."""
    loc = tuple(name[len(PREFIX) :].lower().split(BETWEEN))
    if loc[0] in Config.model_fields:
        found.names[loc] = name
        return
    hint = did_you_mean(loc[0], Config.model_fields, cutoff=_WORTH_TELLING)
    if hint or len(loc) > 1:
        problem = "there is no such setting"
        found.mistakes.append(
            Mistake(where=f"environment {name}", key=".".join(loc), problem=problem, hint=hint)
        )
