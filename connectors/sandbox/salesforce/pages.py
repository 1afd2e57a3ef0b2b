"""The org's records as simple pages for people to look at. They change nothing.

Everything in them is escaped, and they need no script: the policy they come with allows none.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from connectors.sandbox.salesforce.state import Record, State

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STYLE: Final = files(__package__).joinpath("pages.css").read_text()
ROWS_MAX: Final = 2_000
CONTACT_COLUMNS: Final = ("Name", "Account", "NPS score", "Group", "Comment", "Owner")
SCORE_COLUMNS: Final = ("Answered", "Score", "Group", "Program", "Comment")
TASK_COLUMNS: Final = ("Subject", "Status", "Priority", "Due", "About", "Owner")
LEAD_COLUMNS: Final = ("Name", "Company", "Source", "Status", "Promoter", "Description")
Cell = str
"""A piece of HTML that is safe already."""


def pages(state: State) -> list[Route]:
    """Return the routes of the pages."""
    views = "/lightning/r/{sobject}/{record_id}/view"

    async def style(_request: Request) -> Response:
        return Response(STYLE, media_type="text/css", headers=HEADERS)

    return [
        Route("/", _page(state, home)),
        Route("/sandbox.css", style),
        Route("/lightning/o/Task/list", _page(state, tasks)),
        Route("/lightning/o/Lead/list", _page(state, leads)),
        Route(views, _page(state, view)),
    ]


def home(state: State, _request: Request) -> Response:
    """List the contacts and count what there is."""
    contacts = state.all("Contact")
    counts = {
        "contacts": len(contacts),
        "accounts": len(state.all("Account")),
        "scored": sum(row.get("NPS_Score__c") is not None for row in contacts),
        "tasks": len(state.all("Task")),
        "tasks done": sum(row["IsClosed"] for row in state.all("Task")),
        "leads": len(state.all("Lead")),
    }
    tiles = "".join(f"<li><b>{count}</b> {escape(name)}</li>" for name, count in counts.items())
    contacts.sort(key=lambda row: (row.get("NPS_Score__c") is None, row["Name"]))
    rows = [
        [
            _link(state, row["Id"]),
            _link(state, row["AccountId"]),
            _score(row.get("NPS_Score__c")),
            _group(row.get("NPS_Group__c")),
            _text(row.get("NPS_Comment__c")),
            _link(state, row["OwnerId"]),
        ]
        for row in contacts[:ROWS_MAX]
    ]
    body = f'<ul class="tiles">{tiles}</ul>' + _table(CONTACT_COLUMNS, rows)
    return _shown("Contacts", body)


def tasks(state: State, _request: Request) -> Response:
    """List the tasks, the open ones first."""
    rows = sorted(state.all("Task"), key=lambda row: (row["IsClosed"], row["Id"]))
    return _shown("Tasks", _task_table(state, rows))


def leads(state: State, _request: Request) -> Response:
    """List the leads."""
    rows = [
        [
            _link(state, row["Id"]),
            _text(row["Company"]),
            _text(row["LeadSource"]),
            _text(row["Status"]),
            _link(state, row.get("NPS_Promoter__c")),
            _text(row["Description"]),
        ]
        for row in state.all("Lead")
    ]
    return _shown("Leads", _table(LEAD_COLUMNS, rows))


def view(state: State, request: Request) -> Response:
    """Show one record with all its fields, and what hangs on it."""
    found = state.find(request.path_params["record_id"])
    if found is None or found[0] != request.path_params["sobject"]:
        return _shown("No such record", "<p>There is no such record in this org.</p>", 404)
    sobject, row = found
    fields = state.objects[sobject].fields
    ours = [name for name in fields if name.startswith("NPS_")]
    others = [name for name in fields if name not in ours and row[name] is not None]
    body = '<p class="gone">This record is in the recycle bin.</p>' if row.get("IsDeleted") else ""
    if sobject == "Task":
        body += f"<p>Status: <b>{_text(row['Status'])}</b></p>"
    if ours:
        body += "<h2>NPS</h2>" + _facts(state, row, ours)
    body += _related(state, sobject, row["Id"]) + "<h2>Details</h2>" + _facts(state, row, others)
    return _shown(_name(row), body, kind=sobject)


def _related(state: State, sobject: str, record_id: str) -> Cell:
    body = ""
    if sobject == "Account":
        contacts = [row for row in state.all("Contact") if row["AccountId"] == record_id]
        rows = [[_link(state, row["Id"]), _score(row.get("NPS_Score__c"))] for row in contacts]
        body += "<h2>Contacts</h2>" + _table(("Name", "NPS score"), rows)
    if sobject not in {"Account", "Contact"}:
        return body
    about = "WhatId" if sobject == "Account" else "WhoId"
    work = [row for row in state.all("Task") if row[about] == record_id]
    body += "<h2>Tasks</h2>" + _task_table(state, work)
    if "NPS_Answer__c" in state.objects:
        lookup = f"NPS_{sobject}__c"
        kept = [row for row in state.all("NPS_Answer__c") if row[lookup] == record_id]
        body += "<h2>Answers kept</h2>" + _answer_table(kept)
    return body


def _task_table(state: State, tasks: Sequence[Record]) -> Cell:
    rows = [
        [
            _link(state, row["Id"]),
            f'<span class="{"done" if row["IsClosed"] else "open"}">{_text(row["Status"])}</span>',
            _text(row["Priority"]),
            _text(row["ActivityDate"]),
            _link(state, row["WhoId"]),
            _link(state, row["OwnerId"]),
        ]
        for row in tasks[:ROWS_MAX]
    ]
    return _table(TASK_COLUMNS, rows)


def _answer_table(answers: Sequence[Record]) -> Cell:
    rows = [
        [
            _text(row["NPS_Answered_At__c"]),
            _score(row["NPS_Score__c"]),
            _group(row["NPS_Group__c"]),
            _text(row["NPS_Program__c"]),
            _text(row["NPS_Comment__c"]),
        ]
        for row in answers
    ]
    return _table(SCORE_COLUMNS, rows)


def _facts(state: State, row: Record, names: Sequence[str]) -> Cell:
    lines = []
    for name in names:
        value = row[name]
        linked = isinstance(value, str) and name != "Id" and state.find(value) is not None
        shown = _link(state, value) if linked else _text(value)
        if name == "NPS_Group__c":
            shown = _group(value)
        lines.append(f'<dt title="{escape(name)}">{escape(_label(name))}</dt><dd>{shown}</dd>')
    return f"<dl>{''.join(lines)}</dl>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Cell:
    if not rows:
        return '<p class="none">None yet.</p>'
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-label="{escape(column)}">{cell}</td>'
            for column, cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _link(state: State, record_id: str | None) -> Cell:
    found = state.find(record_id) if record_id else None
    if found is None:
        return ""
    sobject, row = found
    address = escape(f"/lightning/r/{sobject}/{row['Id']}/view")
    return f'<a href="{address}">{_text(_name(row))}</a>'


def _name(row: Record) -> str:
    return str(row.get("Name") or row.get("Subject") or row.get("CaseNumber") or row["Id"])


def _score(score: float | None) -> Cell:
    return "" if score is None else f'<b class="score">{score:.0f}</b>'


def _group(group: str | None) -> Cell:
    return f'<span class="{escape(group)}">{escape(group)}</span>' if group else ""


def _label(name: str) -> str:
    """Return a field's name as the CRM would show it: `AccountId` as Account."""
    if name.endswith("__c"):
        return name.removesuffix("__c").replace("_", " ").strip()
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return spaced.removesuffix(" Id") if spaced != "Id" else "ID"


def _text(value: object) -> Cell:
    if value is None or value == "":
        return ""
    return f'<bdi class="text">{escape(_spoken(value))}</bdi>'


def _spoken(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _shown(title: str, body: Cell, status: int = 200, *, kind: str = "") -> HTMLResponse:
    label = f'<p class="kind">{escape(kind)}</p>' if kind else ""
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - Salesforce sandbox</title>
<link rel="stylesheet" href="/sandbox.css">
</head>
<body>
<header><a href="/">Salesforce sandbox</a>
<nav><a href="/">Contacts</a> <a href="/lightning/o/Task/list">Tasks</a>
<a href="/lightning/o/Lead/list">Leads</a></nav></header>
<main>{label}<h1><bdi>{escape(title)}</bdi></h1>
{body}
</main>
</body>
</html>
"""
    return HTMLResponse(html, status, HEADERS)


def _page(
    state: State, show: Callable[[State, Request], Response]
) -> Callable[[Request], Awaitable[Any]]:
    async def endpoint(request: Request) -> Response:
        with state.lock:
            return show(state, request)

    return endpoint
