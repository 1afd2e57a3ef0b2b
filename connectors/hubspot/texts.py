"""Plain text to HubSpot's rich text and back, and our mark at its end.

A note or a task has no property of ours that could be unique, so its text ends with our key:
`[npsloop:KEY]`. Whoever adds words below it, or quotes another one above it, does no harm.
"""

import re
from html import escape, unescape
from typing import Final
from urllib.parse import quote

BODY_MAX: Final = 65_536
SUBJECT_MAX: Final = 250
MARK: Final = re.compile(r"\[npsloop:([^\[\]\s]+)\]")
CUT: Final = "…"


def rich(text: str, key: str) -> str:
    """Return a text as HubSpot shows it unchanged, with our mark below it."""
    mark = f"<br><br>{escape(mark_of(key))}"
    return _fitting(text, BODY_MAX - len(mark)) + mark


def subject(text: str) -> str:
    """Return a text as a line."""
    return " ".join(text.split())[:SUBJECT_MAX]


def plain(text: str) -> str:
    """Return a text that a property takes, cut where it is too long."""
    return text if len(text) <= BODY_MAX else text[: BODY_MAX - len(CUT)] + CUT


def mark_of(key: str) -> str:
    """Return our mark for a key."""
    return f"[npsloop:{quote(key, safe=':-_.~/')}]"


def mark_in(body: str) -> str:
    """Return the mark that a rich text ends with, or nothing."""
    found = list(MARK.finditer(unescape(re.sub(r"<[^>]*>", " ", body))))
    return found[-1].group() if found else ""


def _fitting(text: str, most: int) -> str:
    """Escape a text, cut so that it is at most so long then."""
    found, end = _escaped(text), len(text)
    while len(found) > most:
        end = min(end - 1, end * most // len(found))
        found = _escaped(text[:end] + CUT)
    return found


def _escaped(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "<br>".join(escape(line) for line in lines)
