"""Both ports in dictionaries: the connector to read first.

It keeps every promise in `connectors.testing` and has no network, so it shows what the loop
relies on and nothing else. Copy it to begin a connector of your own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec

from connectors import fence
from connectors.errors import ConnectorError, Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import (
    Account,
    AccountScore,
    Check,
    Contact,
    History,
    Lead,
    Mail,
    MailEvent,
    Outcome,
    Owner,
    Page,
    R,
    Score,
    Sought,
    Task,
    TaskState,
    Trigger,
)
from connectors.settings import Settings


class CrmConfig(Settings):
    """A CRM in memory has no settings."""

    type: Literal["memory_crm"] = "memory_crm"


class MailerConfig(Settings):
    """A mailer in memory has no settings."""

    type: Literal["memory_mailer"] = "memory_mailer"


@dataclass
class CrmState:
    """What a CRM in memory holds. Change it as you like: the next pull tells what changed."""

    owners: dict[str, Owner] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    """Losing contact to winning contact."""
    triggers: dict[str, Trigger] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    """By contact."""
    account_scores: dict[str, AccountScore] = field(default_factory=dict)
    """By account."""
    answers: dict[str, History] = field(default_factory=dict)
    """By key, as are tasks and leads."""
    tasks: dict[str, Task] = field(default_factory=dict)
    finished: dict[str, datetime] = field(default_factory=dict)
    """When a task was finished, by its key."""
    leads: dict[str, Lead] = field(default_factory=dict)


class MemoryCrm:
    """A CRM. A task's id is its key, and so is an answer's and a lead's."""

    Config = CrmConfig
    batch = 200
    at_once = 1

    def __init__(self, config: CrmConfig | None = None) -> None:
        del config
        self.name = "memory_crm"
        self.state = CrmState()
        self.down = False
        self.lose = 0
        """How many of the next calls that put tasks are done without an answer."""
        self._seen: list[Mapping[str, object]] = []

    def owners(self) -> Iterator[Page[Owner]]:
        """Return all users."""
        self._reach()
        yield Page(records=tuple(self.state.owners.values()))

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Return the accounts that changed."""
        yield self._changed(self.state.accounts, since)

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Return the contacts that changed."""
        yield self._changed(self.state.contacts, since)

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Return the cases closed since the watermark."""
        yield self._changed(self.state.triggers, since)

    def write_scores(self, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Write the scores onto the contacts."""
        self._reach(scores)
        return [self._put(self.state.scores, score.contact_id, score) for score in scores]

    def write_accounts(self, scores: Sequence[AccountScore]) -> Sequence[Outcome]:
        """Write the roll-ups onto the accounts."""
        self._reach(scores)
        outcomes = []
        for score in scores:
            known = score.account_id in self.state.accounts
            if known:
                self.state.account_scores[score.account_id] = score
            outcomes.append(Outcome(score.account_id) if known else self._unknown("account"))
        return outcomes

    def keep(self, answers: Sequence[History]) -> Sequence[Outcome]:
        """Keep the answers."""
        self._reach(answers)
        return [self._put(self.state.answers, answer.key, answer) for answer in answers]

    def put_tasks(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Create the tasks or bring them up to date."""
        self._reach(tasks)
        outcomes = [self._put_task(task) for task in tasks]
        if self.lose:
            self.lose -= 1
            raise Doubtful(self.name, "the answer was lost")
        return outcomes

    def task_states(self, ids: Sequence[str]) -> Sequence[TaskState]:
        """Return where the tasks stand."""
        self._reach(ids)
        finished, tasks = self.state.finished, self.state.tasks
        return [TaskState(id=i, finished_at=finished.get(i), gone=i not in tasks) for i in ids]

    def add_leads(self, leads: Sequence[Lead]) -> Sequence[Outcome]:
        """Create the leads that are not there yet."""
        self._reach(leads)
        for lead in leads:
            self.state.leads.setdefault(lead.key, lead)
        return [Outcome(lead.key) for lead in leads]

    def link(self, kind: str, remote_id: str) -> str:
        """Return an address that leads nowhere."""
        return f"https://crm.example/{kind}/{remote_id}"

    def checks(self) -> Iterator[Check]:
        """Pass where the CRM is up."""
        yield Check(name="reachable", passed=not self.down, found="in memory")

    def finish(self, task_key: str, at: datetime | None = None) -> None:
        """Finish a task, as its owner does in the CRM."""
        self.state.finished[task_key] = at or datetime.now(UTC)

    def _reach(self, items: Sequence[object] = ("a pull",)) -> None:
        fence.check()
        if self.down and items:
            raise Unavailable(self.name, "it is down")

    def _changed(self, records: Mapping[str, R], since: str | None) -> Page[R]:
        """Compare with what stood there at the watermark: the number of an earlier pull."""
        self._reach()
        before = self._seen[int(since)] if since and int(since) < len(self._seen) else {}
        self._seen.append(dict(records))
        return Page(
            records=[record for id_, record in records.items() if before.get(id_) != record],
            gone=[id_ for id_ in before if id_ not in records and id_ not in self.state.merged],
            merged={id_: win for id_, win in self.state.merged.items() if id_ in before},
            watermark=str(len(self._seen) - 1),
        )

    def _put(self, kept: dict[str, R], key: str, record: R) -> Outcome:
        if getattr(record, "contact_id", "") not in self.state.contacts:
            return self._unknown("contact")
        kept[key] = record
        return Outcome(key)

    def _put_task(self, task: Task) -> Outcome:
        there = self.state.tasks.get(task.key)
        if there is not None:
            if task.key in self.state.finished:
                return Outcome(task.key)
            task = msgspec.structs.replace(task, owner_id=there.owner_id, due=there.due)
        outcome = self._put(self.state.tasks, task.key, task)
        if task.finished and outcome.error is None:
            self.finish(task.key)
        return outcome

    def _unknown(self, what: str) -> Outcome:
        return Outcome(error=Refused(self.name, f"no such {what}", code="NOT_FOUND"))


class MemoryMailer:
    """A mailer that keeps what it is given. Change `down` and `lose` to make it fail."""

    Config = MailerConfig
    batch = 100
    at_once = 2

    def __init__(self, config: MailerConfig | None = None) -> None:
        del config
        self.name = "memory_mailer"
        self.sent: list[Mail] = []
        self.down = False
        self.lose = 0
        """How many of the next mails are accepted without an answer."""
        self.searchable = True
        """Whether it can be asked what it has accepted."""

    def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
        """Keep the mails."""
        return [self._send(mail) for mail in mails]

    def events(self, headers: Mapping[str, str], body: bytes) -> Sequence[MailEvent]:
        """Read a JSON list of events: trust whoever calls."""
        del headers
        try:
            return msgspec.json.decode(body, type=list[MailEvent])
        except msgspec.DecodeError:
            raise Refused(self.name, "these are no events") from None

    def look_up(self, sought: Sequence[Sought]) -> Mapping[str, bool]:
        """Return which of these mails were kept."""
        if sought and not self.searchable:
            raise Unauthorized(self.name, "it cannot be asked")
        if sought and self.down:
            raise Unavailable(self.name, "it is down")
        kept = {(mail.key, mail.to) for mail in self.sent}
        return {one.key: any((one.key, to) in kept for to in one.to) for one in sought}

    def checks(self) -> Iterator[Check]:
        """Pass where the mailer is up."""
        yield Check(name="reachable", passed=not self.down, found="in memory")

    def _send(self, mail: Mail) -> Outcome:
        try:
            self._reach(mail)
        except ConnectorError as error:
            return Outcome(error=error)
        self.sent.append(mail)
        if self.lose:
            self.lose -= 1
            return Outcome(error=Doubtful(self.name, "the answer was lost"))
        return Outcome(mail.key)

    def _reach(self, mail: Mail) -> None:
        fence.check()
        if self.down:
            raise Unavailable(self.name, "it is down")
        head = (mail.to, mail.to_name, mail.sender, mail.sender_name, mail.reply_to, mail.subject)
        if any(bad in text for text in (*head, *mail.headers.values()) for bad in "\r\n\0"):
            raise Refused(self.name, "a line break in the mail's head", code="HEAD")
        if mail.to.count("@") != 1 or not mail.to.strip("@ "):
            raise Refused(self.name, "that is no address", code="ADDRESS")
