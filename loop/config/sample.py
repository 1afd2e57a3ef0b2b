"""Writes configuration files: every setting, its default and what it means.

`config.example.yaml` and what `npsloop init` writes both come from here. A setting that is left
at its default is commented out; taking the `#` off a line, or off a whole section, puts it to use.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from connectors import registry
from loop.config.checks import fields_in
from loop.config.tree import Config

MODELINE: Final = "# yaml-language-server: $schema=./config.schema.json"
WIDTH: Final = 100
NEEDED: Final = "..."
"""Stands where a setting has no default."""

_INTRO: Final = """\
# npsloop's configuration. `npsloop config check` looks it over, `npsloop config show --origin`
# tells where each value came from. Any setting can come from the environment instead:
# NPSLOOP_ASK__SEED=7, NPSLOOP_MAILER__API_KEY=..., NPSLOOP_CRMS__HUBSPOT__...=...
# Secrets are best kept in files: `..._file` names one. ${NAME} is filled from the environment.
"""
_BLOCK: Final = """\
company:
  name: Example Ltd
crms:
  - type: salesforce
    my_domain: example
    client_id: replace-me
    client_secret: replace-me # better in a file, as `client_secret_file: secrets/salesforce`
  - type: hubspot
    access_token: replace-me # better in a file, as `access_token_file: secrets/hubspot`
mailer:
  type: sendgrid
  api_key: replace-me # better in a file, as `api_key_file: secrets/sendgrid`
programs:
  relationship: # every 90 days
    kind: relationship
  support: # a day after a case was closed
    kind: touchpoint
    event: case_closed
"""
_REST: Final = """\
# Everything else, with its default. Taking the # off a line puts it to use; a section that
# stands above already goes on there.
"""

Live = Mapping[str, Any]
"""The settings that are to stand in the file, as nested mappings and lists."""


def types() -> list[str]:
    """Return the types of connector that an operator chooses from: all that can be loaded.

    Those in memory are for tests.
    """
    return [
        type_ for type_ in registry.types() if not type_.startswith("memory_") and _loads(type_)
    ]


def _loads(type_: str) -> bool:
    try:
        registry.config_for(type_)
    except (ImportError, AttributeError):
        return False
    return True


def example(of: Sequence[str]) -> str:
    """Return a short block of settings, then every setting there is, commented out.

    `of` are the types of connector whose settings are shown.
    """
    return "\n".join((MODELINE, _INTRO, _BLOCK, _REST, *_sections({}, of))).rstrip() + "\n"


def written(live: Live, of: Sequence[str]) -> str:
    """Return every setting in its place, those in `live` with their values, put to use."""
    return "\n".join((_INTRO, *_sections(live, of))).rstrip() + "\n"


def _sections(live: Live, of: Sequence[str]) -> Iterator[str]:
    for name, field in Config.model_fields.items():
        if name in {"crms", "mailer"}:
            yield from _connectors(name, field, live, of)
        elif name == "programs":
            yield from _programs(field, live)
        else:
            yield from _setting(name, field, live, "")
        if name in {"version", "secret"}:
            continue
        yield ""


def _setting(name: str, field: FieldInfo, live: Live, indent: str) -> Iterator[str]:
    """Return the lines of a setting: what it means, then its value."""
    inner = fields_in(field.annotation)
    off = "" if name in live else "#"
    text = field.description or (inner.__doc__ if inner else None)
    yield from _help(text, indent, off if indent else "")
    if inner is None:
        yield f"{off}{indent}{name}: {_scalar(live.get(name, _default(field)))}"
        return
    yield f"{off}{indent}{name}:"
    yield from _settings(inner, live.get(name, {}), f"{indent}  ")


def _settings(model: type[BaseModel], live: Live, indent: str, *skip: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in skip:
            yield from _setting(name, field, live, indent)


def _programs(field: FieldInfo, live: Live) -> Iterator[str]:
    """Return the programs in `live`; an example of one where there is none."""
    model = fields_in(field.annotation)
    programs = live.get("programs")
    yield from _help(field.description)
    yield "programs:" if programs else "#programs:"
    for name, settings in (programs or {"a_name": {}}).items():
        yield f"  {name}:" if programs else f"#  {name}:"
        if model is not None:
            yield from _settings(model, settings, "    ")


def _connectors(name: str, field: FieldInfo, live: Live, of: Sequence[str]) -> Iterator[str]:
    """Return the connectors in `live`, then one of each other type, commented out."""
    here = [live["mailer"]] if name == "mailer" and "mailer" in live else live.get(name, [])
    here = list(here)
    fits = [type_ for type_ in of if registry.is_mailer(type_) == (name == "mailer")]
    others = [type_ for type_ in fits if type_ not in {each["type"] for each in here}]
    yield from _help(field.description)
    if name == "crms":
        yield "crms:" if here else "#crms:"
    for settings in (*here, *({"type": type_} for type_ in others)):
        off = "" if settings in here else "#"
        if name == "mailer":
            yield f"{off}mailer:"
        dash = "- " if name == "crms" else ""
        yield f"{off}  {dash}type: {settings['type']}"
        own = settings if not off else {}
        indent = "    " if dash else "  "
        yield from _settings(registry.config_for(settings["type"]), own, indent, "type")


def _help(text: str | None, indent: str = "", off: str = "") -> Iterator[str]:
    mark = f"{off}{indent}# "
    yield from textwrap.wrap(
        " ".join((text or "").split()),
        WIDTH,
        initial_indent=mark,
        subsequent_indent=mark,
        break_on_hyphens=False,
    )


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - any default
    default = field.get_default(call_default_factory=True)
    return NEEDED if default is PydanticUndefined else default


def _scalar(value: Any) -> str:  # noqa: ANN401 - any value
    """Return a value on one line of YAML."""
    if isinstance(value, frozenset):
        value = sorted(value)
    plain = to_jsonable_python(value)
    dumped: str = yaml.safe_dump(
        plain, default_flow_style=True, allow_unicode=True, width=1_000_000
    )
    return dumped.removesuffix("\n").removesuffix("\n...")
