"""What stays true in `test_machine`, whatever happens."""

import logging
from collections import Counter, defaultdict
from itertools import count
from typing import Final

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import select
from sqlmodel import SQLModel

from loop.models import Answer, Case, Contact, Effect, Revision
from loop.states import MAIL_KINDS, CaseState, EffectState
from tests.loop.conftest import World

RECORDS: Final = 4


class Told(logging.Handler):
    """Keeps what the log says of our mistakes."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.mistakes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.mistakes.append(self.format(record))


class Promises(RuleBasedStateMachine):
    """A few people, a CRM, a mailer, and what we promise them after every step."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.app = world, world.app
        self.names = [f"Person{n}" for n in range(RECORDS)]
        self.number = count()
        self.left: set[str] = set()
        """Addresses that must get no mail."""
        self.by_wish: set[str] = set()
        """Those that may change their mind."""
        self.for_good: set[str] = set()
        """Those that pressed "spam"."""
        self.forgotten: set[str] = set()
        """Words of people who were forgotten."""
        self.comments: dict[str, list[str]] = defaultdict(list)
        self.seen = 0
        self.pulled = False
        self.told = Told()
        logging.getLogger("loop").addHandler(self.told)

    @invariant()
    def nobody_gets_the_same_mail_twice(self) -> None:
        doubled = {k: n for k, n in Counter(m.key for m in self.world.mailer.sent).items() if n > 1}
        assert doubled == {}

    @invariant()
    def the_current_answer_is_the_newest_revision(self) -> None:
        newest: dict[str, Revision] = {}
        for revision in sorted(self.world.all(Revision), key=lambda r: r.at):
            newest[revision.survey_id] = revision
        answers = {answer.survey_id: answer for answer in self.world.all(Answer)}
        assert answers.keys() == newest.keys()
        for survey_id, answer in answers.items():
            told = newest[survey_id]
            assert (answer.score, answer.comment) == (told.score, told.comment)

    @invariant()
    def what_was_handed_over_is_known(self) -> None:
        """A mail is done or unknown where it went out, and nothing else is done."""
        sent = {mail.key for mail in self.world.mailer.sent}
        for effect in self.world.all(Effect):
            if effect.kind in MAIL_KINDS:
                if effect.key in sent:
                    assert effect.state in {EffectState.DONE, EffectState.UNKNOWN}, effect
                else:
                    assert effect.state is not EffectState.DONE, effect

    @invariant()
    def the_forgotten_are_forgotten(self) -> None:
        tables = SQLModel.metadata.sorted_tables if self.forgotten else []
        with self.app.store.read() as session:
            rows = [row for of in tables for row in session.connection().execute(select(of))]
        told = [row for row in map(repr, rows) if any(f"{w}'" in row for w in self.forgotten)]
        assert not told, told

    @invariant()
    def nothing_went_wrong_in_our_own_code(self) -> None:
        assert self.told.mistakes == []

    def at_rest(self) -> None:
        """Nothing is due: the CRM says what we know."""
        there = self.world.crm.state
        newest: dict[str, Answer] = {}
        for answer in sorted(self.world.all(Answer), key=lambda a: (a.answered_at, a.survey_id)):
            newest[answer.customer_id] = answer
        for contact in self.world.all(Contact):
            known = contact.gone_at is None and contact.remote_id in there.contacts
            if known and contact.customer_id in newest:
                assert there.scores[contact.remote_id].score == newest[contact.customer_id].score
        for case in self.world.all(Case):
            task = there.tasks.get(f"npsloop-{case.survey_id}")
            if case.state is CaseState.WITHDRAWN and task is not None:
                assert task.key in there.finished or task.contact_id not in there.contacts
