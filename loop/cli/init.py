"""`npsloop init`: write a configuration by asking."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.interview import SECRETS, Interview
from loop.cli.say import CONFIG_PATH, ConfigPath, Yes

_WAYS_IN: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "salesforce": {
        "secret": ("my_domain", "client_id", "client_secret"),
        "key": ("my_domain", "client_id", "username", "private_key"),
    },
    "hubspot": {"token": ("access_token",)},
    "sendgrid": {"key": ("api_key", "webhook_public_key")},
    "smtp": {"password": ("host", "port", "username", "password")},
}
"""What to ask for, by the way in; of other connectors all secrets and what has no default."""

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting: ask.rest_days=30, hubspot.access_token_file=/run/secrets/hubspot.",
    ),
]


def init(  # noqa: PLR0913 - each is a flag
    config: ConfigPath = CONFIG_PATH,
    *,
    public_url: Annotated[
        str | None, typer.Option(help="The address at which customers reach the pages.")
    ] = None,
    company: Annotated[str | None, typer.Option(help="Your company's name.")] = None,
    sender: Annotated[str | None, typer.Option(help="The address that mails come from.")] = None,
    crm: Annotated[list[str] | None, typer.Option(help="A CRM's type; may be repeated.")] = None,
    mailer: Annotated[str | None, typer.Option(help="The mailer's type.")] = None,
    program: Annotated[
        list[str] | None, typer.Option(help="relationship or support; may be repeated.")
    ] = None,
    settings: Set = None,
    yes: Yes = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a configuration by asking."""
    if config.exists() and not force:
        raise say.fail(f"{config} is there already. --force overwrites it.", say.EXIT_USAGE)
    given = {
        "public_url": public_url,
        "company.name": company,
        "sender.email": sender,
        "crms": ",".join(crm) if crm else None,
        "mailer": mailer,
        "programs": ",".join(program) if program else None,
        **_pairs(settings or ()),
    }
    interview = Interview({k: v for k, v in given.items() if v is not None}, yes=yes)
    live = _answers(interview)
    _put(config, live, interview)
    _look_over(config)


def _pairs(settings: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals:
            raise say.fail(f"--set {each}: expected KEY=VALUE", say.EXIT_USAGE)
        pairs[key.strip()] = value
    return pairs


def _answers(interview: Interview) -> dict[str, Any]:
    """Return the settings that are to stand in the file."""
    from connectors import registry  # noqa: PLC0415 - quick start-up
    from loop.config import sample  # noqa: PLC0415 - quick start-up

    crms = [type_ for type_ in sample.types() if not registry.is_mailer(type_)]
    mailers = [type_ for type_ in sample.types() if registry.is_mailer(type_)]
    live: dict[str, Any] = {
        "version": 1,
        "public_url": _asked(interview, "public_url"),
        "company": {"name": _asked(interview, "company.name")},
        "sender": {"email": _asked(interview, "sender.email")},
    }
    chosen = interview.several("crms", "Which CRMs", crms, crms[-1:])
    live["crms"] = [_connector(interview, type_) for type_ in chosen]
    mailer = interview.one("mailer", "What sends the mail", mailers, mailers[0])
    live["mailer"] = _connector(interview, mailer)
    live["programs"] = _programs(interview)
    _lay_rest(interview, live)
    return live


def _asked(interview: Interview, key: str) -> str:
    """Ask for a setting of the tree by its own words, and check the answer by its own rules."""
    from loop.config import Config  # noqa: PLC0415 - quick start-up

    section, _, name = key.rpartition(".")
    model = type(getattr(Config(), section)) if section else Config
    field = model.model_fields[name]
    return interview.text(key, field.description or key, str(field.default), _rule(field))


def _rule(field: Any) -> Any:  # noqa: ANN401 - pydantic's
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - quick start-up

    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])

    def problem(answer: str) -> str:
        try:
            adapter.validate_python(answer)
        except ValidationError as error:
            return error.errors()[0]["msg"]
        return ""

    return problem


def _connector(interview: Interview, type_: str) -> dict[str, Any]:
    """Ask for what a connector cannot do without, its secrets among it."""
    from connectors import registry  # noqa: PLC0415 - quick start-up

    fields = registry.config_for(type_).model_fields
    settings: dict[str, Any] = {"type": type_}
    for name in _to_ask(interview, type_, fields):
        field = fields[name]
        key, meaning = f"{type_}.{name}", field.description or name
        if f"{name}_file" in fields:
            settings |= interview.secret(type_, name, meaning)
            continue
        default = "" if field.is_required() else _plain_default(field)
        answer = interview.text(key, f"{key}: {meaning}", default, _rule(field))
        if answer != default:
            settings[name] = answer
    return settings


def _to_ask(interview: Interview, type_: str, fields: dict[str, Any]) -> list[str]:
    """Return the settings of a connector to ask for."""
    ways = _WAYS_IN.get(type_)
    if ways is None:
        return [
            name
            for name, field in fields.items()
            if name != "type" and (field.is_required() or f"{name}_file" in fields)
        ]
    way = next(iter(ways))
    if len(ways) > 1:
        given = [each for each in ways if _fits(interview, type_, ways[each])]
        way = (
            given[0]
            if given
            else interview.one(f"{type_}.", f"{type_}: sign in with an app's", list(ways), way)
        )
    return [name for name in ways[way] if name in fields]


def _fits(interview: Interview, type_: str, names: Sequence[str]) -> bool:
    """Return whether a flag gave the secret of this way in."""
    return bool({f"{type_}.{names[-1]}", f"{type_}.{names[-1]}_file"} & interview.given.keys())


def _plain_default(field: Any) -> str:  # noqa: ANN401 - pydantic's
    return str(field.default) if isinstance(field.default, str | int | float) else ""


def _programs(interview: Interview) -> dict[str, Any]:
    both: dict[str, dict[str, Any]] = {
        "relationship": {"kind": "relationship"},
        "support": {"kind": "touchpoint", "event": "case_closed"},
    }
    question = "Which surveys: one every 90 days, one after a closed case"
    chosen = interview.several("programs", question, list(both), list(both))
    return {name: both[name] for name in chosen}


def _lay_rest(interview: Interview, live: dict[str, Any]) -> None:
    """Put what `--set` gave beyond the questions where it belongs."""
    import yaml  # noqa: PLC0415 - quick start-up

    connectors = {each["type"]: each for each in (*live["crms"], live["mailer"])}
    for key, value in interview.given.items():
        *sections, name = key.split(".")
        place: Any = live
        if sections and sections[0] in connectors:
            place = connectors[sections.pop(0)]
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = yaml.safe_load(value)


def _put(path: Path, live: dict[str, Any], interview: Interview) -> None:
    """Write the file, and each pasted secret into a file that its owner alone can read."""
    from loop.config import sample  # noqa: PLC0415 - quick start-up

    text = sample.written(live, sample.types())
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, secret in interview.secrets.items():
        folder = path.parent / SECRETS
        folder.mkdir(mode=0o700, exist_ok=True)
        _put_secret(folder / name, secret)
        say.tell(f"wrote {folder / name} (readable by you alone)")
    path.write_text(text, encoding="utf-8")
    say.tell(f"wrote {path}")


def _put_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secret + "\n")


def _look_over(path: Path) -> None:
    from loop.config import BadConfig, load  # noqa: PLC0415 - quick start-up

    try:
        load(path)
    except BadConfig as error:
        say.tell(error, "red")
        raise say.fail("next: mend this, then npsloop config check", say.EXIT_FINDINGS) from error
    say.tell("next: npsloop doctor", "green")
