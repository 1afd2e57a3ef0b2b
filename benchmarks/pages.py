"""Ready-made pages of a HubSpot list and a Salesforce query, served from memory.

A contact has 30 properties in both, as where other tools share the account; the loop wants a
third of them.
"""

import json
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from multiprocessing.connection import Connection
from typing import Any, Final

HUBSPOT_PAGE: Final = 100
SALESFORCE_PAGE: Final = 2000
FIRST: Final = 1_000_000
VERSION: Final = "/services/data/v66.0"
STAMP: Final = "2030-01-07T09:00:00.000"
HUBSPOT_REST: Final = (
    ("city", "Graz"),
    ("state", "Styria"),
    ("country", "Austria"),
    ("zip", "8010"),
    ("phone", "+43 316 000000"),
    ("mobilephone", "+43 660 000000"),
    ("website", "https://acme.example"),
    ("company", "Acme Ltd"),
    ("industry", "MACHINERY"),
    ("lifecyclestage", "customer"),
    ("hs_lead_status", None),
    ("createdate", f"{STAMP}Z"),
    ("hs_object_source", "INTEGRATION"),
    ("hs_timezone", "europe_slash_vienna"),
    ("num_associated_deals", "2"),
    ("recent_deal_amount", "1200.50"),
    ("total_revenue", "12000"),
    ("first_conversion_event_name", "Website: Contact us"),
    ("hs_analytics_source", "ORGANIC_SEARCH"),
    ("notes_last_contacted", f"{STAMP}Z"),
)
SALESFORCE_REST: Final = (
    ("Salutation", "Ms."),
    ("MailingCity", "Graz"),
    ("MailingState", "Styria"),
    ("MailingCountry", "Austria"),
    ("MailingPostalCode", "8010"),
    ("Phone", "+43 316 000000"),
    ("MobilePhone", "+43 660 000000"),
    ("Department", "Purchasing"),
    ("LeadSource", "Web"),
    ("Description", None),
    ("Birthdate", None),
    ("AssistantName", None),
    ("CreatedDate", f"{STAMP}+0000"),
    ("CreatedById", "005000000000001AAA"),
    ("LastModifiedDate", f"{STAMP}+0000"),
    ("LastModifiedById", "005000000000001AAA"),
    ("LastActivityDate", "2030-01-06"),
    ("IsDeleted", False),
)
Respond = Callable[[str], bytes]


def serve(connection: Connection, crm: str, n: int) -> None:
    """Serve `n` contacts of a CRM; send the port once all pages are made."""
    respond = {"hubspot": hubspot, "salesforce": salesforce}[crm](n)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection.send(listener.getsockname()[1])
        while True:
            caller, _ = listener.accept()
            threading.Thread(target=_answer, args=(caller, respond), daemon=True).start()


def hubspot(n: int) -> Respond:
    """Return HubSpot's answer to a request line."""
    pages = []
    for start in range(0, n, HUBSPOT_PAGE):
        end = min(start + HUBSPOT_PAGE, n)
        page: dict[str, Any] = {"results": [_hubspot_contact(at) for at in range(start, end)]}
        if end < n:
            page["paging"] = {"next": {"after": str(end), "link": "https://api.hubapi.com/"}}
        pages.append(_response(page))
    nothing = _response({"results": []})

    def respond(line: str) -> bytes:
        if not line.startswith("GET /crm/objects/") or "/contacts?" not in line:
            return nothing
        after = line.partition("&after=")[2].partition(" ")[0].partition("&")[0]
        return pages[int(after or 0) // HUBSPOT_PAGE]

    return respond


def salesforce(n: int) -> Respond:
    """Return Salesforce's answer to a request line."""
    pages = []
    for start in range(0, n, SALESFORCE_PAGE):
        end = min(start + SALESFORCE_PAGE, n)
        page: dict[str, Any] = {"totalSize": n, "done": end == n}
        if end < n:
            page["nextRecordsUrl"] = f"{VERSION}/query/01gbench-{end}"
        page["records"] = [_salesforce_contact(at) for at in range(start, end)]
        pages.append(_response(page))
    nothing = _response({"totalSize": 0, "done": True, "records": []})
    fields = {
        *_salesforce_contact(0),
        "IsClosed",
        "Subject",
        "ContactId",
        "ClosedDate",
        "IsActive",
        "Industry",
    }
    described = _response({"fields": [{"name": name} for name in fields]})

    def respond(line: str) -> bytes:
        if "/describe" in line:
            return described
        if "01gbench-" in line:
            return pages[int(line.split()[1].partition("01gbench-")[2]) // SALESFORCE_PAGE]
        return pages[0] if "/query/?" in line and "FROM+Contact+" in line else nothing

    return respond


def _hubspot_contact(at: int) -> dict[str, Any]:
    properties = {
        "email": f"ann.{at}@acme{at % 5000}.example",
        "firstname": "Ann",
        "lastname": f"Archer {at}",
        "jobtitle": "Head of Purchasing",
        "hubspot_owner_id": str(100 + at % 50),
        "hs_email_optout": None,
        "hs_email_hard_bounce_reason_enum": None,
        "hs_language": "de-at",
        "lastmodifieddate": f"{STAMP}Z",
        "hs_object_id": str(FIRST + at),
        **dict(HUBSPOT_REST),
    }
    company = str(at % 5000)
    links = [
        {"id": company, "type": "contact_to_company"},
        {"id": company, "type": "contact_to_company_unlabeled"},
    ]
    return {
        "id": str(FIRST + at),
        "properties": properties,
        "createdAt": f"{STAMP}Z",
        "updatedAt": f"{STAMP}Z",
        "archived": False,
        "url": f"https://app.hubspot.com/contacts/1/record/0-1/{FIRST + at}",
        "associations": {"companies": {"results": links}},
    }


def _salesforce_contact(at: int) -> dict[str, Any]:
    contact_id = f"003{at:012d}AAA"
    return {
        "attributes": {"type": "Contact", "url": f"{VERSION}/sobjects/Contact/{contact_id}"},
        "Id": contact_id,
        "SystemModstamp": f"{STAMP}+0000",
        "Email": f"ann.{at}@acme{at % 5000}.example",
        "Name": f"Ann Archer {at}",
        "FirstName": "Ann",
        "LastName": f"Archer {at}",
        "Title": "Head of Purchasing",
        "AccountId": f"001{at % 5000:012d}AAA",
        "OwnerId": f"005{at % 50:012d}AAA",
        "HasOptedOutOfEmail": False,
        "EmailBouncedReason": None,
        "IsEmailBounced": False,
        **dict(SALESFORCE_REST),
    }


def _response(page: dict[str, Any]) -> bytes:
    body = json.dumps(page, separators=(",", ":")).encode()
    date = format_datetime(datetime.now(UTC), usegmt=True)
    head = (
        f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json;charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answer(caller: socket.socket, respond: Respond) -> None:
    """Answer one connection's requests until it is closed."""
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with caller, caller.makefile("rb") as requests:
        while line := requests.readline():
            length = 0
            while (header := requests.readline()) not in {b"\r\n", b""}:
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            requests.read(length)
            caller.sendall(respond(line.decode()))
