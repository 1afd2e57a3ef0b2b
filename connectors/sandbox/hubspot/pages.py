"""The account's records as pages for people. Nothing here needs a token; all text is escaped."""

import re
from collections.abc import Callable, Iterable
from html import escape, unescape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from connectors.sandbox.hubspot.problems import Problem
from connectors.sandbox.hubspot.records import Record
from connectors.sandbox.hubspot.schema import TYPES
from connectors.sandbox.hubspot.state import State

STYLE: Final = """
:root{color-scheme:light dark;--line:#d5dbe3;--soft:#f5f7fa;--ink:#1d2733;--dim:#566271;
--accent:#b8431c}
@media(prefers-color-scheme:dark){:root{--line:#3a4552;--soft:#1d242c;--ink:#e8edf3;--dim:#a3b0bf;
--accent:#ff9b76}body{background:#12171d}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink)}
header{padding:.7rem 1rem;border-bottom:3px solid var(--accent);display:flex;gap:1.2rem;
flex-wrap:wrap;align-items:baseline}
main{max-width:68rem;margin:0 auto;padding:1rem}
a{color:var(--accent)}h1{font-size:1.4rem;margin:.4rem 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600}td{overflow-wrap:anywhere;min-width:4.5rem}
td:first-child{min-width:11.5rem}td{white-space:pre-line}
@media(max-width:42rem){thead{display:none}tr,td{display:block}td:empty{display:none}
tr{border-bottom:1px solid var(--line);padding:.5rem 0}td{border:0;padding:.1rem .3rem}
td:not(:first-child)::before{content:attr(data-name) ": ";color:var(--dim)}}
.counts{display:flex;gap:.6rem;flex-wrap:wrap;padding:0;list-style:none}
.counts li{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;
padding:.3rem .8rem}
article{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .9rem;margin:.5rem 0;
background:var(--soft)}
article p{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
.dim{color:var(--dim)}
"""
NPS_FIRST: Final = ("nps", "email", "firstname", "lastname", "name")
FOR_EACH: Final = "<li><b>{}</b> {}</li>"


def page_routes(state: State) -> list[Route]:
    """Return the routes of the pages."""
    numbered = {number: type_ for type_, (_, number) in TYPES.items()}

    def home(_request: Request) -> str:
        return _home(state)

    def tasks(_request: Request) -> str:
        found = state.all("tasks")
        return _page("Tasks", [_task(state, task) for task in reversed(found)] or [_none()])

    def record(request: Request) -> str:
        type_ = numbered.get(request.path_params["number"], "")
        if not type_:
            raise Problem(404, "There is no such kind of record.")
        return _record(state, state.get(type_, request.path_params["id"]))

    return [
        Route("/", _shown(state, home)),
        Route("/tasks", _shown(state, tasks)),
        Route("/contacts/{portal}/record/{number}/{id}", _shown(state, record)),
    ]


def _shown(state: State, page: Callable[[Request], str]) -> Any:  # noqa: ANN401 - an endpoint
    async def endpoint(request: Request) -> HTMLResponse:
        with state.lock:
            try:
                return HTMLResponse(page(request))
            except Problem as problem:
                told = f"<p>{escape(problem.message)}</p>"
                return HTMLResponse(_page("Not here", [told]), problem.status)

    return endpoint


def _home(state: State) -> str:
    contacts = state.all("contacts")
    counts = "".join(FOR_EACH.format(len(state.all(type_)), type_) for type_ in TYPES)
    scored = sum(1 for contact in contacts if contact.properties.get("nps_score"))
    parts = [f'<ul class="counts">{counts}{FOR_EACH.format(scored, "scored")}</ul>']
    contacts.sort(key=lambda contact: contact.properties.get("nps_answered_at", ""), reverse=True)
    rows = [_contact_row(state, contact) for contact in contacts]
    parts.append(_table(("Contact", "Company", "NPS", "Group", "Comment", "Lead status"), rows))
    return _page("Contacts", parts)


def _contact_row(state: State, contact: Record) -> list[str]:
    own = contact.properties
    company = state.find("companies", own.get("associatedcompanyid", ""))
    shown = ("nps_score", "nps_group", "nps_comment", "hs_lead_status")
    return [
        _link(state, contact),
        _link(state, company) if company else "",
        *(escape(own.get(name, "")) for name in shown),
    ]


def _record(state: State, record: Record) -> str:
    def rank(name: str) -> tuple[bool, str]:
        return (not name.startswith(NPS_FIRST), name)

    rows = [
        [escape(name), escape(_text(value) if name.endswith("_body") else value)]
        for name, value in sorted(record.properties.items(), key=lambda pair: rank(pair[0]))
        if value
    ]
    parts = [_table(("Property", "Value"), rows)]
    for type_ in TYPES:
        found = state.associated(record.type, record.id, type_)
        if not found:
            continue
        parts.append(f"<h2>{type_.capitalize()}</h2>")
        show = {"tasks": _task, "notes": _note}.get(type_)
        parts += [show(state, each) if show else f"<p>{_link(state, each)}</p>" for each in found]
    return _page(_name(record), parts)


def _task(state: State, task: Record) -> str:
    own = task.properties
    owner = state.owners.get(own.get("hubspot_owner_id", ""))
    facts = [
        own.get("hs_task_status", ""),
        f"due {own.get('hs_timestamp', '')[:10]}",
        f"priority {own.get('hs_task_priority', 'NONE')}",
        f"for {owner.first_name} {owner.last_name}" if owner else "for nobody",
    ]
    body = f"<p>{escape(_text(own.get('hs_task_body', '')))}</p>"
    head = f'{_link(state, task)}<br><span class="dim">{escape(" · ".join(facts))}</span>'
    people = state.associated("tasks", task.id, "contacts")
    about = " ".join(_link(state, person) for person in people)
    return f"<article>{head}{body}<p>{about}</p></article>"


def _note(_state: State, note: Record) -> str:
    own = note.properties
    head = f'<span class="dim">{escape(own.get("hs_timestamp", ""))}</span>'
    return f"<article>{head}<p>{escape(_text(own.get('hs_note_body', '')))}</p></article>"


def _text(html: str) -> str:
    """Return the text that a browser would show of rich text, without its tags."""
    broken = re.sub(r"(?i)<br\s*/?>|</p>|</div>", "\n", html)
    return unescape(re.sub(r"<[^>]*>", "", broken)).strip()


def _name(record: Record) -> str:
    own = record.properties
    person = " ".join(filter(None, (own.get("firstname"), own.get("lastname"))))
    names = (person, own.get("name"), own.get("hs_task_subject"), own.get("subject"))
    return next(filter(None, (*names, own.get("email"))), f"{record.type} {record.id}")


def _link(state: State, record: Record) -> str:
    address = f"/contacts/{state.portal}/record/{TYPES[record.type][1]}/{record.id}"
    return f'<a href="{address}">{escape(_name(record))}</a>'


def _none() -> str:
    return "<p>There are none yet.</p>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; the cells are HTML already."""
    names = [escape(name) for name in head]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-name="{name}">{cell}</td>' for name, cell in zip(names, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="Table">{table}</div>'


def _page(title: str, parts: Iterable[str]) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - HubSpot sandbox</title><style>{STYLE}</style></head><body>"
        '<header><b>HubSpot sandbox</b><a href="/">Contacts</a><a href="/tasks">Tasks</a></header>'
        f"<main><h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>"
    )
