"""What `npsloop customer` promises."""

from connectors.ports import MailEvent, MailEventKind, Trigger, TriggerEvent
from loop import leave
from loop.models import Customer, Effect, Suppression
from loop.schedule import HANDLERS
from tests.cli.conftest import Desk


def test_a_customer_is_shown_with_all_we_know(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3, "slow \x1b[31m[red]and[/red] dear")
    ann.world.choose()

    told = ann.told("customer", "show", " Ann@Acme.EXAMPLE")

    assert told["email"] == "ann@acme.example"
    assert told["records"][0]["account"] == "Acme"
    assert told["surveys"][0]["answer"]["score"] == 3
    assert [line["program"] for line in told["ledger"]] == ["relationship"]
    assert {effect["kind"] for effect in told["effects"]} >= {"ask", "score", "task"}


def test_what_a_customer_wrote_never_steers_the_terminal(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3, "slow \x1b[31m[red]and[/red] dear")

    done = ann.run("customer", "show", "ann@acme.example")

    assert "\x1b" not in done.stdout
    assert r"score 3: slow \x1b[31m[red]and[/red] dear" in done.stdout


def test_a_customer_is_found_by_id_and_by_record(ann: Desk) -> None:
    customer = ann.world.only(Customer)

    assert ann.told("customer", "show", customer.id)["id"] == customer.id
    assert ann.told("customer", "show", "memory_crm:c1")["id"] == customer.id


def test_why_somebody_was_not_asked_is_shown(ann: Desk) -> None:
    ann.world.add(account_id="a1", owner_id="o1", opted_out=True)
    ann.world.pull()
    ann.world.choose()

    done = ann.run("customer", "show", "ann@acme.example")

    assert "opted out in the CRM" in done.stdout


def test_nobody_is_told_in_words(ann: Desk) -> None:
    done = ann.run("customer", "show", "nobody@acme.example")

    assert done.exit_code == 1
    assert "nobody by this address" in done.stderr


def test_looking_at_a_customer_changes_nothing(ann: Desk) -> None:
    before = ann.dump()

    ann.run("customer", "show", "ann@acme.example")

    assert ann.dump() == before


def test_a_customer_is_forgotten_with_a_receipt(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3, "slow")

    told = ann.told("customer", "forget", "ann@acme.example", "--yes")

    receipt = told["receipt"]
    assert receipt["records"] == ["memory_crm:c1"]
    assert (receipt["surveys"], receipt["comments"]) == (1, 1)
    assert "ann@acme.example" not in "".join(ann.dump()).lower()
    assert "slow" not in "".join(ann.dump())
    assert len(ann.world.all(Suppression)) == 1


def test_what_others_wrote_of_a_customer_is_forgotten_too(ann: Desk) -> None:
    world = ann.world
    world.crm.state.triggers["t1"] = Trigger(
        id="t1",
        event=TriggerEvent.CASE_CLOSED,
        contact_id="c1",
        subject="Ann cannot log in",
        at=world.clock.at,
    )
    world.ask()
    event = MailEvent(
        id="e1",
        mail_key=world.only(Effect).key,
        kind=MailEventKind.DEFERRED,
        at=world.clock.at,
        reason="550 Ann has no mailbox",
    )
    leave.take_events(world.app, [event], HANDLERS)

    ann.run("customer", "forget", "ann@acme.example", "--yes")

    dump = "".join(ann.dump())
    assert "cannot log in" not in dump
    assert "no mailbox" not in dump


def test_a_forgotten_address_is_still_known_as_such(ann: Desk) -> None:
    ann.run("customer", "forget", "ann@acme.example", "--yes")

    done = ann.run("customer", "show", "ann@acme.example")

    assert done.exit_code == 1
    assert "it is suppressed since" in done.stderr


def test_nobody_is_forgotten_without_a_yes(ann: Desk) -> None:
    before = ann.dump()

    done = ann.run("customer", "forget", "ann@acme.example")

    assert done.exit_code == 2
    assert ann.dump() == before


def test_a_dry_forgetting_changes_nothing(ann: Desk) -> None:
    before = ann.dump()

    told = ann.told("customer", "forget", "ann@acme.example", "--dry-run")

    assert told["plan"]["records"] == ["memory_crm:c1"]
    assert told["receipt"] == {}
    assert ann.dump() == before


def test_an_unsubscribed_customer_is_shown_as_such(ann: Desk) -> None:
    ann.world.ask()
    with ann.world.app.store.write() as session:
        token = ann.world.app.keys.token("leave", _survey_id(ann))
        survey = leave.find(session, token)
        assert survey is not None
        leave.unsubscribe(ann.world.app, session, survey)

    told = ann.told("customer", "show", "ann@acme.example")

    assert told["suppressed"]["reason"] == "unsubscribed"


def _survey_id(desk: Desk) -> str:
    from loop.models import Survey  # noqa: PLC0415 - beside its only use

    found: str = desk.world.only(Survey).id
    return found
