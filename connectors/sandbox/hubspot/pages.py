"""The account's records as pages for people. Nothing here needs a token."""

import re
from collections.abc import Callable, Sequence
from html import unescape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from connectors.sandbox import look
from connectors.sandbox.hubspot.problems import Problem
from connectors.sandbox.hubspot.records import Record
from connectors.sandbox.hubspot.schema import TYPES
from connectors.sandbox.hubspot.state import State
from connectors.sandbox.look import Cell, Fact

SITE: Final = look.Site(
    name="HubSpot",
    menu={"Contacts": "/", "Companies": "/companies", "Tasks": "/tasks", "Leads": "/leads"},
)
CONTACT_COLUMNS: Final = ("Name", "Company", "Score", "Group", "Comment", "Owner")
COMPANY_COLUMNS: Final = ("Name", "NPS", "Answers", "Contacts", "Owner")
TASK_COLUMNS: Final = ("Subject", "Status", "Priority", "Due", "About", "Owner")
LEAD_COLUMNS: Final = ("Name", "E-mail", "Lead status", "Referred by", "Owner")
RELATED: Final = ("tasks", "notes", "contacts", "companies", "deals", "tickets")
DONE: Final = "COMPLETED"
Page = Callable[[State], HTMLResponse]


def page_routes(state: State) -> list[Route]:
    """Return the routes of the pages."""
    numbered = {number: type_ for type_, (_, number) in TYPES.items()}

    def record(request: Request) -> HTMLResponse:
        type_ = numbered.get(request.path_params["number"], "")
        if not type_:
            raise Problem(404, "There is no such kind of record.")
        return _record(state, state.get(type_, request.path_params["id"]))

    lists = {"/": _contacts, "/companies": _companies, "/tasks": _tasks, "/leads": _leads}
    return [
        *(Route(path, _shown(state, _listed(state, show))) for path, show in lists.items()),
        SITE.style(),
        Route("/contacts/{portal}/record/{number}/{id}", _shown(state, record)),
    ]


def _listed(state: State, show: Page) -> Callable[[Request], HTMLResponse]:
    return lambda _request: show(state)


def _shown(state: State, page: Callable[[Request], HTMLResponse]) -> Any:  # noqa: ANN401 - an endpoint
    async def endpoint(request: Request) -> HTMLResponse:
        with state.lock:
            try:
                return page(request)
            except Problem as problem:
                told = f"<p>{look.text(problem.message)}</p>"
                return SITE.page("Not here", told, status=problem.status)

    return endpoint


def _contacts(state: State) -> HTMLResponse:
    """List the contacts, the newest answers first, and count what there is."""
    contacts, tasks = state.all("contacts"), state.all("tasks")
    counts = {type_: len(state.all(type_)) for type_ in ("contacts", "companies")} | {
        "scored": sum(bool(one.properties.get("nps_score")) for one in contacts),
        "tasks": len(tasks),
        "tasks done": sum(_done(one) for one in tasks),
        "notes": len(state.all("notes")),
        "leads": sum(bool(one.properties.get("hs_lead_status")) for one in contacts),
    }
    contacts.sort(key=lambda one: one.properties.get("nps_answered_at", ""), reverse=True)
    rows = [
        [
            _link(state, one),
            _company(state, one),
            _number(one.properties.get("nps_score", "")),
            look.group(one.properties.get("nps_group")),
            look.text(one.properties.get("nps_comment")),
            _owner(state, one),
        ]
        for one in contacts
    ]
    return SITE.page("Contacts", look.tiles(counts) + look.table(CONTACT_COLUMNS, rows))


def _companies(state: State) -> HTMLResponse:
    """List the companies with their NPS, the lowest first."""

    def lowest(one: Record) -> tuple[bool, float]:
        return not one.properties.get("nps"), float(one.properties.get("nps") or 0)

    rows = [
        [
            _link(state, one),
            _number(one.properties.get("nps", ""), sign="+"),
            _number(one.properties.get("nps_answers", "")),
            str(len(state.associated("companies", one.id, "contacts"))),
            _owner(state, one),
        ]
        for one in sorted(state.all("companies"), key=lowest)
    ]
    return SITE.page("Companies", look.table(COMPANY_COLUMNS, rows))


def _tasks(state: State) -> HTMLResponse:
    """List the tasks, the open ones first."""
    rows = [
        [
            _link(state, one),
            look.chip(_status(one), "done" if _done(one) else "open"),
            look.priority(one.properties.get("hs_task_priority", "").capitalize()),
            look.day(one.properties.get("hs_timestamp")),
            _people(state, one),
            _owner(state, one),
        ]
        for one in sorted(state.all("tasks"), key=_done)
    ]
    return SITE.page("Tasks", look.table(TASK_COLUMNS, rows))


def _leads(state: State) -> HTMLResponse:
    """List the contacts that have a lead status, the newest first."""
    rows = [
        [
            _link(state, one),
            look.text(one.properties.get("email")),
            look.chip(_words(one.properties["hs_lead_status"]), "open"),
            _promoter(state, one.properties.get("nps_referred_by", "")),
            _owner(state, one),
        ]
        for one in reversed(state.all("contacts"))
        if one.properties.get("hs_lead_status")
    ]
    return SITE.page("Leads", look.table(LEAD_COLUMNS, rows))


def _record(state: State, record: Record) -> HTMLResponse:
    show = {"contacts": _contact, "companies": _figures, "tasks": _task}.get(record.type)
    parts = [show(state, record)] if show else []
    parts += [_related(state, record, type_) for type_ in RELATED]
    names = sorted(record.properties, key=lambda name: (not name.startswith("nps"), name))
    parts.append(look.fields([_fact(state, record, name) for name in names], "All properties"))
    kind = TYPES[record.type][0]
    return SITE.page(_name(record), "".join(parts), kind=kind, about=_about(state, record))


def _contact(state: State, record: Record) -> Cell:
    own = record.properties
    lead = [_fact(state, record, name) for name in ("hs_lead_status", "nps_referred_by")]
    body = look.row(lead) if own.get("hs_lead_status") else ""
    if not own.get("nps_score"):
        return body or look.WAITING
    score = Fact(label="NPS score", shown=look.big(own["nps_score"], "of 10"), field="nps_score")
    names = ("nps_group", "nps_answered_at", "nps_surveys", "nps_factor")
    rest = [_fact(state, record, name) for name in names]
    said = _fact(state, record, "nps_comment")
    return body + look.nps(score, said, rest, own.get("nps_group", ""))


def _figures(state: State, record: Record) -> Cell:
    if not record.properties.get("nps"):
        return ""
    told = look.big(_signed(record.properties["nps"]))
    rest = [_fact(state, record, name) for name in ("nps_answers", "nps_answered_at")]
    return look.nps(Fact(label="NPS", shown=told, field="nps"), None, rest)


def _related(state: State, record: Record, type_: str) -> Cell:
    """Return the records of a type that hang on this one."""
    found = state.associated(record.type, record.id, type_)
    if not found:
        return ""
    head = f"<h2>{type_.capitalize()}</h2>"
    if type_ == "tasks":
        return head + "".join(_task(state, one, _link(state, one)) for one in found)
    if type_ == "notes":
        return head + "".join(_note(one) for one in found)
    rows = [
        [
            _link(state, one),
            _number(one.properties.get("nps_score") or one.properties.get("nps", "")),
            look.group(one.properties.get("nps_group")),
            look.text(one.properties.get("nps_comment")),
        ]
        for one in found
    ]
    return head + look.table(("Name", "NPS", "Group", "Comment"), rows)


def _task(state: State, record: Record, name: Cell = "What is to be done") -> Cell:
    own = record.properties
    companies = " ".join(_link(state, one) for one in _beside(state, record, "companies"))
    shown = {
        "Owner": _owner(state, record) or "nobody",
        "Due": look.day(own.get("hs_timestamp")),
        "Priority": look.priority(own.get("hs_task_priority", "").capitalize()),
        "About": _people(state, record),
        "Company": companies,
    }
    card = look.Task(
        name=name,
        status=_status(record),
        done=_done(record),
        facts=[Fact(label=label, shown=cell) for label, cell in shown.items()],
        words=_plain(own.get("hs_task_body", "")),
    )
    return look.task(card)


def _note(record: Record) -> Cell:
    words = look.linked(_plain(record.properties.get("hs_note_body", "")))
    at = look.when(record.properties.get("hs_timestamp"))
    return f'<article class="card"><p class="hint">{at}</p><p class="text">{words}</p></article>'


def _fact(state: State, record: Record, name: str) -> Fact:
    value = record.properties.get(name, "")
    return Fact(label=_label(name), shown=_value(state, record, name, value), field=name)


def _value(state: State, record: Record, name: str, value: str) -> Cell:
    match name:
        case "nps_group":
            shown = look.group(value)
        case "hs_lead_status":
            shown = look.chip(_words(value), "open")
        case "hubspot_owner_id":
            shown = _owner(state, record)
        case "associatedcompanyid":
            shown = _company(state, record)
        case "nps_referred_by":
            shown = _promoter(state, value)
        case "nps_answered_at":
            shown = look.when(value)
        case _:
            shown = look.text(_plain(value) if name.endswith("_body") else value)
    return shown or look.text(value)


def _about(state: State, record: Record) -> Cell:
    """Return a contact's title, company, address and owner in a line."""
    if record.type != "contacts":
        return ""
    own, owner = record.properties, _owner(state, record)
    told = [look.text(own.get("jobtitle")), _company(state, record), look.text(own.get("email"))]
    return " · ".join(filter(None, [*told, owner and f"owner {owner}"]))


def _company(state: State, record: Record) -> Cell:
    company = state.find("companies", record.properties.get("associatedcompanyid", ""))
    return _link(state, company) if company else ""


def _owner(state: State, record: Record) -> Cell:
    owner = state.owners.get(record.properties.get("hubspot_owner_id", ""))
    return look.text(f"{owner.first_name} {owner.last_name}") if owner else ""


def _promoter(state: State, value: str) -> Cell:
    """Return who referred somebody, with a link where an id stands behind the name."""
    name, _, number = value.removesuffix(")").rpartition(" (")
    promoter = state.find("contacts", number)
    return _link(state, promoter) if name and promoter else look.text(value)


def _people(state: State, task: Record) -> Cell:
    return " ".join(_link(state, one) for one in _beside(state, task, "contacts"))


def _beside(state: State, record: Record, type_: str) -> Sequence[Record]:
    return state.associated(record.type, record.id, type_)


def _done(task: Record) -> bool:
    return task.properties.get("hs_task_status") == DONE


def _status(task: Record) -> str:
    return _words(task.properties.get("hs_task_status", ""))


def _label(name: str) -> str:
    """Return a property's name as people read it: `nps_answered_at` as NPS answered at."""
    words = name.removeprefix("hs_").replace("_", " ")
    return f"NPS{words[3:]}" if words.startswith("nps") else words.capitalize()


def _words(value: str) -> str:
    """Return one of HubSpot's options as people read it: NOT_STARTED as Not started."""
    return value.replace("_", " ").capitalize()


def _signed(number: str) -> str:
    """Return an NPS as people write it: +17, 0, -33."""
    try:
        rounded = round(float(number))
    except ValueError:
        return number
    return f"{rounded:+d}" if rounded else "0"


def _number(number: str, sign: str = "") -> Cell:
    told = _signed(number) if number and sign else number
    return f"<b>{look.text(told)}</b>" if told else ""


def _plain(html: str) -> str:
    """Return the text that a browser would show of rich text, without its tags."""
    broken = re.sub(r"(?i)<br\s*/?>|</p>|</div>", "\n", html)
    return unescape(re.sub(r"<[^>]*>", "", broken)).strip()


def _name(record: Record) -> str:
    own = record.properties
    person = " ".join(filter(None, (own.get("firstname"), own.get("lastname"))))
    names = (person, own.get("name"), own.get("hs_task_subject"), own.get("subject"))
    return next(filter(None, (*names, own.get("email"))), f"{record.type} {record.id}")


def _link(state: State, record: Record) -> Cell:
    number = TYPES[record.type][1]
    return look.link(f"/contacts/{state.portal}/record/{number}/{record.id}", _name(record))
