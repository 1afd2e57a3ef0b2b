# ruff: noqa: INP001 - a script, in no package
"""Takes the README's two pictures: `python docs/pictures.py` (needs the extra `dev` and Chromium).

It plays the smallest demo: one customer in Salesforce who gets a mail, presses 2, says why, and
whose account manager then has a task. What is seen is what the demo shows; nothing is painted.
`docs/mail.png` is the mail as Ann gets it, `docs/crm.png` her record afterwards.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import select

from loop import choose, pull
from loop.demo import worlds
from loop.demo.people import Cast, Company, Person
from loop.demo.worlds import World
from loop.models import Contact
from loop.schedule import deliver

HERE: Final = Path(__file__).parent
CHROMIUM: Final = "/usr/bin/chromium"
MAIL_WIDTH, CRM_WIDTH, HEIGHT = 700, 900, 400
"""In CSS pixels; what is higher is taken as a whole."""
MARGIN: Final = 24
COMMENT: Final = "Nobody called back for a week, and the export broke twice."
CAST: Final = Cast(
    [Company(name="Harbour Robotics", industry="Technology", owner=0)],
    [
        Person(
            first="Ann",
            last="Archer",
            email="ann.archer@harbour-robotics.example",
            title="Head of Operations",
            company=0,
            owner=0,
            product="Beacon",
        )
    ],
)


def main() -> None:
    """Play the customer, and take both pictures."""
    with tempfile.TemporaryDirectory() as folder, _window() as page:
        setting = worlds.Setting(seed=1, folder=Path(folder))
        with worlds.running_world(setting) as world:
            world.records.add(CAST)
            for _ in pull.customers(world.app):
                pass
            for _ in choose.customers(world.app):
                pass
            _settle(world)
            _mail(world, page)
            _answer(page)
            _settle(world)
            _crm(world, page)


@contextmanager
def _window() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(java_script_enabled=False, color_scheme="light")
        browser.close()


def _settle(world: World) -> None:
    """Deliver all that is owed."""
    while deliver(world.app):
        world.mail.flush()


def _mail(world: World, page: Page) -> None:
    page.set_viewport_size({"width": MAIL_WIDTH, "height": HEIGHT})
    [mail] = world.mail.state.inbox
    page.goto(f"{world.sites['mail']}/mail/{mail.number}/html")
    page.screenshot(path=HERE / "mail.png", full_page=True)


def _answer(page: Page) -> None:
    """Press 2 in the mail, and say why on the page behind it."""
    with page.context.expect_page() as opened:
        page.get_by_label("2 out of 10", exact=True).click()
    survey = opened.value
    survey.locator("textarea").fill(COMMENT)
    survey.get_by_role("button").click()
    survey.wait_for_url("**/thanks")
    survey.close()


def _crm(world: World, page: Page) -> None:
    page.set_viewport_size({"width": CRM_WIDTH, "height": HEIGHT})
    with world.app.store.read() as session:
        contact = session.scalars(select(Contact)).one()
    page.goto(world.app.crms[contact.crm].link("contact", contact.remote_id))
    last = page.locator("table").last.bounding_box()
    assert last is not None, "the answer is kept in a table"
    height = last["y"] + last["height"] + MARGIN
    clip = {"x": 0, "y": 0, "width": CRM_WIDTH, "height": height}
    page.screenshot(path=HERE / "crm.png", full_page=True, clip=clip)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
