"""What the played services show: readable by everybody, at any width, and harmless."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from starlette.types import ASGIApp

from connectors.sandbox.hubspot import PORTAL, HubSpotSandbox
from connectors.sandbox.salesforce import SalesforceSandbox
from connectors.sandbox.sendgrid import SendGridSandbox
from tests.browser.conftest import keep, overflow_px, violations
from tests.sandbox.sendgrid_account import request
from tests.stage import Stage, built

NAME = "<script>alert(1)</script>"
COMMENT = "Slow.\n<img src=x onerror=alert(2)> & 'so' \"on\" </dd></table><h1>=1+1</h1>"
LONG = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch" * 3
WORDS = f"{COMMENT}\nRecord: http://127.0.0.1:1/here\nElsewhere: http://example.com/x {LONG}"
Play = tuple[ASGIApp, Sequence[str]]


def salesforce() -> Play:
    """Play an org in which everybody has a dangerous name; `/` and one record of each kind."""
    state = (sandbox := SalesforceSandbox()).state
    olga = state.add("User", {"LastName": NAME, "Email": "olga@us.example", "IsActive": True})
    acme = state.add("Account", {"Name": NAME + LONG, "NPS__c": -100, "NPS_Answers__c": 1})
    ann = state.add(
        "Contact",
        {"LastName": NAME, "AccountId": acme, "Email": "ann@acme.example", "OwnerId": olga}
        | {"NPS_Score__c": 2, "NPS_Group__c": "detractor", "NPS_Comment__c": COMMENT},
    )
    task = {"Subject": NAME, "WhoId": ann, "WhatId": acme, "OwnerId": olga, "Priority": "High"}
    ids = {
        "Contact": ann,
        "Account": acme,
        "Task": state.add("Task", task | {"Description": WORDS, "ActivityDate": "2030-01-09"}),
        "Lead": state.add("Lead", {"LastName": NAME, "Company": LONG, "NPS_Promoter__c": ann}),
        "User": olga,
    }
    state.add("NPS_Answer__c", {"NPS_Contact__c": ann, "NPS_Score__c": 2, "NPS_Comment__c": LONG})
    lists = [f"/lightning/o/{name}/list" for name in ("Account", "Task", "Lead")]
    records = [f"/lightning/r/{kind}/{id_}/view" for kind, id_ in ids.items()]
    return sandbox.application, ["/", *lists, *records]


def hubspot() -> Play:
    """Play an account of the same kind."""
    state = (sandbox := HubSpotSandbox()).state
    otto = {"hubspot_owner_id": state.add_owner(NAME, "Owner", "otto@us.example")}
    acme = state.add("companies", {"name": NAME + LONG, "nps": "-100", "nps_answers": "1"} | otto)
    own: dict[str, Any] = {"firstname": NAME, "email": "ann@acme.example"} | otto
    scored = {"nps_score": "2", "nps_group": "detractor", "nps_comment": COMMENT}
    ann = state.add("contacts", own | scored, [("companies", acme)])
    lead = {"hs_lead_status": "NEW", "nps_referred_by": f"{NAME} ({ann})", "lastname": NAME}
    cleo = state.add("contacts", lead)
    html = f"{NAME.replace('<', '&lt;')}<br>{LONG} {COMMENT}"
    task = {"hs_task_subject": NAME, "hs_task_body": html, "hs_timestamp": "2030-01-09T12:00:00Z"}
    beside = [("contacts", ann), ("companies", acme)]
    call = state.add("tasks", task | otto | {"hs_task_priority": "HIGH"}, beside)
    state.add("notes", {"hs_note_body": html, "hs_timestamp": "2030-01-07T12:00:00Z"}, beside)
    records = (f"0-1/{ann}", f"0-1/{cleo}", f"0-2/{acme}", f"0-27/{call}")
    lists = ["/", "/companies", "/tasks", "/leads"]
    return sandbox.application, [*lists, *(f"/contacts/{PORTAL}/record/{path}" for path in records)]


def sendgrid() -> Play:
    """Play an outbox with one mail that means harm."""
    sandbox = SendGridSandbox()
    to = {"email": "ann@example.com", "name": NAME}
    mail = {"to": [to], "headers": {"X-A": NAME}, "custom_args": {"survey": LONG}}
    parts = [("text/plain", WORDS), ("text/html", f"<html><head></head><body>{NAME}{COMMENT}")]
    content = [{"type": type_, "value": value} for type_, value in parts]
    sandbox.state.accept(
        request(subject=NAME + LONG, content=content, personalizations=[mail]), at=1_900_000_000
    )
    sandbox.close()
    return sandbox.application, ["/", "/mail/1"]


@pytest.fixture(name="stage", scope="module")
def stage_fixture() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture(name="page")
def page_fixture(browser: Browser) -> Iterator[Page]:
    """Give a window where whatever runs or is refused is noted in `page.title`'s stead."""
    page = browser.new_page(reduced_motion="reduce")
    yield page
    page.close()


@pytest.mark.parametrize("play", [salesforce, hubspot, sendgrid])
def test_everybody_can_read_the_pages_and_no_text_does_harm(
    page: Page, stage: Stage, play: Callable[[], Play]
) -> None:
    application, paths = play()
    run: list[str] = []
    refused: list[str] = []
    page.on("dialog", lambda dialog: run.append(dialog.message))
    page.on("console", lambda message: refused.append(message.text))
    with stage.playing(application):
        for number, path in enumerate(paths):
            page.goto(stage.url + path)
            for details in page.locator("summary").all():
                details.click()
            assert NAME in page.locator("main").inner_text()
            assert page.locator("main :is(script, img), h1 + h1").count() == 0
            for width in (1100, 360):
                page.emulate_media(color_scheme="dark" if width == 360 else "light")
                page.set_viewport_size({"width": width, "height": 720})
                assert (path, violations(page)) == (path, [])
                assert (path, overflow_px(page)) == (path, 0)
            keep(page, f"sandbox-{play.__name__}-{number}")
    assert run == []
    assert bool(refused) is (play is sendgrid)  # a mail's own HTML, in its frame


@pytest.mark.parametrize("play", [salesforce, hubspot])
def test_a_detractor_is_seen_at_once(page: Page, stage: Stage, play: Callable[[], Play]) -> None:
    application, paths = play()
    record = next(path for path in paths if "/Contact/" in path or "/0-1/" in path)
    page.set_viewport_size({"width": 1100, "height": 720})
    with stage.playing(application):
        page.goto(stage.url + record)

        assert page.locator(".nps .score b").inner_text() == "2"
        assert page.locator(".nps .comment dd").inner_text() == COMMENT
        facts = page.locator(".task .row").inner_text()
        assert "9 Jan 2030" in facts
        assert "High" in facts
        box = page.locator(".task .row").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 720


def test_only_an_address_on_this_machine_becomes_a_link(page: Page, stage: Stage) -> None:
    application, paths = salesforce()
    with stage.playing(application):
        page.goto(stage.url + next(path for path in paths if "r/Task/" in path))

        links = page.locator(".words a").evaluate_all("links => links.map(link => link.href)")
    assert links == ["http://127.0.0.1:1/here"]
