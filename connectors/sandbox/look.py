"""What the played services' pages are made of: pieces of HTML in one look, without a script.

Whatever is said on a page is escaped here. Links are made of addresses on this machine alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

Cell = str
"""A piece of HTML that is safe already."""

STYLE: Final = files(__package__).joinpath("look.css").read_text("utf-8")
NONE: Final = '<p class="none">There are none yet.</p>'
WAITING: Final = '<p class="card none">No answer yet. As soon as there is one, it stands here.</p>'
GROUPS: Final = ("promoter", "passive", "detractor")
HERE: Final = re.compile(r"(http://127\.0\.0\.1:\d+/[^\s<>\"']*)")
DAY_LENGTH: Final = len("2026-12-06")
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that a record says: a field with its value."""

    label: str
    shown: Cell
    field: str = ""
    """What the API calls it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something that somebody is to do."""

    name: Cell
    status: str
    done: bool
    facts: Sequence[Fact]
    words: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """The pages of one service: its name, and the lists that its menu leads to."""

    name: str
    menu: Mapping[str, str]

    def page(
        self, title: str, body: Cell, *, kind: str = "", about: Cell = "", status: int = 200
    ) -> HTMLResponse:
        """Return a page; `kind` is what a record is, `about` a line below its name."""
        html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} - {self.name}, played</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/sandbox.css">
</head>
<body class="{self.name.lower()}">
<header><b>{self.name}</b><nav aria-label="Lists">{self._menu("" if kind else title)}</nav>
<span class="played">played on this machine</span></header>
<main>
{f'<p class="kind">{escape(kind)}</p>' if kind else ""}
<h1><bdi>{escape(title)}</bdi></h1>
{f'<p class="about">{about}</p>' if about else ""}
{body}
</main>
</body>
</html>
"""
        return HTMLResponse(html, status, HEADERS)

    def style(self) -> Route:
        """Return the route of the style sheet."""

        def sheet(_request: Request) -> Response:
            return Response(STYLE, media_type="text/css", headers=HEADERS)

        return Route("/sandbox.css", sheet)

    def _menu(self, title: str) -> Cell:
        return " ".join(
            f'<a href="{address}"{" aria-current=page" if label == title else ""}>{label}</a>'
            for label, address in self.menu.items()
        )


def text(value: object) -> Cell:
    """Return a value as a person reads it."""
    if value is None or value == "":
        return ""
    return f'<bdi class="text">{escape(_spoken(value))}</bdi>'


def when(value: object) -> Cell:
    """Return a day, or a moment, whether it is one or written as in ISO 8601."""
    told = _time(value)
    if isinstance(told, datetime):
        return f'<span class="short">{told.day} {told:%b %Y, %H:%M}</span>'
    return day(told)


def day(value: object) -> Cell:
    """Return the day of a moment."""
    told = _time(value)
    if not isinstance(told, date):
        return text(value)
    return f'<span class="short">{told.day} {told:%b %Y}</span>'


def link(address: str, words: object) -> Cell:
    """Return a link within the site."""
    return f'<a href="{escape(address)}">{text(words)}</a>'


def chip(words: object, kind: str = "") -> Cell:
    """Return a word on a ground of its own colour: one of look.css, such as `open`, `done`."""
    return f'<span class="chip {escape(kind)}">{escape(str(words))}</span>' if words else ""


def group(name: object) -> Cell:
    """Return a group in its colour."""
    return chip(name, str(name) if name in GROUPS else "")


def priority(name: str) -> Cell:
    """Return how urgent a task is; what is urgent has a colour."""
    return chip(name, "high" if name == "High" else "")


def linked(words: str) -> Cell:
    """Return a text of several lines in which addresses on this machine are links."""
    parts = HERE.split(words)
    return "".join(
        f'<a href="{escape(part)}">{escape(part)}</a>' if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def tiles(counts: Mapping[str, int]) -> Cell:
    """Return numbers, each with its name."""
    each = "".join(f"<li><b>{count}</b> {escape(name)}</li>" for name, count in counts.items())
    return f'<ul class="tiles">{each}</ul>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Cell:
    """Return a table; on a phone each row is a block that names its cells."""
    names = [escape(column) for column in columns]
    body = "".join(f"<tr>{_cells(names, row)}</tr>" for row in rows)
    if not body:
        return NONE
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def big(number: str, of: str = "") -> Cell:
    """Return a number at the size that it deserves."""
    return f"<b>{escape(number)}</b> {escape(of)}" if number else ""


def nps(score: Fact, said: Fact | None, rest: Sequence[Fact], name: str = "") -> Cell:
    """Return what npsloop wrote: a score (see `big`) in its group's colour, and the comment."""
    colour = name if name in GROUPS else ""
    comment = f'<dl class="comment">{_pairs([said])}</dl>' if said and said.shown else "<div></div>"
    return (
        f'<div class="card nps {colour}"><dl class="score">{_pairs([score])}</dl>{comment}'
        f'<dl class="row">{_pairs(rest)}</dl></div>'
    )


def task(one: Task) -> Cell:
    """Return a task as a card: what, who, by when, and the words of it."""
    state = "done" if one.done else "open"
    words = f'<p class="words">{linked(one.words)}</p>' if one.words else ""
    return (
        f'<article class="card task {state}"><div class="head"><h3>{one.name}</h3>'
        f'{chip(one.status, state)}</div><dl class="row">{_pairs(one.facts)}</dl>{words}</article>'
    )


def row(facts: Sequence[Fact]) -> Cell:
    """Return facts side by side, on a card."""
    return f'<div class="card"><dl class="row">{_pairs(facts)}</dl></div>'


def fields(facts: Sequence[Fact], title: str = "All fields") -> Cell:
    """Return facts one below the other, folded up until somebody wants to see them."""
    listed = f'<dl class="card list">{_pairs(facts)}</dl>'
    return f"<details><summary>{escape(title)} ({len(facts)})</summary>{listed}</details>"


def _cells(names: Sequence[str], row_: Sequence[Cell]) -> Cell:
    pairs = zip(names, row_, strict=True)
    return "".join(
        f'<td data-label="{name}"{" class=long" if name == "Comment" else ""}>{cell}</td>'
        for name, cell in pairs
    )


def _pairs(facts: Iterable[Fact]) -> Cell:
    return "".join(
        f"<div><dt{_titled(fact.field)}>{escape(fact.label)}</dt><dd>{fact.shown}</dd></div>"
        for fact in facts
        if fact.shown
    )


def _titled(field: str) -> str:
    return f' title="{escape(field)}"' if field else ""


def _time(value: object) -> object:
    """Return the day or the moment that a value is; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        told = datetime.fromisoformat(value)
    except ValueError:
        return value
    return told.date() if len(value) == DAY_LENGTH else told


def _spoken(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
