"""What the files promise that show the configuration: the example and the schema."""

import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from connectors import registry
from loop.config import Config, load, sample, schema
from loop.config.checks import fields_in

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "config.example.yaml"
SCHEMA: Final = ROOT / "config.schema.json"
OURS: Final = ("hubspot", "salesforce", "sendgrid", "smtp")
_OFF: Final = re.compile(r"^#(?=[a-z]|  )", re.MULTILINE)


def test_the_example_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == sample.example(OURS), "`npsloop config example` prints it"


def test_the_schema_is_what_the_settings_say() -> None:
    assert json.loads(SCHEMA.read_text()) == schema.schema(OURS), "`npsloop config schema` does"


def test_the_example_tells_editors_of_the_schema() -> None:
    first = EXAMPLE.read_text().splitlines()[0]

    assert first == "# yaml-language-server: $schema=./config.schema.json"


def test_the_example_works_as_it_is() -> None:
    config = load(EXAMPLE)

    assert [crm.type for crm in config.crms] == ["salesforce", "hubspot"]
    assert config.mailer.type == "sendgrid"
    assert {name: program.kind for name, program in config.programs.items()} == {
        "relationship": "relationship",
        "support": "touchpoint",
    }
    assert config.programs["support"].event == "case_closed"


def test_the_example_fits_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))

    validator.check_schema(validator.schema)
    assert list(validator.iter_errors(yaml.safe_load(EXAMPLE.read_text()))) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"ask": {"rest_dayz": 3}},
        {"crms": [{"type": "hubspt"}]},
        {"crms": [{"my_domain": "ann"}]},
        {"mailer": {"type": "hubspot"}},
        {"mailer": {"type": "smtp", "hots": "x"}},
    ],
)
def test_the_schema_refuses_what_we_refuse(settings: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))

    assert not validator.is_valid(settings)


def test_every_setting_stands_in_the_example_with_its_default_and_a_word_on_it() -> None:
    shown = shown_in_the_example()

    assert shown == dict(settings())
    for name, each in described():
        assert each, f"{name} has no docstring"


def shown_in_the_example() -> dict[str, Any]:
    """Return the value of each setting in the lower part, taken into use section by section."""
    lower = EXAMPLE.read_text().split("# Everything else", 1)[1].split("\n\n", 1)[1]
    shown: dict[str, Any] = {}
    for section in re.split(r"^(?=#[a-z])", lower, flags=re.MULTILINE):
        for key, value in (yaml.safe_load(_OFF.sub("", section)) or {}).items():
            shown |= dict(flat(key, value))
    return shown


def flat(name: str, value: object) -> list[tuple[str, Any]]:
    """Return the settings below a value, named the same in the example and in the tree."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [pair for each in value for pair in flat(name, each)]
    if isinstance(value, dict) and value:
        type_ = value.get("type")
        inside = f"{name}.{type_}" if type_ else name
        pairs = [flat(f"{inside}.{key}", each) for key, each in value.items() if key != "type"]
        return [pair for found in pairs for pair in found]
    return [(name, value)]


def settings() -> list[tuple[str, Any]]:
    """Return each setting there is, with its default as it stands in a file."""
    return [(name, default) for name, default, _ in _all()]


def described() -> list[tuple[str, str | None]]:
    """Return each setting there is, with what it says of itself."""
    return [(name, text) for name, _, text in _all()]


def _all() -> list[tuple[str, Any, str | None]]:
    found = []
    for name, field in Config.model_fields.items():
        inner = fields_in(field.annotation)
        if name in {"crms", "mailer"}:
            for type_ in OURS:
                if registry.is_mailer(type_) == (name == "mailer"):
                    found += _of(registry.config_for(type_), f"{name}.{type_}")
        elif inner is not None:
            found += _of(inner, "programs.a_name" if name == "programs" else name)
        else:
            found.append((name, _plain(field), field.description))
    return found


def _of(model: type[BaseModel], section: str) -> list[tuple[str, Any, str | None]]:
    return [
        (f"{section}.{name}", _plain(field), field.description)
        for name, field in model.model_fields.items()
        if name != "type"
    ]


def _plain(field: FieldInfo) -> object:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "..."
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return sorted(default) if isinstance(default, frozenset) else to_jsonable_python(default)
