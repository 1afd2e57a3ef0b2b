"""The services in memory, behind a line on which everything can go wrong."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from connectors.errors import ConnectorError, Doubtful, Refused, Unauthorized, Unavailable
from connectors.memory import MemoryCrm, MemoryMailer
from connectors.ports import (
    Account,
    AccountScore,
    Contact,
    History,
    Lead,
    Mail,
    Outcome,
    Owner,
    Page,
    R,
    Score,
    Task,
    TaskState,
    Trigger,
)
from loop.simulate.world import World

T = TypeVar("T")
BATCHES: Final = ((3, 1), (100, 2))
"""How many go into a call and how many calls at once: small ones in turn, or large ones.

Large enough that one takes all there is: then no second one is made, for which it took a thread.
"""
PAGE: Final = 2
QUOTA: Final = timedelta(hours=6)
ASKED_S: Final = (None, None, 1.0, 90.0, 3600.0)
"""What a Retry-After can be."""


class Line:
    """The way to one service: before a call, and once it is accepted, anything can happen."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.spent_until = world.clock()

    def call(self, what: str, items: Sequence[Any], accept: Callable[[], T]) -> T:
        """Make a call. Raise as a connector does where it fails as a whole."""
        if not items:
            return accept()
        with self.world.calling(f"{self.name} {what} {len(items)}"):
            if (error := self.trouble()) is not None:
                raise error
            answer = accept()
            self.world.accepted()
        if self.world.happens("doubtful"):
            raise Doubtful(self.name, "the answer was lost")
        return answer

    def trouble(self) -> ConnectorError | None:
        """Return what goes wrong before anything is accepted."""
        world = self.world
        if world.clock() < self.spent_until:
            left = (self.spent_until - world.clock()).total_seconds()
            return Unavailable(self.name, "the quota is spent", retry_after_s=left)
        if world.happens("quota"):
            self.spent_until = world.clock() + QUOTA
            return Unavailable(self.name, "the quota is spent", retry_after_s=QUOTA.total_seconds())
        if world.happens("unavailable"):
            asked_s = world.chance.choice(ASKED_S)
            return Unavailable(self.name, "not now", retry_after_s=asked_s)
        if world.happens("unauthorized"):
            return Unauthorized(self.name, "the key is no good")
        if world.happens("doubtful"):
            return Doubtful(self.name, "the connection broke")
        return None


class Crm(MemoryCrm):
    """A CRM at the end of such a line. Some items it refuses, until they are mended."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.name, self.line = line.name, line
        self.batch, self.at_once = line.world.chance.choice(BATCHES)
        self.poison: set[str] = set()
        """Records that nothing can be written to."""
        self.refuses_all = line.world.chance.random() < 0.5  # noqa: PLR2004 - every other CRM
        """A call with one such item is refused as a whole."""

    def owners(self) -> Iterator[Page[Owner]]:
        """Return all users."""
        yield from self.line.call("owners", "1", lambda: list(super(Crm, self).owners()))

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Return the accounts that changed."""
        yield from self._pages("accounts", lambda: super(Crm, self).accounts(since))

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Return the contacts that changed."""
        yield from self._pages("contacts", lambda: super(Crm, self).contacts(since))

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Return the cases closed since the watermark."""
        yield from self._pages("triggers", lambda: super(Crm, self).triggers(since))

    def write_scores(self, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Write the scores onto the contacts."""
        return self._each("scores", scores, super().write_scores)

    def write_accounts(self, scores: Sequence[AccountScore]) -> Sequence[Outcome]:
        """Write the roll-ups onto the accounts."""
        return self._each("accounts", scores, super().write_accounts)

    def keep(self, answers: Sequence[History]) -> Sequence[Outcome]:
        """Keep the answers."""
        return self._each("answers", answers, super().keep)

    def put_tasks(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Create the tasks or bring them up to date."""
        return self._each("tasks", tasks, super().put_tasks)

    def task_states(self, ids: Sequence[str]) -> Sequence[TaskState]:
        """Return where the tasks stand."""
        return self.line.call("task states", ids, lambda: super(Crm, self).task_states(ids))

    def add_leads(self, leads: Sequence[Lead]) -> Sequence[Outcome]:
        """Create the leads that are not there yet."""
        return self._each("leads", leads, super().add_leads)

    def _pages(self, what: str, read: Callable[[], Iterator[Page[R]]]) -> Iterator[Page[R]]:
        """Give one page in small ones: a pull can end between any two of them."""
        [page] = self.line.call(what, "1", lambda: list(read()))
        records = page.records
        for start in range(0, max(len(records) - PAGE, 0), PAGE):
            yield Page(records=records[start : start + PAGE])
            self.line.call(what, "1", lambda: None)
        rest = records[max(len(records) - PAGE, 0) // PAGE * PAGE :]
        yield Page(records=rest, gone=page.gone, merged=page.merged, watermark=page.watermark)

    def _each(
        self, what: str, items: Sequence[T], put: Callable[[Sequence[T]], Sequence[Outcome]]
    ) -> Sequence[Outcome]:
        def accept() -> Sequence[Outcome]:
            if self.refuses_all and any(map(self._refused, items)):
                raise self._rule
            return [self._put_one(one, put) for one in items]

        return self.line.call(what, items, accept)

    @property
    def _rule(self) -> Refused:
        return Refused(self.name, "a rule of the CRM forbids it", code="RULE")

    def _refused(self, item: object) -> bool:
        return getattr(item, "contact_id", "") in self.poison

    def _put_one(self, item: T, put: Callable[[Sequence[T]], Sequence[Outcome]]) -> Outcome:
        about = getattr(item, "contact_id", "")
        if about and self.line.world.happens("refused"):
            self.poison.add(about)
        if self._refused(item):
            return Outcome(error=self._rule)
        return put([item])[0]


class Mailer(MemoryMailer):
    """A mail provider at the end of such a line; what it accepts it tells of later."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.name, self.line = line.name, line
        self.batch, self.at_once = line.world.chance.choice(BATCHES)

    def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
        """Take the mails, one call each."""
        with self.line.world.calling("batch", [mail.key for mail in mails]):
            return [self._take(mail) for mail in mails]

    def _take(self, mail: Mail) -> Outcome:
        world = self.line.world
        with world.calling(mail.key):
            error = self.line.trouble()
            if error is None and world.happens("refused"):
                error = Refused(self.name, "not to this address", code="ADDRESS")
            if error is not None:
                return Outcome(error=error)
            world.looks(mail)
            [outcome] = super().send([mail])
            if outcome.error is not None:
                return outcome
            world.hears(mail)
            world.accepted()
        if world.happens("doubtful"):
            return Outcome(error=Doubtful(self.name, "the answer was lost"))
        return outcome
