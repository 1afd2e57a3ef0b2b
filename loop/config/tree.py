"""Every setting, its default and what it means. `config.example.yaml` shows them all."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
)
from pydantic_core import PydanticCustomError

from loop.slots import TimeOfDay, is_zone


def _time_of_day(text: str) -> str:
    TimeOfDay.read(text)
    return text


def _zone(name: str) -> str:
    if not is_zone(name):
        raise PydanticCustomError("time_zone", "there is no such time zone")
    return name


At = tuple[Annotated[str, AfterValidator(_time_of_day)], ...]
"""Times of the day."""
Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone's name: `Europe/Berlin`."""
JobName = Literal["pull", "choose", "deliver", "close", "tidy"]


class Settings(BaseModel):
    """Settings: frozen, and nothing unknown among them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Company(Settings):
    """Who asks."""

    name: str = Field(default="Example Ltd", min_length=1)
    """Your company, as customers know it."""
    product: str = ""
    """What customers are asked about where their record names no product; the company if empty."""
    postal_address: str = ""
    """Stands at the foot of each mail; the law of many countries asks for it."""
    brand_colour: str = Field(default="#2f5d50", pattern=r"^#[0-9a-fA-F]{6}$")
    """Colour of buttons on mails and pages."""


class Database(Settings):
    """Where everything is remembered."""

    url: str = "sqlite:///npsloop.db"
    """`sqlite:///file.db`, or `postgresql://user@host/name`."""
    password: SecretStr | None = None
    """PostgreSQL's password; better as `password_file`."""
    password_file: Path | None = None
    """A file that holds the password."""
    pooler: bool = False
    """The address is that of a pooler in transaction mode, such as PgBouncer's."""


class Sender(Settings):
    """Whose name stands on the mails."""

    email: str = "feedback@example.com"
    """The address that mails come from; your mail provider has to know it."""
    name: str = ""
    """The name beside it where a customer has no account manager; the company if empty."""
    owner_name: bool = True
    """Send in the name of the customer's account manager (the address stays the same)."""
    reply_to: str = ""
    """Where replies go: a human. The account manager, where empty and known."""


class Program(Settings):
    """One standing survey."""

    kind: Literal["relationship", "touchpoint"]
    """`relationship`: every so many days. `touchpoint`: after an event in the CRM."""
    every_days: int = Field(default=90, ge=30)
    """Relationship: how long until the same person is asked again."""
    event: Literal["case_closed"] | None = None
    """Touchpoint: the event that sets it off (`case_closed`: a ticket or case was closed)."""
    delay_hours: float = Field(default=24, ge=0)
    """Touchpoint: how long after the event the question goes out."""
    expires_days: int = Field(default=14, ge=1)
    """Touchpoint: an event older than this sets nothing off any more."""
    sample: float = Field(default=1.0, gt=0, le=1)
    """The share of those whose turn it is that is asked, drawn by `ask.seed`."""
    reason: str = ""
    """Why they are asked, in the mail's words; a sentence of ours where empty."""
    at: At = ()
    """When it chooses whom to ask, such as `["Mon-Fri 09:00"]`; by `schedule` where empty."""
    timezone: Zone | None = None
    """Where these are the times of the day; as `schedule.timezone` where empty."""
    skip_missed: bool = False
    """Let a time of `at` go that npsloop did not run at; otherwise it is made up for once."""

    @property
    def every(self) -> timedelta:
        """How long until the same person is asked again."""
        return timedelta(days=self.every_days)


class Ask(Settings):
    """Whom we ask, and how often."""

    rest_days: int = Field(default=90, ge=0)
    """Nobody is asked twice within this time, whatever the program."""
    per_account_max: int = Field(default=5, ge=1)
    """At most so many people of one account are asked within `rest_days`."""
    per_day_max: int = Field(default=1000, ge=1)
    """At most so many surveys are chosen in a day of `schedule.timezone`."""
    seed: int = 1
    """Draws the samples; the same seed draws the same people."""
    open_days: int = Field(default=60, ge=1)
    """How long a survey can be answered."""
    change_days: int = Field(default=14, ge=0)
    """How long an answer can be changed."""


class FollowUp(Settings):
    """What is done about an answer."""

    due_business_days: int = Field(default=2, ge=0)
    """When the task for a detractor is due."""
    holidays: frozenset[date] = frozenset()
    """Days that are no business days, beside Saturday and Sunday."""
    high_priority_max: int = Field(default=3, ge=0, le=6)
    """Scores up to this make a task of high priority."""
    fallback_owner: dict[str, str] = Field(default_factory=dict)
    """The CRM user (id or e-mail) who gets a task that nobody else can: `salesforce: 005...`."""
    passive_mail: bool = True
    """Write a short personal mail to passives."""
    wait_minutes: float = Field(default=30, ge=0)
    """Wait this long before mails go out: people change their minds."""


class Refer(Settings):
    """What promoters are invited to."""

    enabled: bool = True
    """Invite promoters to recommend us."""
    wait_minutes: float = Field(default=60, ge=0)
    """Wait this long after the answer."""
    open_days: int = Field(default=365, ge=1)
    """How long a referral link works."""
    headline: str = ""
    """Headline of the page that friends see; ours where empty."""


class Schedule(Settings):
    """What runs when: in seconds between runs, or at times of the day."""

    pull_s: float = Field(default=900, ge=0.1)
    """Customers come in from the CRMs."""
    choose_s: float = Field(default=900, ge=0.1)
    """Whose turn it is."""
    deliver_s: float = Field(default=5, ge=0.1)
    """Mails, scores and tasks go out."""
    close_s: float = Field(default=300, ge=0.1)
    """Tasks are looked up in the CRM."""
    tidy_s: float = Field(default=3600, ge=0.1)
    """Surveys lapse, doubtful mails are settled or shown."""
    at: dict[JobName, At] = Field(default_factory=dict)
    """Jobs that run at times of the day instead: `pull: ["06:00", "Mon-Fri 12:30"]`."""
    timezone: Zone = "UTC"
    """Where these are the times of the day: `Europe/Berlin`."""
    skip_missed: frozenset[JobName] = frozenset()
    """Jobs of `at` that let a time go that npsloop did not run at; others make up for it once."""


class Keep(Settings):
    """How many days what happened is remembered. Surveys and answers stay for ever."""

    mail_events_days: int = Field(default=90, ge=7)
    """What the mail provider told: delivered, opened, bounced."""
    effects_days: int = Field(default=400, ge=90)
    """What was owed and is done, counted from when its survey was over."""
    calls_days: int = Field(default=30, ge=7)
    """Which batches were handed to which service."""
    steps_days: int = Field(default=800, ge=90)
    """Who moved which survey, case and referral, and when."""
    visits_days: int = Field(default=400, ge=30)
    """When somebody opened a referral link."""


class Web(Settings):
    """The customers' pages and the webhooks."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8025, ge=0, le=65535)
    """The port to listen on."""


class Connector(BaseModel):
    """One service. `type` names the connector; the rest are its own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    """`salesforce`, `hubspot`; `sendgrid`, `smtp`; or one that a plug-in brings."""

    def own(self) -> dict[str, Any]:
        """Return the connector's settings as they were written."""
        return {"type": self.type, **(self.model_extra or {})}


Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class Config(Settings):
    """Everything that can be set."""

    version: Literal[1] = 1
    """The version of this file's shape."""
    public_url: HttpUrl = HttpUrl("http://127.0.0.1:8025")
    """The address at which customers reach the pages."""
    secret: SecretStr | None = None
    """At least 32 characters that only this installation knows; better as `secret_file`."""
    secret_file: Path | None = None
    """A file that holds the secret."""
    company: Company = Company()
    database: Database = Database()
    sender: Sender = Sender()
    crms: tuple[Connector, ...] = ()
    """The CRMs, in the order in which a customer's record is looked for."""
    mailer: Connector = Connector(type="sendgrid")
    """What sends the mail."""
    programs: dict[Key, Program] = Field(default_factory=dict)
    """The surveys, each under a name of its own."""
    ask: Ask = Ask()
    follow_up: FollowUp = FollowUp()
    refer: Refer = Refer()
    schedule: Schedule = Schedule()
    keep: Keep = Keep()
    web: Web = Web()
    templates: Path | None = None
    """A folder whose files take the place of ours of the same name."""

    def address(self, path: str) -> str:
        """Return the public address of one of our pages."""
        return str(self.public_url).rstrip("/") + path
