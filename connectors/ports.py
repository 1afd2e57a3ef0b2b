"""What the loop asks of other people's services, and what passes through.

Two ports: `Crm` and `Mailer`. A connector implements one of them and passes its suite in
`connectors.testing`. Everything that passes through is frozen. Ids are text, times are aware
UTC, texts are as the person wrote them: whoever puts a text into HTML, a query or a header
escapes it there.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from connectors.budget import Budget
from connectors.errors import ConnectorError, Unavailable


class Record(Struct, frozen=True, gc=False):
    """Something that passes through a port."""


R = TypeVar("R", bound=Record)


# What comes in from a CRM


class Owner(Record, frozen=True, kw_only=True):
    """A user of the CRM: the account manager or support agent behind a customer."""

    id: str
    name: str
    email: str = ""
    active: bool = True


class Account(Record, frozen=True, kw_only=True):
    """A company in the CRM."""

    id: str
    name: str
    owner_id: str = ""
    industry: str = ""


class Contact(Record, frozen=True, kw_only=True):
    """A person's record in one CRM. One person may have a record in each of two CRMs."""

    id: str
    email: str = ""
    """As it stands in the CRM; may be empty or no address at all."""
    first_name: str = ""
    last_name: str = ""
    title: str = ""
    account_id: str = ""
    owner_id: str = ""
    locale: str = ""
    """BCP 47 (`de-AT`), or empty."""
    product: str = ""
    opted_out: bool = False
    bounced: bool = False


class TriggerEvent(StrEnum):
    """What can set off a touchpoint survey."""

    CASE_CLOSED = "case_closed"


class Trigger(Record, frozen=True, kw_only=True):
    """An event in the CRM that may set off a touchpoint survey."""

    id: str
    event: TriggerEvent
    contact_id: str
    subject: str = ""
    at: datetime


class Page(Struct, Generic[R], frozen=True, kw_only=True):
    """Some records, what is gone since last time, and where to go on.

    `merged` maps the id of a losing record to the id of the winner. `watermark` is where the
    next pull may start once this page is kept; None where it cannot start in the middle. Its
    meaning is the connector's own.
    """

    records: Sequence[R] = ()
    gone: Sequence[str] = ()
    merged: Mapping[str, str] = {}
    watermark: str | None = None


# What goes out to a CRM


class Score(Record, frozen=True, kw_only=True):
    """The newest answer of a customer, as it is to stand on one contact record.

    Writing it twice is the same as writing it once.
    """

    contact_id: str
    account_id: str = ""
    """Rows of one account are kept in one call: parallel calls would lock each other out."""
    score: int
    group: str
    """`promoter`, `passive` or `detractor`."""
    comment: str
    answered_at: datetime
    surveys: int
    """How often this customer has answered so far, this time included."""
    factor: int
    """100, 0 or -100: its average in any CRM report is the NPS."""


class AccountScore(Record, frozen=True, kw_only=True):
    """The roll-up of an account's newest answers, one per person."""

    account_id: str
    nps: float
    answers: int
    answered_at: datetime


class History(Record, frozen=True, kw_only=True):
    """One answer, kept beside the contact for good. The same key never makes a second record."""

    key: str
    contact_id: str
    account_id: str = ""
    score: int
    group: str
    comment: str
    program: str
    answered_at: datetime


class Priority(StrEnum):
    """How soon a task wants doing."""

    HIGH = "high"
    NORMAL = "normal"


class Task(Record, frozen=True, kw_only=True):
    """A piece of work for a person. The same key never makes a second task.

    A task that exists already is brought up to date, save that a finished one is never
    reopened and a person's own changes to owner and due date stay.
    """

    key: str
    contact_id: str
    account_id: str = ""
    owner_id: str
    subject: str
    body: str
    """Plain text; a connector escapes it where the CRM shows HTML."""
    due: date
    priority: Priority = Priority.NORMAL
    finished: bool = False
    """True closes the task: the reason for it is gone."""


class TaskState(Record, frozen=True, kw_only=True):
    """Where a task stands in the CRM."""

    id: str
    finished_at: datetime | None = None
    gone: bool = False
    """Somebody deleted it. An archived task is not gone."""


class Lead(Record, frozen=True, kw_only=True):
    """A friend who signed up on a promoter's page. The same key never makes a second lead."""

    key: str
    email: str
    first_name: str
    last_name: str
    company: str = ""
    promoter_contact_id: str
    promoter_name: str
    owner_id: str = ""
    consent: str
    """The words that the friend agreed to, and when."""


class Outcome(Struct, frozen=True):
    """How one item of a call ended: the service's id for it, or an error."""

    remote_id: str = ""
    error: ConnectorError | None = None


class Check(Record, frozen=True, kw_only=True):
    """One thing that `npsloop doctor` looks at."""

    name: str
    passed: bool
    found: str
    remedy: str = ""
    """What to do next, where it failed: a command or a setting."""
    unauthorized: bool = False
    """It failed because the service does not know us, or does not let us."""


class Crm(Protocol):
    """A CRM. `name` is its key in the configuration (`salesforce`, `hubspot`, ...).

    A method that takes several items returns one outcome per item, in their order: a bad item
    never stops the others. It raises `Unavailable`, `Doubtful` or `Unauthorized` where the call
    failed as a whole, and `Refused` where the service refused it as a whole, which the loop then
    halves until the bad item stands alone; every call may be repeated. Before each request it
    asks `fence.check`, unless `transport.Wire` does.
    """

    name: str
    batch: int
    """How many items one call takes."""
    at_once: int
    """How many calls a process makes at once. 1: one call over all processes and all lanes.

    That is for a CRM where parallel calls would lock each other's rows, such as two contacts of
    one account.
    """

    def owners(self) -> Iterator[Page[Owner]]:
        """Return all users, inactive ones included."""
        ...

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Return what changed since the watermark; everything where there is none."""
        ...

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Return what changed since the watermark; everything where there is none."""
        ...

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Return the tickets or cases closed since the watermark.

        Where there is no watermark: those of the last 30 days.
        """
        ...

    def write_scores(self, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Write the scores onto the contact records."""
        ...

    def write_accounts(self, scores: Sequence[AccountScore]) -> Sequence[Outcome]:
        """Write the roll-ups onto the account records."""
        ...

    def keep(self, answers: Sequence[History]) -> Sequence[Outcome]:
        """Keep a record of each answer; one that is kept already is brought up to date."""
        ...

    def put_tasks(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Create the tasks, or bring those with their keys up to date."""
        ...

    def task_states(self, ids: Sequence[str]) -> Sequence[TaskState]:
        """Return where these tasks stand, one per id, in their order."""
        ...

    def add_leads(self, leads: Sequence[Lead]) -> Sequence[Outcome]:
        """Create the leads, or find those with their keys."""
        ...

    def link(self, kind: str, remote_id: str) -> str:
        """Return the address of a record in the CRM; `kind` is contact, account or task."""
        ...

    def checks(self) -> Iterator[Check]:
        """Look at credentials, fields and rights, changing nothing."""
        ...


@runtime_checkable
class Rationed(Protocol):
    """What a `Crm` or a `Mailer` may be besides: one that allows us so many calls."""

    budgets: Sequence[Budget]

    def shut(self) -> Unavailable | None:
        """Return why no call can be made for a good while; None where one can."""
        ...


# Mail


class Mail(Record, frozen=True, kw_only=True):
    """One mail to one person. `key` comes back in the provider's events."""

    key: str
    to: str
    to_name: str = ""
    sender: str
    sender_name: str = ""
    reply_to: str = ""
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = {}


class MailEventKind(StrEnum):
    """What a provider can tell about a mail."""

    PROCESSED = "processed"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


class MailEvent(Record, frozen=True, kw_only=True):
    """One thing that happened to a mail, as its provider tells it, perhaps twice."""

    id: str
    """The same for copies of the same event."""
    mail_key: str
    """The mail's `key`; empty where the provider did not give it back."""
    kind: MailEventKind
    at: datetime
    permanent: bool = False
    """A bounce that will happen again: no such mailbox."""
    reason: str = ""


class Mailer(Protocol):
    """A way to send mail. `name` is its type in the configuration."""

    name: str
    batch: int
    """How many mails one call takes: each is a request of its own on a kept-alive connection."""
    at_once: int
    """How many calls a process makes at once. 1: one call over all processes."""

    def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
        """Hand each mail over once. Return one outcome per mail, in their order.

        Right before each, `fence.check` is asked, by `transport.Wire` or by hand.

        `Unavailable`: not accepted, try later. `Doubtful`: it may have been accepted, never
        simply send it again. Raises `Unauthorized` where no mail can go at all.
        """
        ...

    def events(self, headers: Mapping[str, str], body: bytes) -> Sequence[MailEvent]:
        """Read a webhook post. Raise `Refused` where it is not signed by the provider."""
        ...

    def checks(self) -> Iterator[Check]:
        """Look at credentials and sender, mailing nobody."""
        ...


class Sought(Record, frozen=True, kw_only=True):
    """A mail about which nobody knows whether it was accepted."""

    key: str
    to: Sequence[str]
    """Where it may have gone: its reader may have another address by now."""
    since: datetime
    until: datetime
    """When it was handed over, if it was: some time between these two."""


@runtime_checkable
class Searchable(Protocol):
    """What a `Mailer` may be besides: one whose provider can be asked what became of a mail."""

    def look_up(self, sought: Sequence[Sought]) -> Mapping[str, bool]:
        """Return, by key, whether the provider knows the mail. True proves that it was accepted.

        False proves nothing: records lag behind, and end. Whatever cannot be asked for now is
        left out. Raises `Unauthorized` where the account cannot be asked at all.
        """
        ...
