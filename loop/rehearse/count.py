"""Counts what was doubled at the services, and what was lost on the way to them.

What people were promised (a question to everybody, a thank-you page for each answer and each
sign-up) must stand at the service that it was meant for, or be visibly refused, suppressed,
expired, dropped or unknown here.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, select
from sqlmodel import col

from loop import states
from loop.answer import says_stop
from loop.demo.habits import Words
from loop.models import Answer, Contact, Customer, Effect, MailEvent, Signup, Survey
from loop.rehearse import diary
from loop.rehearse.crowd import Crowd
from loop.rehearse.outside import Outside
from loop.states import MAIL_KINDS, EffectState, Group, Kind, Stage
from loop.store import Store

NOT_SENT: Final = frozenset(
    {EffectState.REFUSED, EffectState.SUPPRESSED, EffectState.EXPIRED, EffectState.DROPPED}
)
VISIBLE: Final = NOT_SENT | {EffectState.UNKNOWN}


class Asked(NamedTuple):
    """The question that somebody got."""

    survey: str
    contact: str
    """The record through which they were chosen: it gets the task."""


@dataclass(frozen=True)
class Inside:
    """What we remember."""

    store: Store

    @cached_property
    def effects(self) -> dict[str, EffectState]:
        """Return the state of every effect by its key."""
        query = select(col(Effect.key), col(Effect.state))
        return {key: EffectState(state) for key, state in self._rows(query)}

    @cached_property
    def asked(self) -> dict[str, Asked]:
        """Return what each address was asked."""
        query = select(col(Customer.email), col(Survey.id), col(Survey.contact_id)).join(
            Customer, col(Customer.id) == col(Survey.customer_id)
        )
        return {email: Asked(survey, contact) for email, survey, contact in self._rows(query)}

    @cached_property
    def contacts(self) -> dict[str, list[tuple[str, str]]]:
        """Return the records of each address, with the account of each."""
        found: dict[str, list[tuple[str, str]]] = {}
        query = select(col(Contact.email), col(Contact.id), col(Contact.account_id))
        for email, contact, account in self._rows(query):
            found.setdefault(email.lower(), []).append((contact, account))
        return found

    @cached_property
    def signups(self) -> dict[str, str]:
        """Return the sign-up of each friend's address."""
        return dict(self._rows(select(col(Signup.email), col(Signup.id))))

    def told(self) -> set[str]:
        """Return the keys of the mails of which the provider told us something."""
        return {key for (key,) in self._rows(select(col(MailEvent.effect_key)).distinct())}

    def answered(self) -> set[str]:
        """Return the keys of the questions that were answered."""
        return {f"{Kind.ASK}:{one}" for (one,) in self._rows(select(col(Answer.survey_id)))}

    def whole(self) -> bool:
        """Tell whether a SQLite file is whole; PostgreSQL sees to that itself."""
        if not self.store.lite:
            return True
        with self.store.read() as session:
            checked = session.connection().exec_driver_sql("PRAGMA integrity_check")
            return checked.scalar() == "ok"

    def _rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[Any]:
        with self.store.read() as session:
            return session.connection().execute(query).all()


@dataclass(frozen=True)
class Count:
    """The count, after everything that can be delivered was."""

    inside: Inside
    outside: Outside
    crowd: Crowd

    def result(self) -> dict[str, Any]:
        """Return the figures."""
        lost = list(self.lost())
        return {
            "people": len(self.crowd.addresses),
            "answers": len(self.crowd.thanked),
            "sent": len(self.outside.mails),
            "duplicates": _surplus(self.outside.mails),
            "lost": len(lost),
            "tasks": len(self.outside.tasks),
            "tasks_doubled": _surplus(self.outside.tasks),
            "histories_doubled": _surplus(self.outside.histories),
            "leads": len(self.outside.leads),
            "leads_doubled": _surplus(self.outside.leads),
            "untrue": sum(1 for _ in self.untrue()),
            "effects": dict(sorted(Counter(self.inside.effects.values()).items())),
            **self._unknown(),
            "examples": lost,
        }

    def lost(self) -> Iterator[str]:
        """Tell of everything that was promised, and neither arrived nor is seen not to have."""
        if not self.inside.whole():
            yield "the database is not whole"
        for key, state in self.inside.effects.items():
            if state not in VISIBLE | {EffectState.DONE}:
                yield f"{key} is still {state}"
            elif state is EffectState.DONE and _is_mail(key) and not self.outside.mails[key]:
                yield f"{key} is done, and not in the inbox"
        for address in self.crowd.addresses:
            if address not in self.inside.asked:
                yield f"{address} was never asked"
        yield from self._lost_answers()
        yield from self._lost_friends()

    def _lost_answers(self) -> Iterator[str]:
        for address, said in self.crowd.thanked.items():
            if address in self.inside.asked:
                yield from self._lost_records(address, int(said.score))
                yield from self._lost_follow_up(address, said)

    def _lost_records(self, address: str, score: int) -> Iterator[str]:
        """Tell where an answer is not written; a record that came later has the score alone."""
        asked, outside = self.inside.asked[address], self.outside
        for contact, account in self.inside.contacts[address]:
            there = outside.scores.get(contact)
            if self._missing(f"{Kind.SCORE}:{contact}", there == score):
                yield f"{contact} said {score}, and has {there}"
            history = f"{Kind.HISTORY}:{asked.survey}:{contact}"
            came_later = contact != asked.contact and history not in self.inside.effects
            if not came_later and self._missing(history, outside.histories[contact]):
                yield f"{contact} said {score}, and it is not kept"
            if account and self._missing(f"{Kind.ROLL_UP}:{account}", there=True):
                yield f"{account} has no roll-up"

    def _lost_follow_up(self, address: str, said: Words) -> Iterator[str]:
        """Tell which task or mail is missing after an answer."""
        asked, outside = self.inside.asked[address], self.outside
        owed = states.owed(Stage.ASKED, Stage.ANSWERED, Group.of(int(said.score)))
        task = f"{Kind.TASK}:{asked.survey}"
        if Kind.TASK in owed and self._missing(task, outside.tasks[asked.contact]):
            yield f"{asked.contact} said {said.score}, and there is no task"
        for kind in MAIL_KINDS.intersection(owed):
            key = f"{kind}:{asked.survey}"
            if not says_stop(said.comment) and self._missing(key, outside.mails[key]):
                yield f"{address} said {said.score}, and got no {kind}"

    def _lost_friends(self) -> Iterator[str]:
        for address in self.crowd.joined:
            signup = self.inside.signups.get(address)
            if self._missing(f"{Kind.LEAD}:{signup}", self.outside.leads[address]):
                yield f"{address} signed up, and is no lead"

    def _missing(self, key: str, there: object) -> bool:
        """Tell whether an effect was forgotten, or is done and yet not there."""
        state = self.inside.effects.get(key)
        return state is None or (state is EffectState.DONE and not there)

    def untrue(self) -> Iterator[str]:
        """Give the mails that are in the inbox although we say that they were not sent."""
        effects = self.inside.effects
        return (
            key for key in self.outside.mails if effects.get(key, EffectState.DROPPED) in NOT_SENT
        )

    def _unknown(self) -> dict[str, Any]:
        """Return how many mails ever were unknown, and how each was settled."""
        ever = {e.mail for e in diary.read(self.inside.store) if e.became == EffectState.UNKNOWN}
        told, answered = self.inside.told(), self.inside.answered()
        settled: Counter[str] = Counter()
        for key in ever:
            state = self.inside.effects[key]
            if state is EffectState.UNKNOWN:
                settled["left to the operator"] += 1
            elif state is EffectState.DONE and key in told:
                settled["by an event"] += 1
            elif state is EffectState.DONE and key in answered:
                settled["by an answer"] += 1
            else:
                settled[f"otherwise: {state}"] += 1
        return {"unknown": len(ever), "settled": dict(sorted(settled.items()))}


def _surplus(counted: Counter[str]) -> int:
    return counted.total() - len(counted)


def _is_mail(key: str) -> bool:
    return key.partition(":")[0] in MAIL_KINDS
