"""Customers come in, and stay who they are."""

import pytest

from connectors.errors import Unavailable
from loop.models import Account, Answer, Contact, Customer, Survey, Watermark
from tests.loop.conftest import CRM, World


def test_pulling_twice_is_the_same_as_once(world: World) -> None:
    """Nothing is doubled, and the watermarks move on."""
    world.add()
    world.pull()
    before = world.all(Contact)
    world.pull()

    assert world.all(Contact) == before
    assert len(world.all(Customer)) == 1
    assert {mark.records for mark in world.all(Watermark)} == {"accounts", "contacts", "triggers"}


def test_a_changed_address_leaves_the_person_the_same(world: World) -> None:
    """Ann has married: who she is, and when she was asked, stays."""
    world.add()
    world.ask()
    before = world.only(Customer)

    world.add(email="ann.new@acme.example")
    world.ask()

    after = world.only(Customer)
    assert (after.id, after.email) == (before.id, "ann.new@acme.example")
    assert len(world.all(Survey)) == 1


def test_an_address_taken_over_is_somebody_else(world: World) -> None:
    """Where the new address is known already, the record goes over to that person."""
    world.add("c1", "ann@acme.example")
    world.add("c2", "ben@acme.example")
    world.pull()
    world.add("c1", "ben@acme.example")
    world.pull()

    people = {contact.customer_id for contact in world.all(Contact)}
    assert len(people) == 1


def test_two_records_without_an_address_are_two_people(world: World) -> None:
    """Nothing says that they are the same."""
    world.add("c1", "")
    world.add("c2", "")
    world.pull()

    assert len({contact.customer_id for contact in world.all(Contact)}) == 2


def test_a_merged_record_hands_its_history_over(world: World) -> None:
    """The loser's survey is the winner's now."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.add("c2", "ann2@acme.example")
    world.pull()

    del world.crm.state.contacts["c1"]
    world.crm.state.merged["c1"] = "c2"
    world.pull()

    assert world.only(Survey).contact_id == f"{CRM}:c2"
    [winner] = [contact for contact in world.all(Contact) if contact.remote_id == "c2"]
    assert world.only(Survey).customer_id == winner.customer_id


def test_a_merged_person_s_answer_stands_on_the_winner(world: World) -> None:
    """What the loser said is the winner's answer now."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.answer(3)
    world.add("c2", "ann2@acme.example")
    world.pull()

    del world.crm.state.contacts["c1"]
    world.crm.state.merged["c1"] = "c2"
    world.pull()

    [winner] = [contact for contact in world.all(Contact) if contact.remote_id == "c2"]
    assert world.only(Answer).customer_id == winner.customer_id


@pytest.mark.parametrize("text", ["half \ud800 a character", "zero \x00 inside"])
def test_one_record_that_cannot_be_kept_stops_no_other(world: World, text: str) -> None:
    """The rest of the page comes in, and the next pull goes on from there."""
    for n in range(3):
        world.add(f"c{n}", f"p{n}@acme.example")
    world.add("bad", "bad@acme.example", last_name=text)
    world.pull()

    names = {contact.remote_id for contact in world.all(Contact)}
    assert names >= {"c0", "c1", "c2"}
    assert "contacts" in {mark.records for mark in world.all(Watermark)}


def test_a_page_that_fails_leaves_what_came_before(world: World) -> None:
    """An outage in the middle loses nothing that was kept."""
    world.add()
    world.pull()
    world.crm.down = True
    with pytest.raises(Unavailable, match="down"):
        world.pull()

    assert len(world.all(Contact)) == 1
    assert len(world.all(Account)) == 1


def test_an_account_that_comes_back_is_there_again(world: World) -> None:
    """Undeleted in the CRM, undeleted here."""
    world.pull()
    account = world.crm.state.accounts.pop("a1")
    world.pull()
    assert world.only(Account).gone_at is not None
    world.crm.state.accounts["a1"] = account
    world.pull()
    assert world.only(Account).gone_at is None


def test_hostile_names_come_in_as_they_are(world: World) -> None:
    """Quotes, markup and other scripts are only text."""
    name = "Robert'); DROP TABLE customer;-- <script>\u202e&amp; 名前"
    world.add(last_name=name)
    world.pull()

    assert world.only(Contact).last_name == name
