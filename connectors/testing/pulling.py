"""What every CRM promises about reading."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from connectors.errors import Unavailable
from connectors.ports import Account, Contact, Crm, Page, R, Trigger, TriggerEvent
from connectors.testing.worlds import World

MANY = 250


class Pulled(NamedTuple):
    """Everything that one pull told."""

    records: Mapping[str, Account | Contact | Trigger]
    gone: frozenset[str]
    merged: Mapping[str, str]
    watermark: str | None


def pulled(pages: Iterator[Page[R]], since: str | None = None) -> Pulled:
    """Read a pull to its end."""
    records: dict[str, Account | Contact | Trigger] = {}
    gone: set[str] = set()
    merged: dict[str, str] = {}
    for page in pages:
        for record in page.records:
            assert isinstance(record, Account | Contact | Trigger)
            records[record.id] = record
        gone |= set(page.gone)
        merged |= page.merged
        since = page.watermark or since
    return Pulled(records, frozenset(gone), merged, since)


class PullSuite:
    """The promises of `owners`, `accounts`, `contacts`, `triggers` and `checks`."""

    def test_the_first_pull_brings_everything(self, crm: Crm, world: World) -> None:
        """No watermark: all records, each field where it belongs."""
        owner = world.add_owner("Olga Owner")
        account = world.add_account("Acme", owner)
        ann = world.add_contact(
            email="ann@example.com",
            first_name="Ann",
            last_name="O'Neill",
            account_id=account,
            owner_id=owner,
        )

        accounts, contacts = pulled(crm.accounts(None)), pulled(crm.contacts(None))

        record = contacts.records[ann]
        assert isinstance(record, Contact)
        assert (record.email, record.first_name) == ("ann@example.com", "Ann")
        assert (record.last_name, record.account_id, record.owner_id) == ("O'Neill", account, owner)
        assert account in accounts.records

    def test_a_record_without_an_address_comes_too(self, crm: Crm, world: World) -> None:
        """The loop says why it passes somebody over: it must know of them."""
        bob = world.add_contact(first_name="Bob", last_name="Berg")

        record = pulled(crm.contacts(None)).records[bob]

        assert isinstance(record, Contact)
        assert record.email == ""

    def test_who_opted_out_is_told(self, crm: Crm, world: World) -> None:
        """An opt-out in the CRM holds for us."""
        eve = world.add_contact(email="eve@example.com", last_name="Ek", opted_out=True)

        record = pulled(crm.contacts(None)).records[eve]

        assert isinstance(record, Contact)
        assert record.opted_out

    def test_inactive_owners_are_told(self, crm: Crm, world: World) -> None:
        """A task for somebody who has left would never be seen."""
        here = world.add_owner("Olga Owner")
        left = world.add_owner("Leo Left")
        world.deactivate_owner(left)

        owners = {owner.id: owner for page in crm.owners() for owner in page.records}

        assert owners[here].active
        assert not owners[left].active
        assert owners[here].name == "Olga Owner"

    def test_a_later_pull_brings_what_changed_only(self, crm: Crm, world: World) -> None:
        """Past the look-back, a record that did not change stays out."""
        ann = world.add_contact(email="ann@example.com", last_name="Able")
        bob = world.add_contact(email="bob@example.com", last_name="Berg")
        world.later()
        first = pulled(crm.contacts(None))
        world.later()
        world.rename_contact(bob, "Bergman")
        cat = world.add_contact(email="cat@example.com", last_name="Cole")

        second = pulled(crm.contacts(first.watermark), first.watermark)

        assert {ann, bob} <= set(first.records)
        assert bob in second.records
        assert cat in second.records
        assert ann not in second.records

    def test_nothing_is_missed_over_many_pages(self, crm: Crm, world: World) -> None:
        """More records than a page, all of one instant perhaps."""
        there = {
            world.add_contact(email=f"c{n}@example.com", last_name=f"C{n}") for n in range(MANY)
        }

        first = pulled(crm.contacts(None))
        world.later()
        for contact_id in there:
            world.rename_contact(contact_id, "Changed")
        world.later()
        second = pulled(crm.contacts(first.watermark), first.watermark)

        assert there <= set(first.records)
        assert there <= set(second.records)

    def test_the_same_watermark_gives_the_same_again(self, crm: Crm, world: World) -> None:
        """A pull that breaks off is repeated from where it began."""
        first = pulled(crm.contacts(None))
        world.later()
        ann = world.add_contact(email="ann@example.com", last_name="Able")
        world.later()

        once = pulled(crm.contacts(first.watermark), first.watermark)
        again = pulled(crm.contacts(first.watermark), first.watermark)

        assert ann in once.records
        assert ann in again.records

    def test_a_deleted_contact_is_told(self, crm: Crm, world: World) -> None:
        """Nobody is asked who is not a customer any more."""
        ann = world.add_contact(email="ann@example.com", last_name="Able")
        world.later()
        first = pulled(crm.contacts(None))
        world.delete_contact(ann)
        world.later()

        second = pulled(crm.contacts(first.watermark), first.watermark)

        assert ann in second.gone
        assert ann not in second.records

    def test_a_merge_names_its_winner(self, crm: Crm, world: World) -> None:
        """What we know of the loser moves to the winner."""
        winner = world.add_contact(email="ann@example.com", last_name="Able")
        loser = world.add_contact(email="ann.able@example.com", last_name="Able")
        world.later()
        first = pulled(crm.contacts(None))
        left = world.merge_contacts(winner, loser)
        world.later()

        second = pulled(crm.contacts(first.watermark), first.watermark)

        assert second.merged[loser] == left
        assert loser not in second.records

    def test_a_closed_case_is_a_trigger_once(self, crm: Crm, world: World) -> None:
        """With its contact, its subject and its time."""
        ann = world.add_contact(email="ann@example.com", last_name="Able")
        case = world.close_case(ann, "Router & <cable>")
        world.later()

        first = pulled(crm.triggers(None))
        world.later()
        second = pulled(crm.triggers(first.watermark), first.watermark)

        trigger = next(iter(first.records.values()))
        assert isinstance(trigger, Trigger)
        assert (trigger.id, trigger.contact_id) == (case, ann)
        assert (trigger.event, trigger.subject) == (TriggerEvent.CASE_CLOSED, "Router & <cable>")
        assert trigger.at.utcoffset() is not None
        assert case not in second.records

    def test_an_outage_is_told_as_such(self, crm: Crm, world: World) -> None:
        """Then it goes on as if nothing had been."""
        ann = world.add_contact(email="ann@example.com", last_name="Able")
        world.break_down()

        told = []
        for pull in (crm.owners, lambda: crm.accounts(None), lambda: crm.contacts(None)):
            try:
                list(pull())
            except Unavailable as error:
                told.append(error)
        world.mend()
        world.later()

        assert len(told) == 3  # noqa: PLR2004 - each of them
        assert ann in pulled(crm.contacts(None)).records

    def test_all_checks_pass_on_a_prepared_service(self, crm: Crm, world: World) -> None:
        """And each has a name."""
        world.add_owner("Olga Owner")

        checks = list(crm.checks())

        assert checks
        assert [check for check in checks if not check.passed] == []
        assert all(check.name for check in checks)

    def test_a_link_names_the_record(self, crm: Crm, world: World) -> None:
        """An owner opens it in a browser."""
        ann = world.add_contact(email="ann@example.com", last_name="Able")

        link = crm.link("contact", ann)

        assert link.startswith("http")
        assert ann in link
