"""Where each value came from: a default, a line of the file, a variable, a secret file."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python

from connectors import registry
from loop.config.layers import OF_FILE, Reading
from loop.config.read import read
from loop.config.tree import Connector
from loop.config.written import Loc

MASK: Final = "********"
_PASSWORD_IN_URL: Final = re.compile(r"(://[^:/@\s]*:)[^@/\s]+(@)")


class Setting(BaseModel):
    """One setting as `npsloop config show` shows it."""

    loc: tuple[str | int, ...]
    value: Any
    """Fit for JSON; a secret is masked."""
    origin: str
    """`default`, `config.yaml:12`, `environment NPSLOOP_X` or `file /run/secrets/x`."""


def settings(path: Path | None) -> Iterator[Setting]:
    """Return every setting with its value and origin. Raise `BadConfig`."""
    reading, config = read(path)
    for loc, value in _leaves((), config):
        yield Setting(loc=loc, value=_shown(value), origin=_origin(reading, loc))


def nested(found: Iterator[Setting]) -> dict[str, Any]:
    """Return the settings as the tree that they are, lists as lists."""
    tree: dict[str | int, Any] = {}
    for setting in found:
        inside = tree
        for part in setting.loc[:-1]:
            inside = inside.setdefault(part, {})
        inside[setting.loc[-1]] = setting.value
    listed: dict[str, Any] = _listed(tree)
    return listed


def _leaves(loc: Loc, value: Any) -> Iterator[tuple[Loc, Any]]:  # noqa: ANN401 - any setting
    """Return the settings below a value, with what they hold."""
    match value:
        case Connector():
            own = registry.config_for(value.type).model_validate(value.own())
            yield from _leaves(loc, own)
        case BaseModel():
            for name in type(value).model_fields:
                yield from _leaves((*loc, name), getattr(value, name))
        case Mapping() if value:
            for name, each in value.items():
                yield from _leaves((*loc, name), each)
        case tuple() if any(isinstance(each, BaseModel) for each in value):
            for index, each in enumerate(value):
                yield from _leaves((*loc, index), each)
        case _:
            yield loc, value


def _shown(value: Any) -> Any:  # noqa: ANN401 - any setting
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, frozenset):
        value = sorted(value)
    plain = to_jsonable_python(value)
    return _PASSWORD_IN_URL.sub(rf"\1{MASK}\2", plain) if isinstance(plain, str) else plain


def _origin(reading: Reading, loc: Loc) -> str:
    name = reading.environment.name(reading.as_named(loc))
    if name is not None:
        return f"environment {name}"
    of_file = _value_at(reading.data, (*loc[:-1], f"{loc[-1]}{OF_FILE}"))
    if of_file:
        return f"file {of_file}"
    if reading.written is None or _value_at(reading.written.data, loc) is None:
        return "default"
    line = reading.written.where(loc)
    return f"{reading.written.path}:{line[0]}" if line else str(reading.written.path)


def _value_at(data: Any, loc: Loc) -> Any:  # noqa: ANN401 - unchecked data
    for part in loc:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _listed(tree: Any) -> Any:  # noqa: ANN401 - a tree or a leaf
    """Return the tree with lists where the keys are positions."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(isinstance(key, int) for key in tree):
        return [_listed(each) for each in tree.values()]
    return {key: _listed(each) for key, each in tree.items()}
