"""An org that is played, set up and read behind the connector's back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from connectors.salesforce import Config, Salesforce
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.salesforce import CLIENT_ID, CLIENT_SECRET, SalesforceSandbox, State
from connectors.sandbox.server import running
from connectors.testing import TaskThere
from connectors.testing.worlds import LeadThere


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


class SalesforceWorld:
    """The org behind the connector."""

    def __init__(self, sandbox: SalesforceSandbox, clock: Clock, url: str) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.url = url

    @property
    def state(self) -> State:
        return self.sandbox.state

    def add_owner(self, name: str, *, active: bool = True) -> str:
        first, _, last = name.rpartition(" ")
        fields = {"FirstName": first, "LastName": last, "Email": "o@example.com"}
        return self.state.add("User", fields | {"IsActive": active})

    def deactivate_owner(self, owner_id: str) -> None:
        self.state.update("User", owner_id, {"IsActive": False})

    def add_account(self, name: str, owner_id: str) -> str:
        return self.state.add("Account", {"Name": name, "OwnerId": owner_id})

    def add_contact(self, **fields: object) -> str:
        names = {
            "email": "Email",
            "first_name": "FirstName",
            "last_name": "LastName",
            "title": "Title",
            "account_id": "AccountId",
            "owner_id": "OwnerId",
            "opted_out": "HasOptedOutOfEmail",
        }
        return self.state.add("Contact", {names[name]: value for name, value in fields.items()})

    def rename_contact(self, contact_id: str, last_name: str) -> None:
        self.state.update("Contact", contact_id, {"LastName": last_name})

    def delete_contact(self, contact_id: str) -> None:
        self.state.delete("Contact", contact_id)

    def merge_contacts(self, winner: str, loser: str) -> str:
        self.state.merge("Contact", winner, [loser])
        return winner

    def close_case(self, contact_id: str, subject: str) -> str:
        case = self.state.add("Case", {"ContactId": contact_id, "Subject": subject})
        self.state.update("Case", case, {"Status": "Closed"})
        return case

    def later(self) -> None:
        self.clock.time += timedelta(hours=1)

    def score_on(self, contact_id: str) -> int | None:
        score = self.state.get("Contact", contact_id)["NPS_Score__c"]
        return None if score is None else int(score)

    def comment_on(self, contact_id: str) -> str:
        return str(self.state.get("Contact", contact_id)["NPS_Comment__c"] or "")

    def nps_on(self, account_id: str) -> float | None:
        nps: float | None = self.state.get("Account", account_id)["NPS__c"]
        return nps

    def answers_kept(self, contact_id: str) -> int:
        return len(self.answer_texts(contact_id))

    def answer_texts(self, contact_id: str) -> list[str]:
        return [
            str(row["NPS_Comment__c"] or "")
            for row in self.state.all("NPS_Answer__c")
            if row["NPS_Contact__c"] == contact_id
        ]

    def tasks_of(self, contact_id: str) -> list[TaskThere]:
        return [
            TaskThere(
                id=row["Id"],
                subject=row["Subject"],
                body=row["Description"] or "",
                owner_id=row["OwnerId"],
                finished=row["IsClosed"],
                due=row["ActivityDate"],
            )
            for row in self.state.all("Task")
            if row["WhoId"] == contact_id
        ]

    def finish_task(self, task_id: str) -> None:
        self.state.update("Task", task_id, {"Status": "Completed"})

    def change_task(self, task_id: str, *, owner_id: str, due: date) -> None:
        self.state.update("Task", task_id, {"OwnerId": owner_id, "ActivityDate": due})

    def delete_task(self, task_id: str) -> None:
        self.state.delete("Task", task_id)

    def leads(self) -> list[LeadThere]:
        return [
            LeadThere(
                email=row["Email"],
                first_name=row["FirstName"],
                last_name=row["LastName"],
                promoter=row["Description"],
            )
            for row in self.state.all("Lead")
        ]

    def break_down(self) -> None:
        self.sandbox.faults.add(Fault(kind=Kind.STATUS, status=503))

    def mend(self) -> None:
        self.sandbox.faults.clear()

    def lose_answer(self) -> None:
        self.sandbox.faults.add(Fault(kind=Kind.LOST, method="PATCH", times=1))


def config(world: SalesforceWorld, **changes: object) -> Config:
    fields = {
        "my_domain": "acme",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "origin": world.url,
    }
    return Config.model_validate({**fields, **changes})


@contextmanager
def playing(sandbox: SalesforceSandbox | None = None) -> Iterator[SalesforceWorld]:
    clock = Clock()
    played = sandbox or SalesforceSandbox(now=clock)
    with running(played.application) as url:
        yield SalesforceWorld(played, clock, url)


@contextmanager
def speaking(world: SalesforceWorld, **changes: object) -> Iterator[Salesforce]:
    connector = Salesforce(config(world, **changes))
    yield connector
    connector.org.wire.close()
