"""Runs the stages once around, and lets customers, friends and owners act between them.

Each step is finished, and all that it owes delivered, before the next one begins: so it does
not matter for the result who is served first.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from sqlalchemy import func, select
from sqlmodel import col

from connectors.sandbox.sendgrid import Delivered
from loop import choose, close, pull
from loop.demo import owners
from loop.demo.acts import Acts, asks, invites
from loop.demo.habits import Deed, Friend, Habit
from loop.demo.people import Cast
from loop.demo.worlds import World
from loop.models import Effect
from loop.schedule import deliver
from loop.states import EffectState

AT_ONCE: Final = 8
SOON: Final = timedelta(seconds=90)
"""What is put off no longer than this is waited for."""
WAIT_S: Final = 0.5
T = TypeVar("T")
R = TypeVar("R")


class Script(Protocol):
    """Who does what."""

    def prepare(self, addresses: Sequence[str]) -> None:
        """Take note of who was asked, all of them together."""

    def customer(self, address: str) -> Habit:
        """Return what the reader of this address does."""
        ...

    def friends(self, address: str) -> list[Friend]:
        """Return who follows the link that this promoter passes on."""
        ...

    def finishes(self, address: str) -> bool:
        """Tell whether the owner gets round to the task about this customer."""
        ...

    def more(self) -> Cast | None:
        """Return further people where some are needed; None where nobody is."""
        ...

    def counts(self) -> dict[str, int]:
        """Return what became of files; nothing where there are none."""
        ...


@dataclass(frozen=True)
class Step:
    """Something was done: a line for whoever watches."""

    stage: str
    words: str


@dataclass
class Play:
    """One demo."""

    world: World
    script: Script
    refused: Counter[str] = field(default_factory=Counter)
    """Answers that our page refused, by what it said."""
    _read: int = 0
    """How many mails of the outbox were looked at."""
    _asked: list[tuple[Delivered, Habit]] = field(default_factory=list)

    def run(self) -> Iterator[Step]:
        """Carry everybody once around the loop."""
        acts = Acts(self.world.mail)
        try:
            yield from self._first_half(acts)
            yield from self._second_half(acts)
        finally:
            acts.close()

    def _first_half(self, acts: Acts) -> Iterator[Step]:
        """Ask, and let them answer, until nobody is left to be asked."""
        yield from self._pull()
        yield from self._ask()
        yield self._answer(acts)
        while (cast := self.script.more()) is not None:
            self.world.records.add(cast)
            yield from self._pull()
            yield from self._ask()
            yield self._answer(acts)
        self.settle()
        yield Step("write_back", "scores are on the records, detractors have tasks")

    def _second_half(self, acts: Acts) -> Iterator[Step]:
        """Let minds change, friends come and owners work; then close what is dealt with."""
        yield self._change_minds(acts)
        yield self._follow(acts)
        done = owners.finish(self.world, self.script.finishes)
        yield Step("follow_up", f"owners finish {done} tasks in their CRMs")
        yield from self._pull()
        counts = close.finished(self.world.app)
        self.settle()
        counts += close.finished(self.world.app)
        yield Step("close", _list(counts))

    def _pull(self) -> Iterator[Step]:
        counts: Counter[str] = Counter()
        for page in pull.customers(self.world.app):
            counts[f"{page.records} from {page.crm}"] += page.count
        yield Step("pull", _list(counts))

    def _ask(self) -> Iterator[Step]:
        for choice in choose.customers(self.world.app):
            held = choice.reasons.total() - len(choice.chosen)
            yield Step("choose", f"{choice.program}: {len(choice.chosen)} chosen, {held} not")
        self.settle()
        counts = self.world.mail.state.counts()
        yield Step("ask", _list(Counter(counts)))

    def _answer(self, acts: Acts) -> Step:
        mails = [mail for mail in self._new_mail() if asks(mail)]
        self.script.prepare([mail.to for mail in mails])
        habits = [(mail, self.script.customer(mail.to)) for mail in mails]
        refused = self._together(lambda pair: acts.react(*pair), habits)
        self.refused.update(filter(None, refused))
        self._asked += habits
        deeds = Counter(str(habit.deed) for _, habit in habits)
        return Step("answer", _list(deeds))

    def _change_minds(self, acts: Acts) -> Step:
        changed = [
            (mail, habit.later)
            for mail, habit in self._asked
            if habit.deed is Deed.ANSWER and habit.later is not None
        ]
        self._together(lambda pair: acts.answer(*pair), changed)
        self.settle()
        return Step("answer", f"{len(changed)} change their minds")

    def _follow(self, acts: Acts) -> Step:
        invitations = [mail for mail in self._new_mail() if invites(mail)]
        followed = [(mail, self.script.friends(mail.to)) for mail in invitations]
        self._together(lambda pair: acts.follow(*pair), followed)
        self.settle()
        friends = [friend for _, friends in followed for friend in friends]
        joined = sum(friend.joins for friend in friends)
        return Step("refer", f"{len(friends)} friends follow a link, {joined} sign up")

    def _new_mail(self) -> list[Delivered]:
        """Return the mails that arrived since last time, by address."""
        inbox = self.world.mail.state.inbox
        fresh, self._read = inbox[self._read :], len(inbox)
        arrived = [mail for mail in fresh if "delivered" in mail.happened]
        return sorted(arrived, key=lambda mail: (mail.to.lower(), mail.subject))

    def _together(self, act: Callable[[T], R], on: Iterable[T]) -> list[R]:
        """Act on all of them, several at a time; everything that follows is settled."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(act, on))

    def settle(self) -> None:
        """Deliver until nothing is due and every event of the mail provider has come."""
        app = self.world.app
        while True:
            settled = deliver(app)
            self.world.mail.flush()
            if settled:
                continue
            with app.store.read() as session:
                due = select(func.count()).where(
                    col(Effect.state) == EffectState.DUE, col(Effect.due_at) <= app.now() + SOON
                )
                if not session.scalar(due):
                    return
            time.sleep(WAIT_S)


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing to do"
