"""What people do in the CRMs: records come, change, merge and go; tasks are worked on."""

from collections.abc import Sequence
from itertools import count
from typing import Final

from connectors.ports import Account, Contact, Owner, Trigger, TriggerEvent
from loop.simulate.outside import Crm
from loop.simulate.world import World

ADDRESSES: Final = ("ann@a.example", "ANN@a.example ", "ben@a.example", "cleo@b.example", "")
ACCOUNTS: Final = ("a1", "a2", "")
OWNERS: Final = ("o1", "o2", "")
RECORDS_MAX: Final = 4
"""In each CRM: few, so that things meet."""


class Records:
    """The CRMs, and those who work with them."""

    def __init__(self, world: World, crms: Sequence[Crm]) -> None:
        self.world, self.crms, self.chance = world, crms, world.chance
        self.number = count()
        for crm in crms:
            for id_ in ("o1", "o2"):
                crm.state.owners[id_] = Owner(id=id_, name=f"Olga {id_}")
            for id_ in filter(None, ACCOUNTS):
                crm.state.accounts[id_] = Account(id=id_, name=f"Acme {id_}", owner_id="o1")

    def begin(self) -> None:
        """Begin with a few people, each with an address of their own."""
        for address in ADDRESSES[1 : self.chance.randint(3, 4)]:
            self._put(self.chance.choice(self.crms), f"r{next(self.number):04}", address)

    def add(self) -> None:
        """Make a record, or change one."""
        crm = self.chance.choice(self.crms)
        known = sorted(crm.state.contacts)
        if len(known) < RECORDS_MAX and self.chance.random() < 0.5:  # noqa: PLR2004 - even chances
            known = [f"r{next(self.number):04}"]
        if known:
            self._put(crm, self.chance.choice(known), self.chance.choice(ADDRESSES))

    def _put(self, crm: Crm, id_: str, address: str) -> None:
        crm.state.contacts[id_] = Contact(
            id=id_,
            email=address,
            first_name="Ann",
            last_name=f"Name{id_}",
            account_id=self.chance.choice(ACCOUNTS),
            owner_id=self.chance.choice(OWNERS),
            opted_out=self.chance.random() < 0.05,  # noqa: PLR2004 - seldom
        )
        self.world.note(f"{crm.name} has {id_} {address}")

    def remove(self) -> None:
        """Delete a record."""
        crm = self.chance.choice(self.crms)
        if crm.state.contacts:
            id_ = self.chance.choice(sorted(crm.state.contacts))
            del crm.state.contacts[id_]
            self.world.note(f"{crm.name} deletes {id_}")

    def merge(self) -> None:
        """Merge a record into another."""
        crm = self.chance.choice(self.crms)
        if len(crm.state.contacts) > 1:
            lost, won = self.chance.sample(sorted(crm.state.contacts), 2)
            del crm.state.contacts[lost]
            crm.state.merged[lost] = won
            self.world.note(f"{crm.name} merges {lost} into {won}")

    def close_case(self) -> None:
        """Close a ticket, which sets off a touchpoint survey."""
        crm = self.chance.choice(self.crms)
        if crm.state.contacts:
            id_, about = f"t{next(self.number):04}", self.chance.choice(sorted(crm.state.contacts))
            crm.state.triggers[id_] = Trigger(
                id=id_,
                event=TriggerEvent.CASE_CLOSED,
                contact_id=about,
                subject=f"About Name{about}",
                at=self.world.clock(),
            )
            self.world.note(f"{crm.name} closes {id_} of {about}")

    def end_task(self) -> None:
        """Finish a task, or delete it."""
        crm = self.chance.choice(self.crms)
        if not crm.state.tasks:
            return
        key = self.chance.choice(sorted(crm.state.tasks))
        if self.chance.random() < 0.7:  # noqa: PLR2004 - most are finished
            crm.finish(key, self.world.clock())
            self.world.note(f"{crm.name} finishes {key}")
        else:
            del crm.state.tasks[key]
            crm.state.finished.pop(key, None)
            self.world.note(f"{crm.name} deletes {key}")

    def leave_company(self) -> None:
        """Let an owner go, or come back."""
        crm = self.chance.choice(self.crms)
        there = crm.state.owners["o1"]
        crm.state.owners["o1"] = Owner(id="o1", name="Olga", active=not there.active)

    def erase(self, crm: str, id_: str) -> None:
        """Erase a record with all that was written about its person."""
        there = next(each for each in self.crms if each.name == crm).state
        there.contacts.pop(id_, None)
        for key in [key for key, one in there.triggers.items() if one.contact_id == id_]:
            del there.triggers[key]
