"""Salesforce as the loop's CRM."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar, cast

import msgspec

from connectors.errors import Unavailable
from connectors.ports import (
    Account,
    AccountScore,
    Check,
    Contact,
    History,
    Lead,
    Outcome,
    Owner,
    Page,
    Score,
    Task,
    TaskState,
    Trigger,
)
from connectors.salesforce.api import Org
from connectors.salesforce.checks import checks
from connectors.salesforce.config import Config as SalesforceConfig
from connectors.salesforce.errors import SERVICE
from connectors.salesforce.fields import Schema
from connectors.salesforce.pull import Puller, Row
from connectors.salesforce.rows import Rows
from connectors.salesforce.write import BATCH, ID, Writer

AnyRow = TypeVar("AnyRow", "TaskRow", "LeadRow")
KINDS: Final = {"contact": "Contact", "account": "Account", "task": "Task", "lead": "Lead"}


class TaskRow(Row):
    """Where a task stands; its key is read under the name that it has in this org."""

    Id: str
    IsClosed: bool = False
    IsDeleted: bool = False
    IsArchived: bool = False
    CompletedDateTime: str | None = None
    LastModifiedDate: str | None = None


class LeadRow(Row):
    """A lead that is there; its key is read under the name that it has in this org."""

    Id: str
    IsDeleted: bool = False


class Salesforce:
    """A Salesforce org. Nothing is sent before it is first used."""

    Config = SalesforceConfig
    batch = BATCH
    at_once = 1

    def __init__(self, config: SalesforceConfig) -> None:
        self.name = "salesforce"
        self.config = config
        self.org = Org(config)
        self.budgets = (self.org.day,)
        self.schema = Schema(self.org)
        self._puller = Puller(self.org, self.schema, config)
        self._writer = Writer(self.org, self._puller)
        self._rows = Rows(self.schema, config)

    def owners(self) -> Iterator[Page[Owner]]:
        """Return all users, inactive ones included."""
        return self._puller.owners()

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Return what changed since the watermark; everything where there is none."""
        return self._puller.accounts(since)

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Return what changed since the watermark; everything where there is none."""
        return self._puller.contacts(since)

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Return the cases closed since the watermark, or in the last 30 days."""
        return self._puller.triggers(since)

    def write_scores(self, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Write the scores onto the contacts; of one contact the last counts."""
        return self._writer.update("Contact", [self._rows.score(score) for score in scores])

    def write_accounts(self, scores: Sequence[AccountScore]) -> Sequence[Outcome]:
        """Write the roll-ups onto the accounts."""
        return self._writer.update("Account", [self._rows.account(score) for score in scores])

    def keep(self, answers: Sequence[History]) -> Sequence[Outcome]:
        """Keep a record of each answer, by its key."""
        items = [self._rows.history(answer) for answer in answers]
        return self._writer.upsert(self.config.answer_object, self.config.key_field, items)

    def put_tasks(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Create the tasks, or bring those with their keys up to date.

        One that a person deleted is not made again, an archived one is left as it is. An owner
        who is inactive is `Refused` with the code `inactive_owner`.
        """
        there = self._known("Task", TaskRow, [task.key for task in tasks])
        items = []
        for task in tasks:
            known = there.get(task.key.casefold())
            if known is None:
                items.append(self._rows.new_task(task))
            elif not (known.IsDeleted or known.IsArchived):
                items.append(self._rows.known_task(task, closed=known.IsClosed))
        saved = self._writer.upsert("Task", self.config.key_field, items)
        outcomes = dict(zip((item.key for item in items), saved, strict=True))
        return [
            outcomes[task.key] if task.key in outcomes else Outcome(there[task.key.casefold()].Id)
            for task in tasks
        ]

    def task_states(self, ids: Sequence[str]) -> Sequence[TaskState]:
        """Return where these tasks stand, archived ones too."""
        known = [task_id for task_id in ids if ID.fullmatch(task_id)]
        rows = {row.Id: row for row in self._writer.find("Task", "Id", known, TaskRow)}
        return [_state(task_id, rows.get(task_id)) for task_id in ids]

    def add_leads(self, leads: Sequence[Lead]) -> Sequence[Outcome]:
        """Create the leads, or find those with their keys, converted and deleted ones too."""
        there = self._known("Lead", LeadRow, [lead.key for lead in leads])
        new = [lead for lead in leads if lead.key.casefold() not in there]
        items = [self._rows.lead(lead) for lead in new]
        saved = self._writer.upsert("Lead", self.config.key_field, items)
        outcomes = {lead.key: outcome for lead, outcome in zip(new, saved, strict=True)}
        return [
            outcomes[lead.key] if lead.key in outcomes else Outcome(there[lead.key.casefold()].Id)
            for lead in leads
        ]

    def link(self, kind: str, remote_id: str) -> str:
        """Return the address of a record's page in Lightning."""
        return f"{self.config.site}/lightning/r/{KINDS[kind]}/{remote_id}/view"

    def checks(self) -> Iterator[Check]:
        """Look at credentials, version, fields, rights and quota, changing nothing."""
        return checks(self.org, self.schema, self.config)

    def shut(self) -> Unavailable | None:
        """Return why no call can be made for a good while; None where one can."""
        return self.org.day.shut(SERVICE)

    def _known(self, sobject: str, shape: type[AnyRow], keys: Sequence[str]) -> dict[str, AnyRow]:
        """Return the records that have these keys; a deleted one where no other does."""
        name = self.config.key_field
        keyed = msgspec.defstruct("Keyed", [(name, str)], bases=(shape,), kw_only=True)
        found: dict[str, AnyRow] = {}
        for row in self._writer.find(sobject, name, keys, keyed):
            known = cast("AnyRow", row)
            key = str(getattr(known, name)).casefold()
            if key not in found or found[key].IsDeleted:
                found[key] = known
        return found


def _state(task_id: str, row: TaskRow | None) -> TaskState:
    if row is None or row.IsDeleted:
        return TaskState(id=task_id, gone=True)
    finished = (row.CompletedDateTime or row.LastModifiedDate) if row.IsClosed else None
    at = datetime.fromisoformat(finished).astimezone(UTC) if finished else None
    return TaskState(id=task_id, finished_at=at)
