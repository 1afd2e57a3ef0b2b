"""The layers of the configuration laid over each other: environment > secret files > YAML."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loop.config import environment, written
from loop.config.environment import Environment
from loop.config.errors import Mistake
from loop.config.tree import Config
from loop.config.written import Loc, Written, dotted

OF_FILE: Final = "_file"
SECRET_MAX_BYTES: Final = 65_536
_RELATIVE_SQLITE: Final = re.compile(r"^(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)$")


@dataclass
class Reading:
    """All layers, and what they make together."""

    beside: Path
    """Relative paths begin here: the folder of the configuration file."""
    written: Written | None = None
    environment: Environment = field(default_factory=Environment)
    files: dict[Loc, Path] = field(default_factory=dict)
    """Which settings were read from files of their own."""
    data: dict[str, Any] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def tell(self, loc: Loc, problem: str, hint: str = "") -> None:
        """Note a mistake, at the place that the setting comes from; one for each setting."""
        loc = tuple(part for part in loc if part != "[key]")
        if loc in self.files:
            loc = (*loc[:-1], f"{loc[-1]}{OF_FILE}")
        mistake = self._mistake(loc, problem, hint)
        if (mistake.where, mistake.key) not in {(each.where, each.key) for each in self.mistakes}:
            self.mistakes.append(mistake)

    def _mistake(self, loc: Loc, problem: str, hint: str) -> Mistake:
        name = self.environment.name(self.as_named(loc))
        if name is not None:
            where = f"environment {name}"
            return Mistake(where=where, key=dotted(loc), problem=problem, hint=hint)
        if self.written is not None:
            return self.written.mistake(loc, problem, hint)
        return Mistake(where="environment", key=dotted(loc), problem=problem, hint=hint)

    def as_named(self, loc: Loc) -> Loc:
        """Return the way to a setting as variables name it: a CRM by type, not by position."""
        match loc:
            case ("crms", int(index), *rest):
                crms = self.data.get("crms")
                known = isinstance(crms, list) and index < len(crms)
                crm = crms[index] if known and isinstance(crms, list) else None
                by_type = crm.get("type") if isinstance(crm, dict) else None
                named: Loc = ("crms", str(by_type), *rest)
                return named if self.environment.name(named) else ("crms", str(index), *rest)
            case _:
                return loc


def read(path: Path | None) -> Reading:
    """Read the file and the environment. Raise `BadConfig` where the file cannot be read."""
    reading = Reading(beside=path.absolute().parent if path else Path.cwd())
    reading.environment = environment.read()
    if path is not None:
        reading.written = written.read(path)
        # a section with nothing in it is a section left at its defaults
        reading.data = {k: v for k, v in reading.written.data.items() if v is not None}
        reading.mistakes += reading.written.mistakes
    reading.mistakes += reading.environment.mistakes
    _lay(reading, reading.environment.data)
    _root_paths(reading, reading.data)
    _read_secrets(reading)
    return reading


def _lay(reading: Reading, over: dict[str, Any]) -> None:
    """Lay the environment over the file."""
    rest = dict(over)
    crms = rest.pop("crms", None)
    reading.data = _merged(reading.data, rest)
    if isinstance(crms, list):
        reading.data["crms"] = crms
    elif isinstance(crms, dict):
        for named, settings in crms.items():
            _lay_crm(reading, named, settings)


def _lay_crm(reading: Reading, named: str, settings: Any) -> None:  # noqa: ANN401 - unchecked yet
    """Lay `NPSLOOP_CRMS__HUBSPOT__...` (or `__0__...`) over the CRM of that type (or place)."""
    crms = reading.data.get("crms")
    for index, crm in enumerate(crms if isinstance(crms, list) else ()):
        if isinstance(crm, dict) and named in {crm.get("type"), str(index)}:
            crm.update(settings if isinstance(settings, dict) else {})
            return
    for loc, name in reading.environment.names.items():
        if loc[:2] == ("crms", named):
            problem = "no CRM of this type stands in the file"
            where = f"environment {name}"
            reading.mistakes.append(Mistake(where=where, key=f"crms.{named}", problem=problem))


def _merged(below: Any, above: Any) -> Any:  # noqa: ANN401 - unchecked yet
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merged(below.get(key), value)
    return merged


def _root_paths(reading: Reading, value: Any) -> None:  # noqa: ANN401 - unchecked yet
    """Let relative paths begin at the configuration's folder, whatever the working folder is."""
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            _root_paths(reading, each)
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        if str(key).endswith(OF_FILE) and isinstance(each, str) and each:
            value[key] = _rooted(reading, each)
    if value is reading.data:
        if isinstance(value.get("templates"), str):
            value["templates"] = _rooted(reading, value["templates"])
        _root_database(reading, value.setdefault("database", {}))


def _rooted(reading: Reading, path: str) -> str:
    return str(reading.beside / Path(path).expanduser())


def _root_database(reading: Reading, database: Any) -> None:  # noqa: ANN401 - unchecked yet
    if isinstance(database, dict):
        url = database.get("url", Config().database.url)
        found = _RELATIVE_SQLITE.match(url) if isinstance(url, str) else None
        if found:
            database["url"] = f"{found[1]}{_rooted(reading, found[2])}{found[3]}"


def _read_secrets(reading: Reading) -> None:
    """Read `secret_file` and its like; a connector reads its own."""
    data = reading.data
    places: list[tuple[Loc, Any]] = [((), data), (("database",), data.get("database"))]
    for loc, settings in places:
        for key in _winning_files(reading, loc, settings):
            _read_secret(reading, loc, settings, key)
    crms = data.get("crms")
    connectors = list(enumerate(crms)) if isinstance(crms, list) else []
    for index, settings in connectors:
        for key in _winning_files(reading, ("crms", index), settings):
            settings.pop(key, None)
    for key in _winning_files(reading, ("mailer",), data.get("mailer")):
        data["mailer"].pop(key, None)


def _winning_files(reading: Reading, loc: Loc, settings: Any) -> list[str]:  # noqa: ANN401
    """Return the settings whose file counts; drop the file where the environment has the value."""
    if not isinstance(settings, dict):
        return []
    winning = []
    for of_file in [key for key in settings if str(key).endswith(OF_FILE) and settings[key]]:
        key = of_file.removesuffix(OF_FILE)
        if settings.get(key) and reading.environment.name(reading.as_named((*loc, key))):
            del settings[of_file]
        else:
            winning.append(key)
    return winning


def _read_secret(reading: Reading, loc: Loc, settings: dict[str, Any], key: str) -> None:
    path = Path(str(settings[f"{key}{OF_FILE}"]))
    if loc == () and key not in Config.model_fields:
        return
    try:
        with path.open(encoding="utf-8") as file:
            settings[key] = file.read(SECRET_MAX_BYTES).strip()
        reading.files[(*loc, key)] = path
    except (OSError, UnicodeDecodeError) as error:
        settings.pop(key, None)
        words = error.strerror if isinstance(error, OSError) else "not in UTF-8"
        reading.tell((*loc, f"{key}{OF_FILE}"), f"{path} cannot be read: {words}")
