"""Fills a database with an invented crowd, by the database itself: a million rows in seconds.

Ids are as long and as ordered as ours, hashes as long and as disordered. What a column is not
told here has its empty value, so that a new column needs no word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Boolean, Connection, Integer, text
from sqlmodel import SQLModel

from loop import models
from loop.store import Store, table

EMPTY: Final[Mapping[type, str]] = {Integer: "0", Boolean: "false", JSON: "'{}'"}
"""What a column of this type holds where nothing is told; text is empty."""
CRM: Final = "memory_crm"
DAY_S: Final = 86_400
OWNERS: Final = 100
SNAPSHOT: Final = (
    '{"account": "Acme 17", "owner": "Olga Ownerly", "first_name": "Ann", "name": "Ann Archer",'
    ' "email": "Ann.Archer17@acme17.example", "locale": "en", "product": "the Example",'
    ' "reason": "", "basis": "existing customer"}'
)
_OWNER: Final = f"'{CRM}:o' || (i % {OWNERS})"
ANSWERED: Final = 5
"""Each fifth survey is answered."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many there are of each."""

    people: int
    surveys: int
    now: datetime
    days: int = 365
    """How far back the surveys go."""
    open_days: int = 60
    per_account: int = 5
    due: int = 1000
    """How many of the newest surveys are still to be sent."""

    @property
    def sent(self) -> int:
        """Return how many surveys were sent."""
        return self.surveys - self.due

    @property
    def accounts(self) -> int:
        """Return how many companies there are."""
        return self.people // self.per_account

    @property
    def contact(self) -> str:
        """Return the record of the person of this number."""
        return f"'{CRM}:c' || (i % {self.people})"

    @property
    def account(self) -> str:
        """Return the company of the person of this number."""
        return f"'{CRM}:a' || (i % {self.accounts})"

    @property
    def age_s(self) -> str:
        """Return how many seconds ago the survey of this number was made."""
        return f"({self.surveys} - i) * {max(1, self.days * DAY_S // self.surveys)}"


def fill(store: Store, crowd: Crowd) -> None:
    """Fill the tables, and let the database look at what it has."""
    with store.write() as session:
        many = Many(session.connection(), crowd.now)
        for tables in (_companies, _people, _surveys, _answers, _effects, _told):
            tables(many, crowd)
    with store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("ANALYZE" if store.lite else "VACUUM ANALYZE")


class Many:
    """Inserts rows whose values are SQL over `i`, the number of the row."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._lite = connection.dialect.name == "sqlite"
        self._now = now

    def __call__(self, model: type[SQLModel], count: int, *, each: int = 1, **told: str) -> None:
        """Insert so many rows, for each `each`-th number."""
        values = {
            column.name: told.get(column.name, EMPTY.get(type(column.type), "''"))
            for column in table(model).columns
            if column.name in told or not column.nullable
        }
        names = ", ".join(f'"{name}"' for name in values)
        filled = (
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL"
            f" SELECT i + {each} FROM n WHERE i + {each} < {count})"
            f' INSERT INTO "{table(model).name}" ({names})'
            f" SELECT {', '.join(values.values())} FROM n"
        )
        self._connection.execute(text(filled.replace(":", r"\:")))  # a colon is a colon

    def id(self, number: str) -> str:
        """Return an id that grows with the number."""
        return f"printf('%032d', {number})" if self._lite else f"lpad(({number})::text, 32, '0')"

    def hash(self, number: str) -> str:
        """Return 64 characters in no order."""
        if self._lite:
            return "lower(hex(randomblob(32)))"
        return f"encode(sha256(({number})::text::bytea), 'hex')"

    def ago(self, seconds: str) -> str:
        """Return the time so many seconds ago."""
        now = self._now.strftime("%Y-%m-%d %H:%M:%S")
        if self._lite:
            ago = f"-({seconds}) || ' seconds'"
            return f"strftime('%Y-%m-%d %H:%M:%S.000000', '{now}', {ago})"
        return f"timestamptz '{now}+00' - ({seconds}) * interval '1 second'"


def _companies(many: Many, crowd: Crowd) -> None:
    many(
        models.Owner,
        OWNERS,
        id=f"'{CRM}:o' || i",
        crm=f"'{CRM}'",
        remote_id="'o' || i",
        name="'Olga Ownerly'",
        active="true",
    )
    many(
        models.Account,
        crowd.accounts,
        id=f"'{CRM}:a' || i",
        crm=f"'{CRM}'",
        remote_id="'a' || i",
        name="'Acme ' || i",
        owner_id=_OWNER,
        industry="'Toys'",
    )


def _people(many: Many, crowd: Crowd) -> None:
    many(
        models.Customer,
        crowd.people,
        id=many.id("i"),
        email="'ann.archer' || i || '@acme' || (i % 1000) || '.example'",
        address_hash=many.hash("i"),
        created_at=many.ago("0"),
    )
    many(
        models.Contact,
        crowd.people,
        id=crowd.contact,
        crm=f"'{CRM}'",
        remote_id="'c' || i",
        customer_id=many.id("i"),
        email="'Ann.Archer' || i || '@acme' || (i % 1000) || '.example'",
        first_name="'Ann'",
        last_name="'Archer'",
        account_id=crowd.account,
        owner_id=_OWNER,
        locale="'en'",
    )
    left = {"reason": "'unsubscribed'", "at": many.ago("0")}
    many(models.Suppression, crowd.people // 50, address_hash=many.hash("i"), **left)


def _surveys(many: Many, crowd: Crowd) -> None:
    """Spread them evenly over the days, the newest last; a fifth are answered."""
    open_s = crowd.open_days * DAY_S
    asked = f"{crowd.age_s} < {open_s}"
    many(
        models.Survey,
        crowd.surveys,
        id=many.id("i"),
        program="'relationship'",
        customer_id=many.id(f"i % {crowd.people}"),
        contact_id=crowd.contact,
        account_id=crowd.account,
        owner_id=_OWNER,
        stage=(
            f"CASE WHEN i >= {crowd.sent} THEN 'chosen'"
            f" WHEN i % {ANSWERED} = 0 THEN CASE WHEN {asked} THEN 'answered' ELSE 'closed' END"
            f" WHEN {asked} THEN 'asked' ELSE 'lapsed' END"
        ),
        chosen_at=many.ago(crowd.age_s),
        asked_at=many.ago(crowd.age_s),
        expires_at=many.ago(f"{crowd.age_s} - {open_s}"),
        answer_hash=many.hash("i"),
        leave_hash=many.hash(f"{crowd.surveys} + i"),
        snapshot=f"'{SNAPSHOT}'",
    )
    many(
        models.Trigger,
        crowd.surveys,
        each=10,
        id=f"'{CRM}:k' || i",
        crm=f"'{CRM}'",
        event="'case_closed'",
        contact_id=crowd.contact,
        subject="'It rattles'",
        at=many.ago(crowd.age_s),
    )


def _answers(many: Many, crowd: Crowd) -> None:
    at, survey = many.ago(crowd.age_s), {"survey_id": many.id("i")}
    words = "'It took a while, but then all went well, thank you.'"
    said = {"score": f"(i / {ANSWERED}) % 11", "comment": words, "way": "'page'"}
    customer = {"customer_id": many.id(f"i % {crowd.people}")}
    when = {"answered_at": at, "changed_at": at}
    many(models.Answer, crowd.sent, each=ANSWERED, **survey, **customer, **said, **when)
    many(models.Revision, crowd.sent, each=ANSWERED, **survey, **said, id=many.id("i"), at=at)
    state = "CASE WHEN i % 100 = 0 THEN 'open' ELSE 'resolved' END"
    task = {"task_crm": f"'{CRM}'", "task_id": "'t' || i"}
    many(models.Case, crowd.sent, each=ANSWERED * 2, **survey, **task, state=state, opened_at=at)
    many(
        models.Referral,
        min(crowd.sent, crowd.people),
        each=ANSWERED * 2,
        **survey,
        **customer,
        id=many.id("i"),
        state="'invited'",
        link_hash=many.hash("i"),
        created_at=at,
        expires_at=at,
    )


def _effects(many: Many, crowd: Crowd) -> None:
    """Owe a mail for each survey, and score, history and task for answers; few are due."""
    at, survey = many.ago(crowd.age_s), many.id("i")
    letter = f"CASE WHEN i >= {crowd.sent} THEN 'due' WHEN i % 2011 = 7 THEN 'unknown'"
    record = f"CASE WHEN i >= {crowd.sent - crowd.due} THEN 'due' WHEN i % 2000 = 5 THEN 'refused'"
    for number, (kind, lane, about, each, state) in enumerate(
        (
            ("ask", "mail.letters", survey, 1, letter),
            ("score", f"{CRM}.scores", f"i || {crowd.contact}", ANSWERED, record),
            ("history", f"{CRM}.answers", f"{survey} || {crowd.contact}", ANSWERED, record),
            ("task", f"{CRM}.tasks", survey, ANSWERED * 2, record),
        )
    ):
        many(
            models.Effect,
            crowd.surveys if kind == "ask" else crowd.sent,
            each=each,
            id=many.id(f"{number * crowd.surveys} + i"),
            key=f"'{kind}:' || {about}",
            kind=f"'{kind}'",
            lane=f"'{lane}'",
            state=f"{state} ELSE 'done' END",
            survey_id=survey,
            contact_id=crowd.contact,
            due_at=at,
            created_at=at,
            settled_at=at,
            remote_id="'aBcDeFgHiJkLmNoPqRsTuV'",
        )


def _told(many: Many, crowd: Crowd) -> None:
    """Tell what moved, what the mail provider said, and why who was asked."""
    at = many.ago(crowd.age_s)
    for number, (was, to) in enumerate((("", "chosen"), ("chosen", "asked"))):
        many(
            models.Step,
            crowd.surveys,
            id=many.id(f"{number * crowd.surveys} + i"),
            survey_id=many.id("i"),
            was=f"'{was}'",
            to=f"'{to}'",
            at=at,
        )
    for kind in ("processed", "delivered"):
        many(
            models.MailEvent,
            crowd.sent,
            id=f"'{kind}' || {many.id('i')}",
            effect_key=f"'ask:' || {many.id('i')}",
            kind=f"'{kind}'",
            at=at,
        )
    many(
        models.Ledger,
        crowd.people,
        program="'relationship'",
        customer_id=many.id("i"),
        reason="'a survey is open'",
        at=many.ago("0"),
    )


def counts(store: Store) -> dict[str, Any]:
    """Return how many rows each table has."""
    with store.read() as session:
        return {
            name: session.connection().scalar(text(f'SELECT count(*) FROM "{name}"'))
            for name in SQLModel.metadata.tables
        }
