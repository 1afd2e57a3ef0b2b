"""The org's records as simple pages for people to look at. They change nothing."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox import look
from connectors.sandbox.look import Cell, Fact
from connectors.sandbox.salesforce.state import Record, State

LISTS: Final = "/lightning/o/{}/list"
SITE: Final = look.Site(
    name="Salesforce",
    menu={"Contacts": "/"}
    | {f"{name}s": LISTS.format(name) for name in ("Account", "Task", "Lead")},
)
ROWS_MAX: Final = 2_000
CONTACT_COLUMNS: Final = ("Name", "Account", "Score", "Group", "Comment", "Owner")
ACCOUNT_COLUMNS: Final = ("Name", "NPS", "Answers", "Contacts", "Owner")
SCORE_COLUMNS: Final = ("Answered", "Score", "Group", "Program", "Comment")
TASK_COLUMNS: Final = ("Subject", "Status", "Priority", "Due", "About", "Owner")
LEAD_COLUMNS: Final = ("Name", "E-mail", "Company", "Status", "Source", "Promoter", "Owner")
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def pages(state: State) -> list[Route]:
    """Return the routes of the pages."""
    return [
        Route("/", _page(state, home)),
        SITE.style(),
        Route(LISTS.format("Account"), _page(state, accounts)),
        Route(LISTS.format("Task"), _page(state, tasks)),
        Route(LISTS.format("Lead"), _page(state, leads)),
        Route("/lightning/r/{sobject}/{record_id}/view", _page(state, view)),
    ]


def home(state: State, _request: Request) -> Response:
    """List the contacts, the newest answers first, and count what there is."""
    contacts = state.all("Contact")
    counts = {
        "contacts": len(contacts),
        "accounts": len(state.all("Account")),
        "scored": sum(row.get("NPS_Score__c") is not None for row in contacts),
        "tasks": len(state.all("Task")),
        "tasks done": sum(row["IsClosed"] for row in state.all("Task")),
        "leads": len(state.all("Lead")),
    }
    contacts.sort(key=lambda row: row["Name"])
    contacts.sort(key=lambda row: row.get("NPS_Answered_At__c") or LONG_AGO, reverse=True)
    rows = [
        [
            _link(state, row["Id"]),
            _link(state, row["AccountId"]),
            _number(row.get("NPS_Score__c")),
            look.group(row.get("NPS_Group__c")),
            look.text(row.get("NPS_Comment__c")),
            _link(state, row["OwnerId"]),
        ]
        for row in contacts[:ROWS_MAX]
    ]
    return SITE.page("Contacts", look.tiles(counts) + look.table(CONTACT_COLUMNS, rows))


def accounts(state: State, _request: Request) -> Response:
    """List the accounts with their NPS, the lowest first."""
    people = [row["AccountId"] for row in state.all("Contact")]

    def lowest(row: Record) -> tuple[bool, float]:
        return row.get("NPS__c") is None, row.get("NPS__c") or 0

    rows = [
        [
            _link(state, row["Id"]),
            _number(row.get("NPS__c"), sign="+"),
            _number(row.get("NPS_Answers__c")),
            str(people.count(row["Id"])),
            _link(state, row["OwnerId"]),
        ]
        for row in sorted(state.all("Account"), key=lowest)
    ]
    return SITE.page("Accounts", look.table(ACCOUNT_COLUMNS, rows))


def tasks(state: State, _request: Request) -> Response:
    """List the tasks, the open ones first."""
    return SITE.page("Tasks", _task_table(state, state.all("Task")))


def leads(state: State, _request: Request) -> Response:
    """List the leads, the newest first."""
    rows = [
        [
            _link(state, row["Id"]),
            look.text(row["Email"]),
            look.text(row["Company"]),
            look.chip(row["Status"], "open"),
            look.chip(row["LeadSource"]),
            _link(state, row.get("NPS_Promoter__c")),
            _link(state, row["OwnerId"]),
        ]
        for row in reversed(state.all("Lead"))
    ]
    return SITE.page("Leads", look.table(LEAD_COLUMNS, rows))


def view(state: State, request: Request) -> Response:
    """Show one record: what npsloop wrote, what hangs on it, and all its fields."""
    found = state.find(request.path_params["record_id"])
    if found is None or found[0] != request.path_params["sobject"]:
        words = "<p>There is no such record in this org.</p>"
        return SITE.page("No such record", words, status=404)
    sobject, row = found
    names = [name for name in state.objects[sobject].fields if row[name] is not None]
    body = '<p class="gone">This record is in the recycle bin.</p>' if row.get("IsDeleted") else ""
    if show := {"Contact": _contact, "Account": _account, "Task": _task, "Lead": _lead}.get(
        sobject
    ):
        body += show(state, row)
    body += look.fields([_fact(state, row, name) for name in names])
    return SITE.page(_name(row), body, kind=sobject, about=_about(state, row))


def _contact(state: State, row: Record) -> Cell:
    body = look.WAITING
    if row.get("NPS_Score__c") is not None:
        score = Fact(
            label="NPS Score",
            shown=look.big(f"{row['NPS_Score__c']:.0f}", "of 10"),
            field="NPS_Score__c",
        )
        body = look.nps(
            score,
            _fact(state, row, "NPS_Comment__c"),
            [
                _fact(state, row, f"NPS_{name}__c")
                for name in ("Group", "Answered_At", "Surveys", "Factor")
            ],
            row["NPS_Group__c"] or "",
        )
    return body + _tasks(state, "WhoId", row["Id"]) + _answers(state, "Contact", row["Id"])


def _account(state: State, row: Record) -> Cell:
    body = ""
    if row.get("NPS__c") is not None:
        told = look.big(f"{row['NPS__c']:+.0f}" if row["NPS__c"] else "0")
        rest = [_fact(state, row, name) for name in ("NPS_Answers__c", "NPS_Answered_At__c")]
        body = look.nps(Fact(label="NPS", shown=told, field="NPS__c"), None, rest)
    rows = [
        [
            _link(state, one["Id"]),
            _number(one.get("NPS_Score__c")),
            look.group(one.get("NPS_Group__c")),
            look.text(one.get("NPS_Comment__c")),
        ]
        for one in state.all("Contact")
        if one["AccountId"] == row["Id"]
    ]
    body += "<h2>Contacts</h2>" + look.table(("Name", "Score", "Group", "Comment"), rows)
    return body + _tasks(state, "WhatId", row["Id"]) + _answers(state, "Account", row["Id"])


def _lead(state: State, row: Record) -> Cell:
    names = ("Status", "LeadSource", "NPS_Promoter__c", "OwnerId", "Email", "Company")
    words = look.linked(row["Description"] or "")
    body = look.row([_fact(state, row, name) for name in names if name in row])
    return body + (f'<p class="card text">{words}</p>' if words else "")


def _user(state: State, row: Record) -> Cell:
    work = [one for one in state.all("Task") if one["OwnerId"] == row["Id"]]
    return "<h2>Tasks</h2>" + _task_table(state, work)


def _task_table(state: State, work: Sequence[Record]) -> Cell:
    rows = [
        [
            _link(state, row["Id"]),
            look.chip(row["Status"], "done" if row["IsClosed"] else "open"),
            look.priority(row["Priority"] or ""),
            look.day(row["ActivityDate"]),
            _link(state, row["WhoId"]),
            _link(state, row["OwnerId"]),
        ]
        for row in sorted(work, key=lambda row: (row["IsClosed"], row["Id"]))[:ROWS_MAX]
    ]
    return look.table(TASK_COLUMNS, rows)


def _task(state: State, row: Record, name: Cell = "What is to be done") -> Cell:
    owned = {"Owner": _link(state, row["OwnerId"]), "Due": look.day(row["ActivityDate"])}
    about = {
        "Priority": look.priority(row["Priority"] or ""),
        "About": _link(state, row["WhoId"]),
        "Account": _link(state, row["WhatId"]),
    }
    card = look.Task(
        name=name,
        status=row["Status"],
        done=row["IsClosed"],
        facts=[Fact(label=label, shown=shown) for label, shown in (owned | about).items()],
        words=row["Description"] or "",
    )
    return look.task(card)


def _tasks(state: State, about: str, record_id: str) -> Cell:
    work = [row for row in state.all("Task") if row[about] == record_id]
    cards = "".join(_task(state, row, _link(state, row["Id"])) for row in work)
    return f"<h2>Tasks</h2>{cards or look.NONE}"


def _answers(state: State, sobject: str, record_id: str) -> Cell:
    if "NPS_Answer__c" not in state.objects:
        return ""
    kept = [row for row in state.all("NPS_Answer__c") if row[f"NPS_{sobject}__c"] == record_id]
    rows = [
        [
            look.when(row["NPS_Answered_At__c"]),
            _number(row["NPS_Score__c"]),
            look.group(row["NPS_Group__c"]),
            look.chip(row["NPS_Program__c"]),
            look.text(row["NPS_Comment__c"]),
        ]
        for row in kept
    ]
    return "<h2>Answers kept</h2>" + look.table(SCORE_COLUMNS, rows)


def _about(state: State, row: Record) -> Cell:
    """Return a contact's title, account, address and owner in a line."""
    if "AccountId" not in row or "Email" not in row:
        return ""
    owner = _link(state, row["OwnerId"])
    told = [look.text(row["Title"]), _link(state, row["AccountId"]), look.text(row["Email"])]
    return " · ".join(filter(None, [*told, owner and f"owner {owner}"]))


def _fact(state: State, row: Record, name: str) -> Fact:
    value = row[name]
    linked = isinstance(value, str) and name != "Id" and state.find(value) is not None
    shown = _link(state, value) if linked else look.text(value)
    if name == "NPS_Group__c":
        shown = look.group(value)
    elif isinstance(value, datetime):
        shown = look.when(value)
    return Fact(label=_label(name), shown=shown, field=name)


def _link(state: State, record_id: str | None) -> Cell:
    found = state.find(record_id) if record_id else None
    if found is None:
        return ""
    sobject, row = found
    return look.link(f"/lightning/r/{sobject}/{row['Id']}/view", _name(row))


def _name(row: Record) -> str:
    return str(row.get("Name") or row.get("Subject") or row.get("CaseNumber") or row["Id"])


def _number(number: float | None, sign: str = "") -> Cell:
    return "" if number is None else f"<b>{number:{sign if number else ''}.0f}</b>"


def _label(name: str) -> str:
    """Return a field's name as the CRM would show it: `AccountId` as Account."""
    if name.endswith("__c"):
        return name.removesuffix("__c").replace("_", " ").strip()
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return spaced.removesuffix(" Id") if spaced != "Id" else "ID"


SHOWN: Final[Mapping[str, Callable[[State, Record], Cell]]] = {
    "Account": _account,
    "Contact": _contact,
    "Lead": _lead,
    "Task": _task,
    "User": _user,
}
"""What is special about a record, by its object."""


def _page(
    state: State, show: Callable[[State, Request], Response]
) -> Callable[[Request], Awaitable[Any]]:
    async def endpoint(request: Request) -> Response:
        with state.lock:
            return show(state, request)

    return endpoint
