"""Once around the loop as it is in life: real clients, real HTTP, both CRMs and SendGrid."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3
from sqlmodel import select

from connectors.sandbox.faults import Fault
from connectors.sandbox.faults import Kind as Wrong
from connectors.sandbox.hubspot import HubSpotSandbox
from connectors.sandbox.salesforce import CLIENT_ID, CLIENT_SECRET, SalesforceSandbox
from connectors.sandbox.sendgrid import Delivered, SendGridSandbox
from connectors.sandbox.server import running
from loop import app as apps
from loop import close, schedule
from loop.config import Config
from loop.models import Answer, Case, Effect, Suppression, Survey
from loop.states import CaseState, EffectState, Kind, Stage
from loop.store import Store
from loop.web import application
from tests.loop.conftest import SETTINGS

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "only these tests know it, and it is long enough"


@dataclass
class Town:
    """Both CRMs, SendGrid, our program, and the people who use them."""

    app: apps.App
    url: str
    salesforce: SalesforceSandbox
    hubspot: HubSpotSandbox
    sendgrid: SendGridSandbox
    later: timedelta = field(default_factory=timedelta)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def now(self) -> datetime:
        """Return the time, moved on as the story tells."""
        return datetime.now(UTC) + self.later

    def ask(self) -> None:
        """Pull, choose, send, and let SendGrid tell what became of it."""
        for job in ("pull", "choose", "deliver"):
            assert schedule.run(self.app, job)
        assert self.sendgrid.flush()

    def deliver(self) -> None:
        """Deliver what is due."""
        schedule.deliver(self.app)
        assert self.sendgrid.flush()

    def inbox(self, address: str) -> list[Delivered]:
        """Return what SendGrid has for an address, oldest first."""
        return [mail for mail in self.sendgrid.state.inbox if mail.to == address]

    def press(self, mail: Delivered, score: int, comment: str = "") -> int:
        """Open the mail's link for a score, and send the form on the page behind it."""
        link = next(u for u in links(mail.html) if u.endswith(f"score={score}"))
        page = self.get(link)
        action = re.search(r'action="([^"]+)"', page.data.decode())
        assert action is not None
        form = urlencode({"score": score, "comment": comment})
        answer = self.pool.request(
            "POST", self.url + action[1], body=form, headers=FORM, redirect=False
        )
        return answer.status

    def get(self, link: str) -> urllib3.BaseHTTPResponse:
        """Open one of our links."""
        return self.pool.request("GET", self.url + path_of(link))

    def all(self, model: type[Any]) -> list[Any]:
        """Return all rows of a table."""
        with self.app.store.read() as session:
            return list(session.exec(select(model)).all())

    def states(self, kind: Kind) -> set[EffectState]:
        """Return the states that effects of a kind are in."""
        return {effect.state for effect in self.all(Effect) if effect.kind is kind}


def links(html: str) -> list[str]:
    """Return the links of a mail."""
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', html)]


def path_of(link: str) -> str:
    """Return a link without its host."""
    parts = urlsplit(link)
    return parts.path + (f"?{parts.query}" if parts.query else "")


@pytest.fixture
def town(store: Store) -> Iterator[Town]:
    """Give a town where Ann is in Salesforce, Ben in HubSpot and Zoe in both."""
    salesforce, hubspot, sendgrid = SalesforceSandbox(), HubSpotSandbox(), SendGridSandbox()
    with ExitStack() as open_:
        open_.callback(sendgrid.close)
        at = [
            open_.enter_context(running(one.application)) for one in (salesforce, hubspot, sendgrid)
        ]
        config = settings(at, sendgrid)
        made: list[Town] = []
        app = apps.build(config, SECRET, store=store, now=lambda: made[0].now())  # noqa: PLW0108 - made later
        url = open_.enter_context(running(application(app)))
        sendgrid.webhook = f"{url}/hooks/mail"
        made.append(Town(app, url, salesforce, hubspot, sendgrid))
        people(made[0])
        yield made[0]


def settings(at: Sequence[str], sendgrid: SendGridSandbox) -> Config:
    """Return the configuration with which our program finds the three services."""
    salesforce = {
        "type": "salesforce",
        "my_domain": "example",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "origin": at[0],
    }
    hubspot = {
        "type": "hubspot",
        "access_token": "any token will do",
        "portal_id": "1",
        "origin": at[1],
    }
    mailer = {
        "type": "sendgrid",
        "api_key": sendgrid.api_key,
        "webhook_public_key": sendgrid.public_key,
        "origin": at[2],
    }
    own = {"crms": [salesforce, hubspot], "mailer": mailer, "follow_up": {"wait_minutes": 0}}
    return Config.model_validate(SETTINGS | own)


def people(town: Town) -> None:
    """Put Ann, Ben and Zoe into their CRMs."""
    users, companies = town.salesforce.state, town.hubspot.state
    olga = users.add("User", {"LastName": "Ownerly", "Email": "olga@us.example", "IsActive": True})
    acme = users.add("Account", {"Name": "Acme", "OwnerId": olga})
    for first, last in (("Ann", "O'Archer"), ("Zoe", "Zimmer")):
        users.add(
            "Contact",
            {
                "FirstName": first,
                "LastName": last,
                "Email": f"{first.lower()}@acme.example",
                "AccountId": acme,
                "OwnerId": olga,
            },
        )
    otto = companies.add_owner("Otto", "Ownerly", "otto@us.example")
    bolt = companies.add("companies", {"name": "Bolt", "hubspot_owner_id": otto})
    for first in ("Ben", "Zoe"):
        companies.add(
            "contacts",
            {
                "firstname": first,
                "lastname": "Baker",
                "email": "zoe@acme.example" if first == "Zoe" else "ben@bolt.example",
                "hubspot_owner_id": otto,
            },
            associations=[("companies", bolt)],
        )


def contact_of(town: Town, first_name: str) -> dict[str, Any]:
    """Return a contact as Salesforce has it."""
    [found] = [c for c in town.salesforce.state.all("Contact") if c["FirstName"] == first_name]
    return found


def test_a_promoter_is_invited_and_both_records_know_it(town: Town) -> None:
    """Zoe is one person to ask, with two records to write back to."""
    town.ask()
    [mail] = town.inbox("zoe@acme.example")

    assert town.press(mail, 10, "wonderful <3") == 303
    town.deliver()

    zoe = contact_of(town, "Zoe")
    assert (zoe["NPS_Score__c"], zoe["NPS_Factor__c"]) == (10, 100)
    assert zoe["NPS_Comment__c"] == "wonderful <3"
    [other] = [c for c in town.hubspot.state.all("contacts") if "zoe" in c.properties["email"]]
    assert other.properties["nps_score"] == "10"
    [_, invitation] = town.inbox("zoe@acme.example")
    assert any("/r/" in link for link in links(invitation.html))
    assert close.finished(town.app)["closed"] == 1


def test_a_detractor_gets_one_task_which_closes_the_loop(town: Town) -> None:
    """Ann's 2 becomes Olga's task; once it is completed in Salesforce the case is closed."""
    town.ask()
    [mail] = town.inbox("ann@acme.example")
    town.press(mail, 2, "=HYPERLINK('x') & <script>alert(1)</script>")
    town.deliver()
    town.deliver()

    [task] = town.salesforce.state.all("Task")
    assert task["WhoId"] == contact_of(town, "Ann")["Id"]
    assert "<script>alert(1)</script>" in task["Description"]
    assert close.finished(town.app)["closed"] == 0
    town.salesforce.state.update("Task", task["Id"], {"Status": "Completed"})
    assert close.finished(town.app)["resolved"] == 1
    [case] = town.all(Case)
    assert case.state is CaseState.RESOLVED


def test_a_passive_in_hubspot_gets_a_word_and_no_task(town: Town) -> None:
    """Ben's 8 stands on his record and brings a mail."""
    town.ask()
    [mail] = town.inbox("ben@bolt.example")
    town.press(mail, 8)
    town.deliver()

    [ben] = [c for c in town.hubspot.state.all("contacts") if "ben" in c.properties["email"]]
    assert ben.properties["nps_group"] == "passive"
    assert len(town.inbox("ben@bolt.example")) == 2
    assert town.hubspot.state.all("tasks") == []


def test_a_changed_answer_updates_the_record_and_closes_the_task(town: Town) -> None:
    """Ben's 3 becomes a 9: one task, closed; one note, brought up to date."""
    town.ask()
    [mail] = town.inbox("ben@bolt.example")
    town.press(mail, 3, "late")
    town.deliver()
    town.press(mail, 9, "solved now")
    town.deliver()

    [task] = town.hubspot.state.all("tasks")
    assert task.properties["hs_task_status"] == "COMPLETED"
    [note] = town.hubspot.state.all("notes")
    assert "solved now" in note.properties["hs_note_body"]
    [answer] = town.all(Answer)
    assert (answer.score, answer.comment) == (9, "solved now")


def test_whoever_unsubscribes_is_never_written_to_again(town: Town) -> None:
    """One click in the mail program, as RFC 8058 has it."""
    town.ask()
    [mail] = town.inbox("ann@acme.example")
    link = mail.headers["List-Unsubscribe"].strip("<>")
    body = "List-Unsubscribe=One-Click"
    assert (
        town.pool.request("POST", town.url + path_of(link), body=body, headers=FORM).status == 200
    )

    town.later = timedelta(days=100)
    town.ask()

    assert len(town.inbox("ann@acme.example")) == 1
    assert len(town.inbox("ben@bolt.example")) == 2


def test_a_bounce_takes_the_address_off_the_list(town: Town) -> None:
    """SendGrid's signed event does it."""
    town.sendgrid.state.bounce_when = lambda address: address.startswith("ben@")
    town.ask()

    [survey] = [s for s in town.all(Survey) if s.contact_id.startswith("hubspot:")]
    assert survey.stage is Stage.BOUNCED
    [suppression] = town.all(Suppression)
    assert suppression.reason == "bounced"


def test_a_crm_that_is_down_for_an_hour_misses_nothing(town: Town) -> None:
    """The answer waits; HubSpot's part of it does not."""
    town.ask()
    [mail] = town.inbox("zoe@acme.example")
    down = town.salesforce.faults
    down.add(Fault(kind=Wrong.STATUS, status=503))
    town.press(mail, 1, "broken")
    town.deliver()
    assert contact_of(town, "Zoe")["NPS_Score__c"] is None
    [other] = [c for c in town.hubspot.state.all("contacts") if "zoe" in c.properties["email"]]
    assert other.properties["nps_score"] == "1"

    down.clear()
    town.later = timedelta(hours=1)
    town.deliver()
    assert contact_of(town, "Zoe")["NPS_Score__c"] == 1
    assert len(town.salesforce.state.all("Task")) == 1


@pytest.mark.parametrize("wrong", [Wrong.LIED, Wrong.LOST])
def test_a_mail_that_was_accepted_without_our_knowing_is_not_sent_again(
    town: Town, wrong: Wrong
) -> None:
    """SendGrid takes it and answers 500, or nothing: its events settle what we cannot know."""
    town.sendgrid.webhook = None
    town.sendgrid.faults.add(Fault(kind=wrong, path="/v3/mail/send", status=500, times=3))
    town.ask()
    assert town.states(Kind.ASK) == {EffectState.UNKNOWN}

    town.later = timedelta(hours=2)
    town.deliver()
    assert len(town.sendgrid.state.inbox) == 3

    for mail in list(town.sendgrid.state.inbox):
        assert town.press(mail, 7) == 303
    assert town.states(Kind.ASK) == {EffectState.DONE}
