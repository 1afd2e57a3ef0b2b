"""What stays true in `test_machine`, whatever happens: what `npsloop simulate` asks for as well."""

import logging
from collections import defaultdict
from itertools import count
from typing import Final

from hypothesis.stateful import RuleBasedStateMachine, invariant

from loop.simulate.promises import ALWAYS, AT_REST, Known, Mistakes
from tests.loop.conftest import CRM, World

RECORDS: Final = 4


class Promises(RuleBasedStateMachine):
    """A few people, a CRM, a mailer, and what we promise them after every step."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.app = world, world.app
        self.number = count()
        self.names = [self.new_name() for _ in range(RECORDS)]
        self.left: set[str] = set()
        """Addresses that must get no mail."""
        self.by_wish: set[str] = set()
        """Those that may change their mind."""
        self.for_good: set[str] = set()
        """Those that pressed "spam"."""
        self.forgotten: set[str] = set()
        """Words of people who were forgotten."""
        self.comments: dict[str, list[str]] = defaultdict(list)
        self.said: dict[str, tuple[int, str]] = {}
        """What was answered last."""
        self.pulled = False
        self.told = Mistakes()
        logging.getLogger("loop").addHandler(self.told)
        self.known = Known(
            store=world.app.store,
            inbox=world.mailer.sent,
            crms={CRM: world.crm.state},
            said=self.said,
            forgotten=self.forgotten,
            mistakes=self.told.told,
        )

    def new_name(self) -> str:
        """Return a name that stands in no other."""
        return f"Person{next(self.number):05}"

    @invariant()
    def we_keep_what_we_promise(self) -> None:
        assert self.known.broken(ALWAYS) == []

    def at_rest(self) -> None:
        """Nothing is due: the CRM says what we know."""
        assert self.known.broken(AT_REST) == []
