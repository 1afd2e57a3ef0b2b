"""What is remembered, table by table. Ids are text; times are aware UTC."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from loop.columns import instant, new_id, some, word
from loop.states import CaseState, EffectState, Kind, ReferralState, Stage

# What the CRMs say. An id is `crm:their id`.


class Owner(SQLModel, table=True):
    """A user of a CRM."""

    id: str = Field(primary_key=True)
    crm: str
    remote_id: str
    name: str
    email: str = ""
    active: bool = True


class Account(SQLModel, table=True):
    """A company in a CRM."""

    id: str = Field(primary_key=True)
    crm: str
    remote_id: str
    name: str
    owner_id: str = ""
    industry: str = ""
    gone_at: datetime | None = instant(nullable=True)


class Customer(SQLModel, table=True):
    """A person. Two contacts with the same address are one person to ask."""

    __table_args__ = (Index("customer_by_hash", "address_hash", "id"),)

    id: str = Field(primary_key=True)
    email: str | None = Field(default=None, unique=True)
    """In lower case, without space around it; None where there is none."""
    address_hash: str = ""
    """Keyed hash of the address, as the suppression list has it."""
    created_at: datetime = instant()
    forgotten_at: datetime | None = instant(nullable=True)


class Contact(SQLModel, table=True):
    """A customer's record in one CRM."""

    id: str = Field(primary_key=True)
    crm: str
    remote_id: str
    customer_id: str = Field(foreign_key="customer.id", index=True)
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    title: str = ""
    account_id: str = Field(default="", index=True)
    owner_id: str = ""
    locale: str = ""
    product: str = ""
    opted_out: bool = False
    bounced: bool = False
    gone_at: datetime | None = instant(nullable=True)

    @property
    def name(self) -> str:
        """Return the person's full name."""
        return f"{self.first_name} {self.last_name}".strip()


class Trigger(SQLModel, table=True):
    """An event that may set off a touchpoint survey."""

    id: str = Field(primary_key=True)
    crm: str
    event: str
    contact_id: str = Field(index=True)
    subject: str = ""
    at: datetime = instant(index=True)
    survey_id: str | None = None


class Watermark(SQLModel, table=True):
    """Where the next pull of one kind of record starts; its meaning is the connector's."""

    crm: str = Field(primary_key=True)
    records: str = Field(primary_key=True)
    value: str
    at: datetime = instant()


# The loop


class Survey(SQLModel, table=True):
    """One program's question to one customer, once."""

    __table_args__ = (
        Index("survey_by_customer", "customer_id", "chosen_at"),
        Index("survey_by_account", "account_id", "chosen_at"),
        Index("survey_by_stage", "stage", "chosen_at"),
        some("survey_open", "expires_at", where="stage IN ('chosen', 'asked')"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    program: str
    customer_id: str = Field(foreign_key="customer.id")
    contact_id: str = Field(index=True)
    """The record through which the customer was chosen; tasks go to its CRM."""
    account_id: str = ""
    owner_id: str = ""
    trigger_id: str | None = Field(default=None, unique=True)
    stage: Stage = word(Stage, Stage.CHOSEN)
    chosen_at: datetime = instant()
    asked_at: datetime | None = instant(nullable=True)
    expires_at: datetime = instant()
    answer_hash: str = Field(unique=True)
    """SHA-256 of the token in the mail's links; the token itself is nowhere."""
    leave_hash: str = Field(unique=True)
    """SHA-256 of the token in the unsubscribe link."""
    snapshot: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """What mattered when they were chosen: names, product, reason, locale."""


class Step(SQLModel, table=True):
    """Who moved what when; never changed afterwards."""

    id: str = Field(default_factory=new_id, primary_key=True)
    survey_id: str = Field(index=True)
    was: str
    to: str
    at: datetime = instant()
    why: str = ""


class Answer(SQLModel, table=True):
    """What the customer says now. Earlier words are in `Revision`."""

    __table_args__ = (CheckConstraint("score BETWEEN 0 AND 10", name="score_on_the_scale"),)

    survey_id: str = Field(primary_key=True, foreign_key="survey.id")
    customer_id: str = Field(index=True)
    score: int = Field(ge=0, le=10)
    comment: str = ""
    way: str = "page"
    answered_at: datetime = instant(index=True)
    """When they first answered."""
    changed_at: datetime = instant()
    """When they last changed it."""


class Revision(SQLModel, table=True):
    """One answer as it was given; never changed afterwards."""

    id: str = Field(default_factory=new_id, primary_key=True)
    survey_id: str = Field(index=True)
    score: int
    comment: str = ""
    way: str = "page"
    at: datetime = instant()


class Case(SQLModel, table=True):
    """A detractor's follow-up."""

    survey_id: str = Field(primary_key=True, foreign_key="survey.id")
    state: CaseState = word(CaseState, CaseState.OPEN, index=True)
    task_crm: str = ""
    task_id: str = ""
    owner_id: str = ""
    opened_at: datetime = instant()
    closed_at: datetime | None = instant(nullable=True)


class Referral(SQLModel, table=True):
    """One promoter's link and how far it has come."""

    id: str = Field(default_factory=new_id, primary_key=True)
    survey_id: str = Field(index=True)
    customer_id: str = Field(unique=True)
    state: ReferralState = word(ReferralState, ReferralState.OWED)
    link_hash: str = Field(unique=True)
    created_at: datetime = instant()
    expires_at: datetime = instant()


class Visit(SQLModel, table=True):
    """Somebody opened a referral link."""

    id: str = Field(default_factory=new_id, primary_key=True)
    referral_id: str = Field(index=True)
    at: datetime = instant()


class Signup(SQLModel, table=True):
    """A friend who signed up on a promoter's page."""

    __table_args__ = (UniqueConstraint("referral_id", "email"),)

    id: str = Field(default_factory=new_id, primary_key=True)
    referral_id: str = Field(index=True)
    first_name: str
    last_name: str
    company: str = ""
    email: str
    consent: str
    at: datetime = instant()


# What is owed to the outside world


class Call(SQLModel, table=True):
    """One batch handed to a service: who is at work on it, and until when."""

    __table_args__ = (
        some("call_open", "lease_until", where="ended_at IS NULL"),
        some("call_alone", "alone", unique=True, where="ended_at IS NULL"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    lane: str
    worker: str
    size: int
    """How many effects were claimed for it."""
    alone: str | None = None
    """The service, where it takes one call at a time: no second open call has its name."""
    started_at: datetime = instant()
    lease_until: datetime = instant()
    """Its worker renews it; whatever is still claimed then, nobody is at work on."""
    ended_at: datetime | None = instant(nullable=True)
    problem: str = ""
    """Why it failed as a whole."""


class Effect(SQLModel, table=True):
    """One thing owed to the outside world."""

    __table_args__ = (
        some("effect_due", "lane", "due_at", where="state = 'due'"),
        some("effect_claimed", "call_id", where="state = 'claimed'"),
        some("effect_unknown", "settled_at", where="state = 'unknown'"),
        some("effect_refused", "lane", where="state = 'refused'"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    kind: Kind = word(Kind)
    lane: str
    state: EffectState = word(EffectState, EffectState.DUE)
    survey_id: str | None = Field(default=None, index=True)
    contact_id: str | None = None
    account_id: str | None = None
    signup_id: str | None = None
    due_at: datetime = instant()
    tries: int = 0
    version: int = 0
    """Counts how often it came to be owed: what changed during a call is owed once more."""
    call_id: str | None = None
    """The newest call that it was part of; an open one while it is claimed."""
    remote_id: str = ""
    problem: str = ""
    created_at: datetime = instant()
    settled_at: datetime | None = instant(nullable=True)


class MailEvent(SQLModel, table=True):
    """Something that happened to a mail, as its provider told us."""

    id: str = Field(primary_key=True)
    effect_key: str = Field(index=True)
    kind: str
    permanent: bool = False
    reason: str = ""
    at: datetime = instant(index=True)


class Suppression(SQLModel, table=True):
    """An address that is never written to again."""

    address_hash: str = Field(primary_key=True)
    reason: str
    at: datetime = instant()


class Ledger(SQLModel, table=True):
    """Why a customer was or was not asked, the newest word of each program."""

    customer_id: str = Field(primary_key=True)
    program: str = Field(primary_key=True)
    reason: str
    at: datetime = instant()
    """Since when this is the word."""
    next_at: datetime | None = instant(nullable=True)


class Budget(SQLModel, table=True):
    """What the processes together have spent of the calls that a service allows."""

    name: str = Field(primary_key=True)
    calls: int | None = None
    """The limit, as whoever asked last had it."""
    slices: list[list[float]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Each slice of time in which calls were given: its start, since 1970, and how many."""
    paused_until: float = 0.0
    """In seconds since 1970, as the database's clock has them."""


class Job(SQLModel, table=True):
    """How far a job has come, and whether somebody has paused it."""

    name: str = Field(primary_key=True)
    slot: datetime | None = instant(nullable=True)
    """The newest moment of its plan that was taken, or let go."""
    paused_at: datetime | None = instant(nullable=True)


class JobRun(SQLModel, table=True):
    """One firing of a job: who had it until when, and how it went."""

    __table_args__ = (
        UniqueConstraint("name", "slot"),
        Index("jobrun_newest", "name", "started_at"),
        some("jobrun_open", "name", unique=True, where="ended_at IS NULL"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    name: str
    slot: datetime | None = instant(nullable=True)
    """The moment of its plan that it is for; None where somebody ran it by hand."""
    worker: str
    tries: int = 0
    """How often it was begun: more than once where a process died at it."""
    started_at: datetime = instant()
    lease_until: datetime = instant()
    """Until then nobody else takes it up."""
    ended_at: datetime | None = instant(nullable=True)
    problem: str = ""
    result: str = ""
    """What came of it, in words: `12 contacts, 3 accounts`."""


class Compatible(SQLModel, table=True):
    """An older version, by its revision, that may go on working on this database's shape."""

    revision: str = Field(primary_key=True)
