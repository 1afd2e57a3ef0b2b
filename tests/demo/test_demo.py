"""The demo closes the loop, and what it says is what the servers hold."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from rich.console import Console
from sqlalchemy import select
from sqlmodel import col

from connectors.sendgrid.body import KEY
from loop.demo import tour, view
from loop.demo.acts import asks
from loop.demo.browser import Browser
from loop.demo.habits import Deed
from loop.demo.people import HUBSPOT, SALESFORCE
from loop.models import Answer, Case, Contact
from tests.demo.conftest import SEED, Over

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]
COMMAND = (sys.executable, "-m", "loop.cli", "demo", "--once", "--json", "--seed", str(SEED))


def answers(demo: Over) -> dict[str, tuple[int, str]]:
    """What each record was answered for, by its id."""
    with demo.world.app.store.read() as session:
        rows = session.connection().execute(
            select(col(Contact.id), col(Answer.score), col(Answer.comment)).join(
                Answer, col(Answer.customer_id) == col(Contact.customer_id)
            )
        )
        return {contact: (score, comment) for contact, score, comment in rows}


def scores(demo: Over) -> dict[str, tuple[int, str]]:
    """What stands on each record that has a score, by its id."""
    salesforce = {
        f"{SALESFORCE}:{row['Id']}": (int(row["NPS_Score__c"]), row["NPS_Comment__c"] or "")
        for row in demo.world.salesforce.state.all("Contact")
        if row["NPS_Score__c"] is not None
    }
    hubspot = {
        f"{HUBSPOT}:{record.id}": (
            int(record.properties["nps_score"]),
            record.properties.get("nps_comment", ""),
        )
        for record in demo.world.hubspot.state.all("contacts")
        if record.properties.get("nps_score")
    }
    return salesforce | hubspot


def test_every_answer_stands_on_every_record_of_whoever_gave_it(demo: Over) -> None:
    assert scores(demo) == answers(demo)
    told = demo.result["crm"]
    assert told["salesforce"]["scores"] + told["hubspot"]["scores"] == len(answers(demo))


def test_there_are_hundreds_of_people_and_the_dirt_of_real_crms(demo: Over) -> None:
    assert demo.result["customers"]["salesforce"] + demo.result["customers"]["hubspot"] >= 300
    assert len(demo.plot.cast.companies) >= 60
    assert demo.unusable == []
    assert set(demo.result["held"]) == {
        "address bounces, says the CRM",
        "enough of the account were asked",
        "invalid address",
        "no address",
        "opted out in the CRM",
    }


def test_everybody_was_asked_or_has_a_reason(demo: Over) -> None:
    held, surveys = sum(demo.result["held"].values()), demo.result["surveys"]

    assert demo.result["customers"]["people"] == surveys["chosen"] + held
    assert surveys["chosen"] == surveys["asked"]
    assert surveys["bounced"] == demo.result["mail"]["bounced"] > 0


def test_the_figures_fit_together(demo: Over) -> None:
    groups, nps = demo.result["answers"], demo.result["nps"]

    assert sum(groups.values()) == nps["n"] == demo.result["surveys"]["answered"]
    points = 100 * (groups["promoter"] - groups["detractor"]) / nps["n"]
    assert nps["score"] == round(points, 1)
    assert nps["low"] < nps["score"] < nps["high"]


def test_nobody_gets_the_same_mail_twice(demo: Over) -> None:
    keys = Counter(mail.custom_args[KEY] for mail in demo.inbox)
    questions = Counter(mail.to.lower() for mail in demo.inbox if asks(mail))

    assert set(keys.values()) == {1}
    assert set(questions.values()) == {1}
    assert len(demo.inbox) == demo.result["mail"]["accepted"]


def test_whoever_left_or_said_stop_hears_nothing_more(demo: Over) -> None:
    left = {Deed.LEAVE_BY_CLICK, Deed.LEAVE_BY_PAGE, Deed.COMPLAIN}
    stopped = [
        mail.to.lower()
        for mail in demo.inbox
        if asks(mail)
        and "delivered" in mail.happened
        and (
            (habit := demo.plot.script.customer(mail.to)).deed in left
            or "stop" in habit.said.comment.lower().split("!")[0].split()[:2]
            or "unsubscribe" in habit.said.comment
        )
    ]

    assert len(stopped) > 10
    assert {address: len(demo.to(address)) for address in stopped} == dict.fromkeys(stopped, 1)


def test_each_detractor_has_one_task_and_most_are_done(demo: Over) -> None:
    with demo.world.app.store.read() as session:
        cases = session.scalars(select(Case)).all()
    told = demo.result["crm"].values()
    tasks, done = sum(crm["tasks"] for crm in told), sum(crm["tasks_done"] for crm in told)

    assert tasks == len([case for case in cases if case.task_id])
    assert demo.result["answers"]["detractor"] <= len(cases)
    assert tasks / 2 < done < tasks


def test_friends_who_signed_up_are_leads(demo: Over) -> None:
    told = demo.result["crm"].values()

    assert sum(crm["leads"] for crm in told) == demo.result["referrals"]["leads"] > 0
    assert demo.result["referrals"]["visited"] <= demo.result["referrals"]["invited"]


def test_nothing_is_left_to_do(demo: Over) -> None:
    effects = demo.result["effects"]

    assert (effects["due"], effects["refused"], effects["unknown"]) == (0, 0, 0)
    assert demo.result["surveys"]["closed"] > 0


def test_names_of_attackers_do_nothing(demo: Over) -> None:
    mails = [mail for mail in demo.inbox if "alert(1)" in mail.subject + mail.to_name]

    assert mails
    assert not [mail for mail in mails if "<script" in mail.html]


def test_the_pages_that_it_names_are_there(demo: Over) -> None:
    browser = Browser()
    pages = tour.pages(demo.world)

    statuses = {name: browser.open(url).status for name, url in pages.items()}

    assert statuses == dict.fromkeys(pages, 200)
    assert {"a survey to answer", "a detractor in hubspot", "mail outbox"} <= set(pages)
    browser.close()


def test_the_board_shows_every_stage(demo: Over) -> None:
    console = Console(width=100, force_terminal=True, color_system=None, record=True)

    with view.watching(demo.world, console) as shown:
        for step in demo.steps:
            shown.show(step)
    board = view.Board(demo.world)
    console.print(board.draw())

    text = console.export_text()
    assert [name for name in view.STAGES if name.replace("_", " ") not in text] == []
    assert f"n = {demo.result['nps']['n']}" in text


def test_a_log_has_a_line_for_each_step(demo: Over) -> None:
    console = Console(width=100, record=True, force_terminal=False, soft_wrap=True)

    with view.watching(demo.world, console) as shown:
        for step in demo.steps:
            shown.show(step)

    assert len(console.export_text().splitlines()) >= len(demo.steps)


def test_the_same_seed_ends_the_same_way(demo: Over) -> None:
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, env=env)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    told.pop("version", None)
    assert told == {name: value for name, value in demo.result.items() if name != "input"}
