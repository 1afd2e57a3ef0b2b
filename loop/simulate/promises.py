"""What we promise, as questions to the database, the inbox and the CRMs.

Each promise gives what breaks it: nothing, where it is kept. The tests ask the same questions.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection
from sqlmodel import SQLModel

from connectors.memory import CrmState
from connectors.ports import Mail
from loop.states import MAIL_KINDS, CaseState, EffectState
from loop.store import Store

SENT: Final = frozenset(
    {EffectState.CLAIMED, EffectState.DONE, EffectState.UNKNOWN, EffectState.DROPPED}
)
"""What a mail can be that went out: nothing from which it is sent by itself."""


@dataclass(kw_only=True)
class Known:
    """What there is to look at, and what was seen so far."""

    store: Store
    inbox: Sequence[Mail]
    """Every mail that the provider accepted."""
    crms: Mapping[str, CrmState]
    """By name."""
    said: Mapping[str, tuple[int, str]]
    """What was answered last, by survey: score and comment."""
    forgotten: Collection[str]
    """Words of people who were forgotten: each stands in no other word."""
    mistakes: Sequence[str]
    """What the log says of our own."""
    owed: set[str] = field(default_factory=set)
    """Keys of all effects so far."""
    _connection: Connection | None = None

    def rows(self, query: str) -> Sequence[Any]:
        """Return what a query finds."""
        assert self._connection is not None
        return self._connection.exec_driver_sql(query).all()

    def broken(self, promises: Iterable["Promise"]) -> list[str]:
        """Return what breaks these promises, each with the promise's name."""
        with self.store.engine.connect() as self._connection:
            return [
                f"{promise.__name__.replace('_', ' ')}: {how}"
                for promise in promises
                for how in promise(self)
            ]


Promise = Callable[[Known], Iterator[str]]


class Mistakes(logging.Handler):
    """Keeps what the log says of our mistakes."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.told.append(self.format(record))


# After every step


def nobody_gets_the_same_mail_twice(known: Known) -> Iterator[str]:
    """Find a key that stands in the inbox more than once."""
    for key, count in Counter(mail.key for mail in known.inbox).items():
        if count > 1:
            yield f"{key} came {count} times"


def what_was_handed_over_is_known(known: Known) -> Iterator[str]:
    """Find a mail that went out and may go again, or that is done and never went out."""
    sent = {mail.key for mail in known.inbox}
    for key, kind, state in known.rows("SELECT key, kind, state FROM effect"):
        if key in sent and state not in SENT:
            yield f"{key} went out and is {state}"
        if kind in MAIL_KINDS and state == EffectState.DONE and key not in sent:
            yield f"{key} is done and never went out"


def nothing_that_is_owed_is_lost(known: Known) -> Iterator[str]:
    """Find a survey, case or sign-up without its effect, and an effect that went away."""
    keys = {key for (key,) in known.rows("SELECT key FROM effect")}
    owed = known.rows(
        "SELECT 'ask:' || id FROM survey"
        " UNION SELECT 'task:' || survey_id FROM \"case\""
        " UNION SELECT 'lead:' || id FROM signup"
    )
    yield from sorted(known.owed.union(key for (key,) in owed) - keys)
    known.owed |= keys


def what_was_said_last_is_the_answer(known: Known) -> Iterator[str]:
    """Find an answer that is not the last that was given, or that is no revision."""
    forgotten = {id_ for (id_,) in known.rows("SELECT id FROM survey WHERE stage = 'forgotten'")}
    answers = known.rows("SELECT survey_id, score, comment FROM answer")
    revisions = set(map(tuple, known.rows("SELECT survey_id, score, comment FROM revision")))
    yield from sorted(known.said.keys() ^ {answer[0] for answer in answers})
    for survey_id, score, comment in answers:
        said = known.said.get(survey_id)
        if said not in {None, (score, comment)} and survey_id not in forgotten:
            yield f"{survey_id} is {(score, comment)}, not {said}"
        if (survey_id, score, comment) not in revisions:
            yield f"{survey_id} is no revision"


def a_case_has_one_open_task(known: Known) -> Iterator[str]:
    """Find a case with two of them, whatever was lost and repeated."""
    tasks: Counter[str] = Counter()
    for there in known.crms.values():
        tasks.update(key for key in there.tasks if key not in there.finished)
    yield from sorted(key for key, count in tasks.items() if count > 1)


def the_forgotten_are_forgotten(known: Known) -> Iterator[str]:
    """Find a word of theirs in any table."""
    if not known.forgotten:
        return
    for table in SQLModel.metadata.sorted_tables:
        for row in known.rows(f'SELECT * FROM "{table.name}"'):  # noqa: S608 - names of ours
            told = repr(row)
            if any(word in told for word in known.forgotten):
                yield f"{table.name} {told}"


def we_make_no_mistakes(known: Known) -> Iterator[str]:
    """Find a bug of ours in the log."""
    yield from known.mistakes


ALWAYS: Final[Sequence[Promise]] = (
    nobody_gets_the_same_mail_twice,
    what_was_handed_over_is_known,
    nothing_that_is_owed_is_lost,
    what_was_said_last_is_the_answer,
    a_case_has_one_open_task,
    the_forgotten_are_forgotten,
    we_make_no_mistakes,
)


# Once everything works again and has come to rest


def nothing_is_left_to_do(known: Known) -> Iterator[str]:
    """Find what is due, and whom nobody is at work on."""
    query = "SELECT key, state, problem FROM effect WHERE state IN ('due', 'claimed')"
    yield from map(str, known.rows(query))


def doubt_ends_where_there_is_proof(known: Known) -> Iterator[str]:
    """Find an unknown mail that the provider told of, or whose question was answered."""
    yield from map(
        str,
        known.rows(
            "SELECT key, problem FROM effect WHERE state = 'unknown' AND ("
            " key IN (SELECT effect_key FROM mailevent)"
            " OR (kind = 'ask' AND survey_id IN (SELECT survey_id FROM answer)))"
        ),
    )


def the_crm_has_the_newest_score(known: Known) -> Iterator[str]:
    """Find a record that has not its person's newest answer."""
    answers = known.rows(
        "SELECT customer_id, score, answered_at FROM answer ORDER BY answered_at, survey_id"
    )
    newest = {customer_id: score for customer_id, score, _ in answers}
    records = known.rows("SELECT crm, remote_id, customer_id FROM contact WHERE gone_at IS NULL")
    for crm, remote_id, customer_id in records:
        there = known.crms[crm]
        if customer_id in newest and remote_id in there.contacts:
            score = there.scores.get(remote_id)
            if score is None or score.score != newest[customer_id]:
                yield f"{crm} {remote_id} has {score}, not {newest[customer_id]}"


def the_crm_keeps_what_was_said(known: Known) -> Iterator[str]:
    """Find an answer that stands otherwise beside its record; the forgotten are let be."""
    for crm, survey_id, score, comment in known.rows(
        "SELECT contact.crm, answer.survey_id, score, comment FROM effect"
        " JOIN answer ON answer.survey_id = effect.survey_id"
        " JOIN survey ON survey.id = effect.survey_id"
        " JOIN contact ON contact.id = effect.contact_id"
        " AND contact.customer_id = answer.customer_id AND contact.gone_at IS NULL"
        " WHERE effect.kind = 'history' AND effect.state = 'done' AND survey.stage <> 'forgotten'"
    ):
        kept = known.crms[crm].answers.get(f"npsloop-{survey_id}")
        if kept is None or (kept.score, kept.comment) != (score, comment):
            yield f"{crm} has {kept}, not {(score, comment)}"


def a_task_says_how_its_case_stands(known: Known) -> Iterator[str]:
    """Find an open one with an old score, or of a case that is withdrawn."""
    for survey_id, state, score in known.rows(
        'SELECT "case".survey_id, state, score FROM "case"'
        ' JOIN answer ON answer.survey_id = "case".survey_id'
    ):
        for there in known.crms.values():
            task = there.tasks.get(f"npsloop-{survey_id}")
            stands = task is not None and task.key not in there.finished
            if task is None or not stands or task.contact_id not in there.contacts:
                continue
            if state == CaseState.WITHDRAWN:
                yield f"{task.key} is open, and its case withdrawn"
            elif f" {score}:" not in task.subject:
                yield f"{task.key} says {task.subject!r}, not {score}"


def a_friend_who_signed_up_is_a_lead(known: Known) -> Iterator[str]:
    """Find a sign-up that is done and stands in no CRM."""
    leads = {key for there in known.crms.values() for key in there.leads}
    query = "SELECT signup_id FROM effect WHERE kind = 'lead' AND state = 'done'"
    yield from (id_ for (id_,) in known.rows(query) if f"npsloop-{id_}" not in leads)


AT_REST: Final[Sequence[Promise]] = (
    *ALWAYS,
    nothing_is_left_to_do,
    doubt_ends_where_there_is_proof,
    the_crm_has_the_newest_score,
    the_crm_keeps_what_was_said,
    a_task_says_how_its_case_stands,
    a_friend_who_signed_up_is_a_lead,
)
