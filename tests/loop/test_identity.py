"""Who is who when records change hands, and what follows whom."""

from dataclasses import replace

from sqlmodel import Session

from connectors.ports import MailEvent, MailEventKind
from loop import leave, outbox, schedule
from loop.answer import Given, keep
from loop.app import Purpose
from loop.models import Answer, Case, Contact, Customer, Effect, Referral, Suppression, Survey
from loop.states import CaseState, EffectState, Kind, Stage
from loop.suppression import Why, suppress
from tests.loop.conftest import CRM, World


def people(world: World) -> dict[str, str]:
    """Return whose each record is."""
    return {contact.remote_id: contact.customer_id for contact in world.all(Contact)}


def merge(world: World, loser: str, winner: str) -> None:
    """Let the CRM merge two records."""
    del world.crm.state.contacts[loser]
    world.crm.state.merged[loser] = winner
    world.pull()


def unsubscribe(world: World) -> None:
    """Let the only person who was asked leave."""
    with world.app.store.write() as session:
        leave.unsubscribe(world.app, session, world.only(Survey))


def test_two_records_that_get_the_same_new_address_are_one_person(world: World) -> None:
    """In one page, with a third record that is new: none of the three is lost."""
    world.add("c1", "ann@acme.example")
    world.add("c2", "anna@acme.example")
    world.pull()

    for contact_id in ("c1", "c2", "c3"):
        world.add(contact_id, "a.archer@acme.example")
    world.pull()

    assert len(set(people(world).values())) == 1
    assert len(people(world)) == 3


def test_an_address_whose_former_owner_has_a_history_is_taken_over(world: World) -> None:
    """Ann's address was free for a while; the next who has it joins what is known of it."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.add("c2", "ben@acme.example")
    world.pull()
    world.add("c1", "ben@acme.example")
    world.add("c3", "cleo@acme.example")
    world.pull()

    world.add("c3", "ann@acme.example")
    world.pull()

    assert people(world)["c3"] != people(world)["c1"]
    assert len(world.all(Contact)) == 3


def test_an_address_passed_on_within_a_page_stays_with_the_right_record(world: World) -> None:
    """Ann gets a new address and Ben gets Ann's old one, in the same pull."""
    world.add("c1", "ann@acme.example")
    world.add("c2", "ben@acme.example")
    world.pull()

    world.add("c1", "ann.new@acme.example")
    world.add("c2", "ann@acme.example")
    world.pull()

    emails = {customer.id: customer.email for customer in world.all(Customer)}
    assert emails[people(world)["c1"]] == "ann.new@acme.example"
    assert emails[people(world)["c2"]] == "ann@acme.example"


def test_a_record_that_loses_its_address_keeps_its_history(world: World) -> None:
    """Somebody cleared the field: the score still belongs on the record."""
    world.add()
    world.ask()
    world.answer(9)
    world.add(email="")
    world.pull()
    world.deliver()

    assert world.crm.state.scores["c1"].score == 9
    assert len(world.all(Customer)) == 1


def test_who_left_stays_left_under_a_new_address(world: World) -> None:
    """An unsubscribe is the person's, not the address's."""
    world.add()
    world.ask()
    unsubscribe(world)

    world.add(email="ann.new@acme.example")
    world.clock.forward(days=200)
    world.ask()

    assert len(world.mailer.sent) == 1


def test_the_address_that_got_the_mail_is_left_alone_as_well(world: World) -> None:
    """Ann's record has another address when she presses the link; then the old one comes back."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.add("c1", "ann.new@acme.example")
    world.pull()
    unsubscribe(world)

    world.add("c2", "Ann@acme.example")
    world.clock.forward(days=200)
    world.ask()

    assert len(world.mailer.sent) == 1


def test_a_bounce_stays_with_the_old_address(world: World) -> None:
    """That is why somebody corrected it."""
    world.add()
    world.ask()
    with world.app.store.write() as session:
        suppress(session, [world.only(Customer).id], Why.BOUNCED, world.clock.at)

    world.add(email="ann.new@acme.example")
    world.clock.forward(days=200)
    world.ask()

    assert [mail.to for mail in world.mailer.sent][1:] == ["ann.new@acme.example"]


def test_a_mail_in_waiting_is_not_sent_to_an_address_that_has_left(world: World) -> None:
    """Ben has unsubscribed; then Ann's record gets Ben's address before her mail goes out."""
    world.add("c2", "ben@acme.example")
    world.ask()
    unsubscribe(world)
    world.add("c1", "ann@acme.example")
    world.pull()
    world.choose()
    world.add("c1", "ben@acme.example")
    world.pull()

    world.deliver()

    assert len(world.mailer.sent) == 1


def test_a_merge_carries_answers_scores_referral_and_wish(world: World) -> None:
    """The winner is the same human, and the record says so."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.answer(9)
    world.deliver()
    unsubscribe(world)
    world.add("c2", "ann2@acme.example")
    world.pull()

    merge(world, "c1", "c2")
    world.deliver()

    winner = people(world)["c2"]
    assert world.only(Answer).customer_id == world.only(Referral).customer_id == winner
    assert world.crm.state.scores["c2"].score == 9
    assert len(world.all(Suppression)) == 2


def test_a_chain_of_merges_ends_at_the_survivor(world: World) -> None:
    """One lost to two and two lost to three: all of it is three's."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.add("c2", "ann2@acme.example")
    world.add("c3", "ann3@acme.example")
    world.pull()

    world.crm.state.merged["c1"] = "c2"
    del world.crm.state.contacts["c1"]
    merge(world, "c2", "c3")

    assert world.only(Survey).contact_id == f"{CRM}:c3"
    assert world.only(Survey).customer_id == people(world)["c3"]


def test_two_people_who_turn_out_to_be_one_are_asked_once(world: World) -> None:
    """The question that has not gone out lapses."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.add("c2", "ann2@acme.example")
    world.pull()
    world.choose()

    merge(world, "c2", "c1")
    world.deliver()

    assert len(world.mailer.sent) == 1
    assert sorted(survey.stage for survey in world.all(Survey)) == [Stage.ASKED, Stage.LAPSED]


def test_a_second_record_of_somebody_who_answered_gets_the_score(world: World) -> None:
    """The record was made after the answer."""
    world.add("c1", "ann@acme.example")
    world.ask()
    world.answer(3)
    world.deliver()

    world.add("c2", "ANN@acme.example")
    world.pull()
    world.deliver()

    assert world.crm.state.scores["c2"].score == 3


def test_who_opts_out_in_the_crm_gets_no_mail_that_waits(world: World) -> None:
    """So does a record that was deleted there."""
    world.add("c1", "ann@acme.example")
    world.add("c2", "ben@acme.example", first_name="Ben")
    world.pull()
    world.choose()

    world.add("c1", "ann@acme.example", opted_out=True)
    del world.crm.state.contacts["c2"]
    world.pull()
    world.deliver()

    assert world.mailer.sent == []
    assert {effect.state for effect in world.all(Effect)} == {EffectState.SUPPRESSED}


def test_an_undo_lifts_neither_a_complaint_nor_a_forgetting(world: World) -> None:
    """Whatever came first: the stronger reason stands, and the question stays closed."""
    world.add()
    world.ask()
    unsubscribe(world)
    key = world.only(Effect).key
    complaint = MailEvent(id="e1", mail_key=key, kind=MailEventKind.COMPLAINED, at=world.clock.at)
    leave.take_events(world.app, [complaint], schedule.HANDLERS)

    with world.app.store.write() as session:
        survey = leave.find(session, world.app.keys.token(Purpose.LEAVE, world.only(Survey).id))
        assert survey is not None
        leave.resubscribe(world.app, session, survey)

    assert world.only(Suppression).reason == Why.COMPLAINED
    assert world.only(Survey).stage is Stage.UNSUBSCRIBED


def test_a_task_whose_making_nobody_heard_of_is_closed_when_the_score_is_corrected(
    world: World,
) -> None:
    """The CRM made it and its answer was lost: the customer's 9 must not leave it open."""
    world.add()
    world.ask()
    world.answer(2)
    world.crm.lose = 1
    world.deliver()
    assert world.only(Case).task_id == ""

    world.clock.forward(minutes=1)
    world.answer(9)
    world.clock.forward(hours=2)
    world.deliver()

    assert world.only(Case).state is CaseState.WITHDRAWN
    [task] = world.crm.state.tasks.values()
    assert task.finished


def test_a_task_dropped_while_the_score_fell_again_is_owed_once_more(world: World) -> None:
    """From 2 to 9 and back to 1 while the worker is looking: somebody still calls."""
    world.add()
    world.ask()
    world.answer(2)
    world.clock.forward(minutes=1)
    world.answer(9)
    handler = schedule.HANDLERS[Kind.TASK]
    fallen = iter([1])

    def request(app: object, session: Session, effect: Effect) -> object:
        made = handler.request(world.app, session, effect)
        for score in fallen:
            session.rollback()
            world.clock.forward(minutes=1)
            world.answer(score)
        return made

    handlers = {**schedule.HANDLERS, Kind.TASK: replace(handler, request=request)}
    outbox.drain(world.app, f"{CRM}.tasks", handlers)
    world.deliver()

    [task] = world.crm.state.tasks.values()
    assert not task.finished
    assert task.subject.startswith("NPS 1")


def test_stop_counts_whatever_was_sent_as_the_score(world: World) -> None:
    """An 11 is no score, but STOP is STOP."""
    world.add()
    world.ask()
    token = world.app.keys.token(Purpose.ANSWER, world.only(Survey).id)
    with world.app.store.write() as session:
        [taken] = keep(world.app, session, [Given(token=token, score=11, comment="STOP")])

    assert getattr(taken, "stopped", False)
    assert world.only(Survey).stage is Stage.UNSUBSCRIBED
    assert world.all(Answer) == []
