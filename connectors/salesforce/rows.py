"""What passes through the port, as records of Salesforce."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.ports import AccountScore, History, Lead, Score, Task
from connectors.salesforce.config import Config
from connectors.salesforce.fields import Schema
from connectors.salesforce.write import Item

COMMENT_MAX = 32_768
DESCRIPTION_MAX = 32_000
LINE_MAX = 255
NAME_MAX = 80
FIRST_NAME_MAX = 40
UNKNOWN = "Unknown"


class Rows:
    """Makes the records: each text cut to its field, each value under its configured name."""

    def __init__(self, schema: Schema, config: Config) -> None:
        self.schema = schema
        self.config = config

    def score(self, score: Score) -> Item:
        """Return the newest answer of a contact."""
        names = self.config
        comment = self.schema.long("Contact", names.comment_field, score.comment, COMMENT_MAX)
        return Item(
            key=score.contact_id,
            needs="Id",
            account=score.account_id,
            values={
                "Id": score.contact_id,
                names.score_field: score.score,
                names.group_field: score.group,
                names.comment_field: comment,
                names.answered_at_field: stamp(score.answered_at),
                names.surveys_field: score.surveys,
                names.factor_field: score.factor,
            },
        )

    def account(self, score: AccountScore) -> Item:
        """Return the roll-up of an account."""
        return Item(
            key=score.account_id,
            needs="Id",
            values={
                "Id": score.account_id,
                self.config.account_nps_field: score.nps,
                self.config.account_answers_field: score.answers,
                self.config.account_answered_at_field: stamp(score.answered_at),
            },
        )

    def history(self, answer: History) -> Item:
        """Return an answer to be kept."""
        names, sobject = self.config, self.config.answer_object
        return Item(
            key=answer.key,
            needs=names.answer_contact_field,
            likes=(names.answer_account_field,),
            account=answer.account_id,
            values={
                names.key_field: answer.key,
                names.answer_contact_field: answer.contact_id,
                names.answer_account_field: answer.account_id or None,
                names.score_field: answer.score,
                names.group_field: answer.group,
                names.comment_field: self.schema.long(
                    sobject, names.comment_field, answer.comment, COMMENT_MAX
                ),
                names.answer_program_field: self.schema.line(
                    sobject, names.answer_program_field, answer.program, NAME_MAX
                ),
                names.answered_at_field: stamp(answer.answered_at),
            },
        )

    def new_task(self, task: Task) -> Item:
        """Return a task that is not there yet."""
        status = self.config.task_closed_status if task.finished else self.config.task_open_status
        more = {
            "OwnerId": task.owner_id,
            "Status": status,
            "ActivityDate": task.due.isoformat(),
            "WhoId": task.contact_id,
            "WhatId": task.account_id or None,
        }
        return self._task(task, more)

    def known_task(self, task: Task, *, closed: bool) -> Item:
        """Return what changes on a task that is there: never its owner, its date or its people."""
        finish = task.finished and not closed
        return self._task(task, {"Status": self.config.task_closed_status} if finish else {})

    def lead(self, lead: Lead) -> Item:
        """Return a lead that is not there yet."""
        told = f"Referred by {lead.promoter_name}.\n{lead.consent}"
        values: dict[str, Any] = {
            self.config.key_field: lead.key,
            "FirstName": self._name("FirstName", lead.first_name, FIRST_NAME_MAX) or None,
            "LastName": self._name("LastName", lead.last_name, NAME_MAX) or UNKNOWN,
            "Company": self._name("Company", lead.company, LINE_MAX) or UNKNOWN,
            "Email": lead.email,
            "LeadSource": "Referral",
            "Description": self.schema.long("Lead", "Description", told, DESCRIPTION_MAX),
            self.config.promoter_field: lead.promoter_contact_id or None,
        }
        if lead.owner_id:
            values["OwnerId"] = lead.owner_id
        return Item(key=lead.key, needs="Email", likes=(self.config.promoter_field,), values=values)

    def _task(self, task: Task, more: Mapping[str, Any]) -> Item:
        return Item(
            key=task.key,
            needs="WhoId" if "WhoId" in more else self.config.key_field,
            likes=("WhatId",),
            account=task.account_id,
            values={
                self.config.key_field: task.key,
                "Subject": self.schema.line("Task", "Subject", task.subject, LINE_MAX),
                "Description": self.schema.long("Task", "Description", task.body, DESCRIPTION_MAX),
                "Priority": task.priority.value.capitalize(),
                **more,
            },
        )

    def _name(self, field: str, text: str, length: int) -> str:
        return self.schema.line("Lead", field, text, length)


def stamp(at: datetime) -> str:
    """Return a time as the API takes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
