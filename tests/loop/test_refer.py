"""Friends who come through a promoter's link become leads, whoever has left meanwhile."""

import msgspec
import pytest

from connectors.errors import Refused
from connectors.memory import MemoryCrm
from connectors.ports import Lead, Outcome
from loop import refer
from loop.models import Effect, Owner, Referral
from loop.refer import Friend
from loop.states import EffectState, Kind
from tests.loop.conftest import World

BEN = Friend(first_name="Ben", last_name="Baker", company="", email="ben@friends.example")


def join(world: World) -> None:
    """Ann recommends us and Ben signs up."""
    world.ask()
    world.answer(10)
    world.deliver()
    with world.app.store.write() as session:
        referral = session.get_one(Referral, world.only(Referral).id)
        refer.join(world.app, session, referral, BEN)


def lead_effect(world: World) -> Effect:
    return next(effect for effect in world.all(Effect) if effect.kind is Kind.LEAD)


def test_a_lead_goes_to_the_owner_of_its_promoter(world: World) -> None:
    world.add(owner_id="o1")

    join(world)
    world.deliver()

    [lead] = world.crm.state.leads.values()
    assert (lead.email, lead.owner_id) == ("ben@friends.example", "o1")


def test_a_lead_has_no_owner_where_the_promoters_has_left(world: World) -> None:
    world.crm.state.owners["o1"] = msgspec.structs.replace(
        world.crm.state.owners["o1"], active=False
    )
    world.add(owner_id="o1")

    join(world)
    world.deliver()

    assert [lead.owner_id for lead in world.crm.state.leads.values()] == [""]


def test_an_owner_whom_the_crm_refuses_is_not_named_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_leads(crm: MemoryCrm, leads: list[Lead]) -> list[Outcome]:
        if leads[0].owner_id:
            return [Outcome(error=Refused(crm.name, "has left", code="inactive_owner"))]
        crm.state.leads[leads[0].key] = leads[0]
        return [Outcome(leads[0].key)]

    monkeypatch.setattr(MemoryCrm, "add_leads", add_leads)
    world.add(owner_id="o1")

    join(world)
    world.deliver()

    assert lead_effect(world).state is EffectState.DONE
    assert [owner.remote_id for owner in world.all(Owner) if not owner.active] == ["o1"]
