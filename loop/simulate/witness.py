"""Remembers what people said and wished, as they saw it kept, and looks at each mail going out."""

from collections.abc import Sequence

from sqlalchemy import bindparam, text

from connectors.ports import Mail
from loop.columns import Instant
from loop.simulate.database import Database
from loop.simulate.world import Broken, World
from loop.states import Kind


class Witness:
    """What there is to know beside what our own database says."""

    def __init__(self, world: World, database: Database, inbox: Sequence[Mail]) -> None:
        self.world, self.database, self.inbox = world, database, inbox
        self.said: dict[str, tuple[int, str]] = {}
        """By survey: what was answered last."""
        self.forgotten: set[str] = set()
        """Words of people who were forgotten."""
        self.left: dict[str, int] = {}
        """Addresses that get no mail any more, and since which moment."""
        self.by_wish: set[str] = set()
        """Those of them that may change their mind."""
        self.for_good: set[str] = set()

    def leaves(self, *addresses: str | None, wish: bool = False, for_good: bool = False) -> None:
        """Note who gets no more mail; a wish outranks a bounce, and a complaint a wish."""
        gone = {address.strip().lower() for address in addresses if address}
        if for_good:
            self.for_good |= gone
        elif wish:
            self.by_wish |= gone
        self.by_wish -= self.for_good
        for address in sorted(gone):
            self.left.setdefault(address, self.world.moment)

    def leaves_by_wish(self, *addresses: str | None) -> None:
        """Note who wants to be left alone."""
        self.leaves(*addresses, wish=True)

    def comes_back(self, *addresses: str | None) -> None:
        """Note who took their own wish back."""
        back = {address.strip().lower() for address in addresses if address} & self.by_wish
        self.by_wish -= back
        for address in back:
            del self.left[address]

    def sees(self, mail: Mail) -> None:
        """Look at a mail that goes out just now. Raise `Broken` where it must not.

        What happened after it was claimed came too late for it.
        """
        if any(mail.key == other.key for other in self.inbox):
            message = f"nobody gets the same mail twice: {mail.key}"
            raise Broken(message)
        [*_, frame] = self.world.frames
        since = self.left.get(mail.to.strip().lower())
        if since is not None and since < frame.begun:
            message = f"nobody is mailed after leaving: {mail.key}"
            raise Broken(message)
        if mail.key.startswith(Kind.ASK) and not frame.disturbed:
            for other in self._questions(mail):
                message = f"nobody has two questions at a time: {mail.key} beside {other}"
                raise Broken(message)

    def _questions(self, mail: Mail) -> list[str]:
        """Return which other questions to the person of a mail are open, and went out."""
        query = text(
            "SELECT survey.id FROM survey JOIN survey AS this USING (customer_id)"
            " WHERE this.id = :id AND survey.id <> this.id"
            " AND survey.stage IN ('chosen', 'asked') AND survey.expires_at > :now"
        ).bindparams(bindparam("now", type_=Instant()))
        bound = {"id": mail.key.partition(":")[2], "now": self.world.clock()}
        with self.database.read() as session:
            others = session.connection().execute(query, bound).scalars().all()
        out = {sent.key for sent in self.inbox}
        return [other for other in others if f"{Kind.ASK}:{other}" in out]
