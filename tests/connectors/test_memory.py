"""The connectors in memory keep every promise, with nothing behind them."""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime

import msgspec
import pytest

from connectors.errors import Refused
from connectors.memory import MemoryCrm, MemoryMailer
from connectors.ports import (
    Account,
    Contact,
    MailEvent,
    MailEventKind,
    Owner,
    Trigger,
    TriggerEvent,
)
from connectors.testing import CrmSuite, LookUpSuite, MailerSuite, Received, TaskThere
from connectors.testing.worlds import LeadThere


class MemoryWorld:
    """The dictionaries behind a CRM in memory."""

    def __init__(self, crm: MemoryCrm) -> None:
        self.crm = crm
        self.state = crm.state
        self._ids = itertools.count(1)

    def add_owner(self, name: str, *, active: bool = True) -> str:
        id_ = f"o{next(self._ids)}"
        self.state.owners[id_] = Owner(id=id_, name=name, active=active)
        return id_

    def deactivate_owner(self, owner_id: str) -> None:
        owners = self.state.owners
        owners[owner_id] = msgspec.structs.replace(owners[owner_id], active=False)

    def add_account(self, name: str, owner_id: str) -> str:
        id_ = f"a{next(self._ids)}"
        self.state.accounts[id_] = Account(id=id_, name=name, owner_id=owner_id)
        return id_

    def add_contact(self, **fields: object) -> str:
        id_ = f"c{next(self._ids)}"
        self.state.contacts[id_] = msgspec.convert({"id": id_, **fields}, Contact)
        return id_

    def rename_contact(self, contact_id: str, last_name: str) -> None:
        contacts = self.state.contacts
        contacts[contact_id] = msgspec.structs.replace(contacts[contact_id], last_name=last_name)

    def delete_contact(self, contact_id: str) -> None:
        del self.state.contacts[contact_id]

    def merge_contacts(self, winner: str, loser: str) -> str:
        del self.state.contacts[loser]
        self.state.merged[loser] = winner
        return winner

    def close_case(self, contact_id: str, subject: str) -> str:
        id_ = f"t{next(self._ids)}"
        self.state.triggers[id_] = Trigger(
            id=id_,
            event=TriggerEvent.CASE_CLOSED,
            contact_id=contact_id,
            subject=subject,
            at=datetime(2026, 11, 2, tzinfo=UTC),
        )
        return id_

    def later(self) -> None:
        pass

    def score_on(self, contact_id: str) -> int | None:
        return self.state.scores[contact_id].score

    def comment_on(self, contact_id: str) -> str:
        return self.state.scores[contact_id].comment

    def nps_on(self, account_id: str) -> float | None:
        return self.state.account_scores[account_id].nps

    def answers_kept(self, contact_id: str) -> int:
        return len(self.answer_texts(contact_id))

    def answer_texts(self, contact_id: str) -> list[str]:
        return [a.comment for a in self.state.answers.values() if a.contact_id == contact_id]

    def tasks_of(self, contact_id: str) -> list[TaskThere]:
        return [
            TaskThere(
                id=task.key,
                subject=task.subject,
                body=task.body,
                owner_id=task.owner_id,
                finished=task.key in self.state.finished,
                due=task.due,
            )
            for task in self.state.tasks.values()
            if task.contact_id == contact_id
        ]

    def finish_task(self, task_id: str) -> None:
        self.crm.finish(task_id)

    def change_task(self, task_id: str, *, owner_id: str, due: date) -> None:
        tasks = self.state.tasks
        tasks[task_id] = msgspec.structs.replace(tasks[task_id], owner_id=owner_id, due=due)

    def delete_task(self, task_id: str) -> None:
        del self.state.tasks[task_id]

    def leads(self) -> list[LeadThere]:
        return [
            LeadThere(
                email=lead.email,
                first_name=lead.first_name,
                last_name=lead.last_name,
                promoter=lead.promoter_name,
            )
            for lead in self.state.leads.values()
        ]

    def break_down(self) -> None:
        self.crm.down = True

    def mend(self) -> None:
        self.crm.down = False

    def lose_answer(self) -> None:
        self.crm.lose = 1


class TestMemoryCrm(CrmSuite):
    @pytest.fixture
    def crm(self) -> MemoryCrm:
        return MemoryCrm()

    @pytest.fixture
    def world(self, crm: MemoryCrm) -> MemoryWorld:
        return MemoryWorld(crm)


class MemoryPostbox:
    """What a mailer in memory was given."""

    sender = "hello@npsloop.example"

    def __init__(self, mailer: MemoryMailer) -> None:
        self.mailer = mailer

    def received(self) -> Sequence[Received]:
        return [
            Received(
                to=[mail.to],
                to_name=mail.to_name,
                sender=mail.sender,
                sender_name=mail.sender_name,
                subject=mail.subject,
                text=mail.text,
                html=mail.html,
                headers=mail.headers,
                key=mail.key,
            )
            for mail in self.mailer.sent
        ]

    def bad_address(self) -> str:
        return "ann@@example.com"

    def break_down(self) -> None:
        self.mailer.down = True

    def mend(self) -> None:
        self.mailer.down = False

    def lose_answer(self) -> None:
        self.mailer.lose = 1

    def hide(self) -> None:
        self.mailer.searchable = False


class TestMemoryMailer(MailerSuite, LookUpSuite):
    @pytest.fixture
    def mailer(self) -> MemoryMailer:
        return MemoryMailer()

    @pytest.fixture
    def postbox(self, mailer: MemoryMailer) -> MemoryPostbox:
        return MemoryPostbox(mailer)


def test_events_are_read_as_they_are() -> None:
    event = MailEvent(
        id="e-1",
        mail_key="m-1",
        kind=MailEventKind.DELIVERED,
        at=datetime(2026, 11, 2, tzinfo=UTC),
    )

    read = MemoryMailer().events({}, msgspec.json.encode([event]))

    assert list(read) == [event]


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(Refused):
        MemoryMailer().events({}, b"[1]")


def test_a_crm_that_is_down_says_so_in_its_check() -> None:
    crm = MemoryCrm()
    crm.down = True

    assert [check.passed for check in crm.checks()] == [False]
