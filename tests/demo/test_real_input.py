"""People and answers from files: dirty rows are told of, strange text arrives intact."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from loop.demo.acts import asks
from loop.models import Answer
from tests.demo.conftest import SEED, STRANGE, Over

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]
SHARED = Path(__file__).parents[3] / "shared" / "data"
CONTACTS = SHARED / "crm" / "salesforce_devorg_contacts.json"
TELECOM = SHARED / "surveys" / "telecom_uk_sms_2018.csv"


def test_every_answer_is_used_and_the_bad_ones_are_counted(real: Over) -> None:
    assert real.result["input"] == {"answers": 7, "used": 7, "people_invented": 3}
    assert real.result["answers_refused"] == {"no score": 1, "not a score from 0 to 10": 1}
    assert real.result["answers"] == {"promoter": 2, "passive": 0, "detractor": 2}


def test_a_row_that_no_crm_takes_is_told_and_stops_nobody(real: Over) -> None:
    [told] = real.unusable
    assert told.startswith("contacts.csv:8: not usable: ")
    assert "LastName" in told
    assert real.result["held"]["no address"] == 1


def test_stop_brings_no_invitation_whatever_the_score(real: Over) -> None:
    assert real.result["referrals"]["invited"] == 1
    assert len(real.to("ann@acme.example")) == 1
    assert real.result["surveys"]["unsubscribed"] == 1


def test_any_text_arrives_intact(real: Over) -> None:
    """A CRM keeps no escape character; we do."""
    with real.world.app.store.read() as session:
        kept = session.scalars(select(col(Answer.comment))).all()
    comments = [row["NPS_Comment__c"] for row in real.world.salesforce.state.all("Contact")]
    bodies = [row["Description"] for row in real.world.salesforce.state.all("Task")]

    assert STRANGE in kept
    assert STRANGE.replace("\x1b", "") in comments
    assert any(STRANGE.replace("\x1b", "") in body for body in bodies)


def test_a_name_of_two_lines_is_no_header(real: Over) -> None:
    [question] = [mail for mail in real.inbox if mail.to == "dan@harbour.example"]

    assert asks(question)
    assert "\n" not in question.to_name + question.subject


@pytest.mark.skipif(not TELECOM.exists(), reason="the real data lies beside the project")
def test_976_real_answers_go_round() -> None:
    mapped = "score=score,comment=comment"
    command = [sys.executable, "-m", "loop.cli", "demo", "--once", "--json", "--seed", str(SEED)]
    command += ["--contacts", str(CONTACTS), "--answers", str(TELECOM), "--map", mapped]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["input"]["answers"] == told["input"]["used"] == 976
    assert told["answers_refused"] == {"no score": 9}
    assert told["answers"] == {"promoter": 274, "passive": 160, "detractor": 532}
    assert told["crm"]["salesforce"]["scores"] == told["nps"]["n"] == 966
    assert told["crm"]["salesforce"]["tasks"] == 532
    assert told["held"] == {"invalid address": 2, "no address": 2}
    assert told["referrals"]["invited"] == 271
    assert (told["effects"]["due"], told["effects"]["refused"]) == (0, 0)
