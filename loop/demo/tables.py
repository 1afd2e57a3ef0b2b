"""Reads rows out of CSV and JSON files as other programs write them; never guesses a code page."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loop.config.errors import Mendable

DELIMITERS: Final = ",;\t|"
JSON: Final = frozenset({".json", ".jsonl", ".ndjson"})
TABLES: Final = frozenset({".csv", ".tsv", ".txt"})
SAMPLE: Final = 8_192
LISTS: Final = ("records", "results", "contacts", "data", "value", "items", "rows")
FIELD_MAX: Final = 10_000_000


class BadFile(Mendable):
    """A file cannot be used as it is. The text says where and what to do."""


@dataclass(frozen=True)
class Row:
    """One row, and where it stands."""

    place: str
    """`contacts.csv:7`."""
    values: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """The rows of a file."""

    path: Path
    columns: Sequence[str]
    rows: Sequence[Row]


def read(path: Path, encoding: str) -> Table:
    """Read a file. Raise `BadFile`."""
    text = _text(path, encoding)
    if not text.strip():
        message = f"{path}: it is empty"
        raise BadFile(message)
    rows = list(_json(path, text) if _is_json(path, text) else _csv(path, text))
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    if not rows:
        message = f"{path}: it has no rows below its headings"
        raise BadFile(message)
    return Table(path, columns, rows)


def _text(path: Path, encoding: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise BadFile(message) from error
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding)
    except LookupError as error:
        message = f"--encoding {encoding}: no such encoding; utf-8, cp1252, latin-1, cp949 are some"
        raise BadFile(message) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = (
            f"{path}:{line}: this is not {encoding} (byte 0x{raw[error.start]:02X}): say which it "
            "is with --encoding, such as --encoding cp1252"
        )
        raise BadFile(message) from error


def _is_json(path: Path, text: str) -> bool:
    begins = text.lstrip()[0] in "[{"
    return path.suffix.lower() in JSON or (begins and path.suffix.lower() not in TABLES)


def _csv(path: Path, text: str) -> Iterator[Row]:
    csv.field_size_limit(FIELD_MAX)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        headings = [heading.strip() for heading in next(lines)]
        begins = lines.line_num + 1
        for cells in lines:
            if any(cell.strip() for cell in cells):
                values = zip(headings, (_whole(cell) for cell in cells), strict=False)
                yield Row(f"{path.name}:{begins}", dict(values))
            begins = lines.line_num + 1
    except csv.Error as error:
        message = f"{path}:{lines.line_num}: {error}"
        raise BadFile(message) from error


def _delimiter(text: str) -> str:
    """Return what parts the cells: the sign that the first line has most of."""
    first = text[:SAMPLE].splitlines()[0]
    return max(DELIMITERS, key=first.count)


def _json(path: Path, text: str) -> Iterator[Row]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        try:  # a line for each record
            data = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            message = f"{path}:{error.lineno}:{error.colno}: {error.msg}"
            raise BadFile(message) from error
    for number, record in enumerate(_records(data), 1):
        yield Row(f"{path.name}, record {number}", dict(_flat(record)))


def _records(data: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - any JSON
    """Give the records of an export, however deep the list of them lies."""
    if isinstance(data, list):
        for each in data:
            yield from _records(each)
    elif isinstance(data, dict):
        inner = next((data[name] for name in LISTS if isinstance(data.get(name), list)), None)
        children = data.get("Contacts")
        if inner is not None:
            yield from _records(inner)
        elif isinstance(children, dict):
            account = data.get("Name", data.get("name", ""))
            for child in _records(children):
                yield {"Account": account, **child}
        else:
            yield data


def _flat(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give a record's values as text; HubSpot's stand in `properties`, a parent's after a dot."""
    for name, value in record.items():
        if name == "properties" and isinstance(value, dict):
            yield from _flat(value)
        elif isinstance(value, dict):
            yield from ((f"{name}.{inner}", _plain(each)) for inner, each in value.items())
        else:
            yield name, _plain(value)


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON
    if value is None or value is False:
        return ""
    return _whole(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    """Return the text with half characters replaced, as a browser does before it sends any."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
