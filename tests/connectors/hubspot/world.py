"""HubSpot's sandbox, set up and read behind the connector's back."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

from connectors.hubspot import Config, HubSpot
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.hubspot import HubSpotSandbox
from connectors.testing.worlds import LeadThere, TaskThere

FIELDS = {
    "email": "email",
    "first_name": "firstname",
    "last_name": "lastname",
    "title": "jobtitle",
    "owner_id": "hubspot_owner_id",
    "opted_out": "hs_email_optout",
}


class HubSpotWorld:
    """The sandbox, set up and read behind the connector's back."""

    def __init__(self) -> None:
        self.passed = timedelta()
        self.sandbox = HubSpotSandbox(now=lambda: datetime.now(UTC) + self.passed)
        self.state = self.sandbox.state
        self.state.rate = None

    def add_owner(self, name: str, *, active: bool = True) -> str:
        first, _, last = name.partition(" ")
        address = f"{name.replace(' ', '.').lower()}@example.com"
        return self.state.add_owner(first, last, address, active=active)

    def deactivate_owner(self, owner_id: str) -> None:
        self.state.owners[owner_id].archived = True

    def add_account(self, name: str, owner_id: str) -> str:
        return self.state.add("companies", {"name": name, "hubspot_owner_id": owner_id})

    def add_contact(self, **fields: object) -> str:
        company = fields.pop("account_id", "")
        own = {FIELDS[n]: v if isinstance(v, str) else str(v).lower() for n, v in fields.items()}
        return self.state.add("contacts", own, [("companies", str(company))] if company else [])

    def rename_contact(self, contact_id: str, last_name: str) -> None:
        self.state.update("contacts", contact_id, {"lastname": last_name})

    def delete_contact(self, contact_id: str) -> None:
        self.state.archive("contacts", contact_id)

    def merge_contacts(self, winner: str, loser: str) -> str:
        self.state.merge("contacts", winner, loser)
        return winner

    def close_case(self, contact_id: str, subject: str) -> str:
        own = {"subject": subject, "hs_pipeline_stage": "1"}
        ticket = self.state.add("tickets", own, [("contacts", contact_id)])
        self.state.update("tickets", ticket, {"hs_pipeline_stage": "4"})
        return ticket

    def later(self) -> None:
        self.passed += timedelta(hours=1)

    def score_on(self, contact_id: str) -> int | None:
        text = self.state.get("contacts", contact_id).properties.get("nps_score")
        return int(text) if text else None

    def comment_on(self, contact_id: str) -> str:
        return self.state.get("contacts", contact_id).properties.get("nps_comment", "")

    def nps_on(self, account_id: str) -> float | None:
        text = self.state.get("companies", account_id).properties.get("nps")
        return float(text) if text else None

    def answers_kept(self, contact_id: str) -> int:
        return len(self.state.associated("contacts", contact_id, "notes"))

    def answer_texts(self, contact_id: str) -> list[str]:
        notes = self.state.associated("contacts", contact_id, "notes")
        return [as_read(note.properties["hs_note_body"]) for note in notes]

    def tasks_of(self, contact_id: str) -> list[TaskThere]:
        return [
            {
                "id": task.id,
                "subject": task.properties["hs_task_subject"],
                "body": as_read(task.properties["hs_task_body"]),
                "owner_id": task.properties["hubspot_owner_id"],
                "finished": task.properties["hs_task_status"] == "COMPLETED",
                "due": date.fromisoformat(task.properties["hs_timestamp"][:10]),
            }
            for task in self.state.associated("contacts", contact_id, "tasks")
        ]

    def finish_task(self, task_id: str) -> None:
        self.state.update("tasks", task_id, {"hs_task_status": "COMPLETED"})

    def change_task(self, task_id: str, *, owner_id: str, due: date) -> None:
        own = {"hubspot_owner_id": owner_id, "hs_timestamp": f"{due}T08:00:00.000Z"}
        self.state.update("tasks", task_id, own)

    def delete_task(self, task_id: str) -> None:
        self.state.archive("tasks", task_id)

    def leads(self) -> list[LeadThere]:
        return [
            {
                "email": own["email"],
                "first_name": own.get("firstname", ""),
                "last_name": own.get("lastname", ""),
                "promoter": own["nps_referred_by"],
            }
            for own in (contact.properties for contact in self.state.all("contacts"))
            if own.get("hs_lead_status") == "NEW"
        ]

    def break_down(self) -> None:
        self.sandbox.faults.add(Fault(kind=Kind.STATUS, status=503))

    def mend(self) -> None:
        self.sandbox.faults.clear()

    def lose_answer(self) -> None:
        self.sandbox.faults.add(Fault(kind=Kind.LOST, path="/batch/create", times=1))


def as_read(html: str) -> str:
    """Return the text that a browser shows."""
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<br\s*/?>", "\n", html)))


def connected(url: str, **more: object) -> HubSpot:
    """Return the connector, in no hurry that a test would feel."""
    own = {"access_token": "a-token", "calls_per_10_s": 10_000, "searches_per_s": 10_000}
    return HubSpot(Config(**({"type": "hubspot", "origin": url} | own | more)))
