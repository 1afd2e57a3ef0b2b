"""What `npsloop pull`, `choose`, `ask` and `deliver` promise."""

import sqlite3
from pathlib import Path

import pytest

from connectors.errors import Unauthorized, Unavailable
from connectors.memory import MemoryCrm, MemoryMailer
from connectors.ports import Contact, Mail, Outcome
from loop.models import Survey
from tests.cli.conftest import Desk

PEOPLE = [Contact(id=f"c{n}", email=f"ann{n}@acme.example", first_name="Ann") for n in range(3)]


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each new CRM in memory hold three people."""
    begin = MemoryCrm.__init__

    def filled(self: MemoryCrm, config: object = None) -> None:
        begin(self)
        self.state.contacts |= {person.id: person for person in PEOPLE}

    monkeypatch.setattr(MemoryCrm, "__init__", filled)


@pytest.fixture
def lost_crm(monkeypatch: pytest.MonkeyPatch) -> None:
    def owners(self: MemoryCrm) -> None:
        raise Unavailable("memory_crm", "it is down")

    monkeypatch.setattr(MemoryCrm, "owners", owners)


# pull


def test_customers_come_in(desk: Desk, crm: None) -> None:
    told = desk.told("pull")

    assert told["crms"]["memory_crm"] == {
        "owners": 0,
        "accounts": 0,
        "contacts": 3,
        "triggers": 0,
        "gone": 0,
        "bad": 0,
        "problem": "",
    }
    assert len(desk.dump()) > 3


def test_a_pull_is_told_in_a_line_for_each_crm(desk: Desk, crm: None) -> None:
    done = desk.run("pull")

    assert done.stdout == ("memory_crm: 0 owners, 0 accounts, 3 contacts, 0 triggers, 0 gone\n")


def test_a_crm_that_is_down_fails_the_pull(desk: Desk, lost_crm: None) -> None:
    done = desk.run("pull")

    assert done.exit_code == 1
    assert "memory_crm: it is down" in done.stderr


def test_a_crm_that_does_not_know_us_is_a_matter_of_rights(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def owners(self: MemoryCrm) -> None:
        raise Unauthorized("memory_crm", "the token is over: make a new one")

    monkeypatch.setattr(MemoryCrm, "owners", owners)

    assert desk.run("pull").exit_code == 4


def test_an_unknown_crm_is_wrong_usage(desk: Desk) -> None:
    done = desk.run("pull", "--crm", "memory_crn")

    assert done.exit_code == 2
    assert "did you mean memory_crm?" in done.stderr


# choose


def test_a_choice_tells_why_the_others_are_passed_over(ann: Desk) -> None:
    ann.world.add("c2", "not an address")
    ann.world.pull()

    told = ann.told("choose")

    program = told["programs"]["relationship"]
    assert program["chosen"] == 1
    assert program["reasons"] == {"chosen": 1, "invalid address": 1}
    assert len(ann.world.all(Survey)) == 1


def test_a_dry_choice_changes_nothing(ann: Desk) -> None:
    before = ann.dump()

    told = ann.told("choose", "--dry-run")

    assert told["dry_run"] is True
    assert told["programs"]["relationship"]["chosen"] == 1
    assert ann.dump() == before


def test_a_choice_says_when_more_become_due(ann: Desk) -> None:
    ann.run("choose")
    ann.run("ask", "--yes")
    ann.world.answer(9)

    done = ann.run("choose", "--dry-run")

    assert "relationship: 0 chosen" in done.stdout
    assert "next due: " in done.stdout


# ask


def test_the_question_goes_out(ann: Desk) -> None:
    told = ann.told("ask", "--yes")

    assert told["plan"] == {
        "mails": 1,
        "owed_before": 0,
        "chosen": {"relationship": 1},
        "accounts": 1,
        "sender": "feedback@us.example",
        "sender_name": "Example Ltd",
        "subject": told["plan"]["subject"],
    }
    assert "the Example" in told["plan"]["subject"]
    assert told["result"] == {"done": 1}
    assert ann.world.only(Survey).asked_at is not None


def test_nothing_is_mailed_without_a_yes(ann: Desk) -> None:
    before = ann.dump()

    done = ann.run("ask")

    assert done.exit_code == 2
    assert "1 mail to 1 account, from Example Ltd" in done.stderr
    assert "Say --yes" in done.stderr
    assert ann.dump() == before


def test_a_dry_question_changes_nothing(ann: Desk) -> None:
    before = ann.dump()

    told = ann.told("ask", "--dry-run")

    assert told["plan"]["mails"] == 1
    assert told["result"] == {}
    assert ann.dump() == before


def test_no_more_are_asked_than_the_limit(ann: Desk) -> None:
    for number in range(2, 6):
        ann.world.add(f"c{number}", f"ann{number}@acme.example")
    ann.world.pull()

    told = ann.told("ask", "--limit", "2", "--yes")

    assert told["plan"]["mails"] == 2
    assert told["result"] == {"done": 2}
    assert len(ann.world.all(Survey)) == 2


def test_those_who_wait_already_come_first(ann: Desk) -> None:
    ann.world.choose()
    ann.world.add("c2", "cleo@acme.example")
    ann.world.pull()

    told = ann.told("ask", "--limit", "1", "--yes")

    assert told["plan"]["owed_before"] == 1
    assert told["plan"]["chosen"] == {"relationship": 0}
    assert told["result"] == {"done": 1}


def test_a_mailer_that_does_not_know_us_is_a_matter_of_rights(
    ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(self: MemoryMailer, mails: list[Mail]) -> list[Outcome]:
        raise Unauthorized("memory_mailer", "the key is wrong: make a new one")

    monkeypatch.setattr(MemoryMailer, "send", send)

    done = ann.run("ask", "--yes")

    assert done.exit_code == 4
    assert "the key is wrong" in done.stderr


def test_nobody_is_asked_where_it_is_nobodys_turn(desk: Desk) -> None:
    done = desk.run("ask")

    assert done.exit_code == 0
    assert "nobody's turn" in done.stderr


# deliver


def test_what_is_due_goes_out(ann: Desk) -> None:
    ann.world.choose()

    told = ann.told("deliver", "--yes")

    assert told["plan"]["mail.letters"] == {"due": 1, "later": 0}
    assert told["result"] == {"mail.letters": {"done": 1}}


def test_a_dry_delivery_changes_nothing(ann: Desk) -> None:
    ann.world.choose()
    before = ann.dump()

    told = ann.told("deliver", "--dry-run")

    assert told["plan"]["mail.letters"]["due"] == 1
    assert ann.dump() == before


def test_nothing_is_delivered_without_a_yes(ann: Desk) -> None:
    ann.world.choose()
    before = ann.dump()

    done = ann.run("deliver")

    assert done.exit_code == 2
    assert "mail.letters: 1 due" in done.stderr
    assert ann.dump() == before


def test_one_lane_is_delivered_alone(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3)

    told = ann.told("deliver", "--lane", "memory_crm.scores", "--yes")

    assert list(told["plan"]) == ["memory_crm.scores"]
    # the command's own CRM in memory is empty: it has no such contact
    assert told["result"] == {"memory_crm.scores": {"refused": 1}}


def test_what_was_refused_is_told_with_the_next_command(ann: Desk) -> None:
    ann.world.ask()
    ann.world.answer(3)

    done = ann.run("deliver", "--yes")

    assert "memory_crm.tasks: 1 refused" in done.stdout
    assert "npsloop effects list --state refused" in done.stderr


def test_an_unknown_lane_is_wrong_usage(desk: Desk) -> None:
    done = desk.run("deliver", "--lane", "mail.leters")

    assert done.exit_code == 2
    assert "did you mean mail.letters?" in done.stderr


# What can be wrong around all of them


@pytest.mark.parametrize("command", [["pull"], ["choose"], ["ask"], ["deliver"]])
def test_a_missing_configuration_is_told_in_words(
    desk: Desk, command: list[str], tmp_path: Path
) -> None:
    done = desk.run(*command, config=tmp_path / "none.yaml")

    assert done.exit_code == 1
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.output


def test_a_new_database_is_made(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.yaml"
    path.parent.mkdir()
    path.write_text(desk.path.read_text())

    done = desk.run("choose", config=path)

    assert done.exit_code == 0
    assert (path.parent / "npsloop.db").exists()


def test_an_old_database_is_refused_with_the_remedy(desk: Desk) -> None:
    with sqlite3.connect(desk.path.parent / "npsloop.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.close()

    done = desk.run("choose")

    assert done.exit_code == 1
    assert "npsloop db upgrade" in done.stderr


def test_a_file_that_is_no_database_is_told_in_words(desk: Desk) -> None:
    (desk.path.parent / "npsloop.db").write_text("This is no database. " * 100)

    done = desk.run("choose")

    assert done.exit_code == 1
    assert "file is not a database" in done.stderr


def test_a_folder_that_is_not_there_is_told_in_words(desk: Desk) -> None:
    desk.path.write_text(f"{desk.path.read_text()}database: {{url: 'sqlite:///no/such.db'}}\n")

    done = desk.run("choose")

    assert done.exit_code == 1
    assert "unable to open database file" in done.stderr
