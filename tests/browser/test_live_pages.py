"""People walk through the real pages, on a real server, with no script and a narrow window."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from loop.app import Purpose
from loop.models import Answer, Revision, Signup, Suppression, Survey
from loop.states import Group
from loop.store import Store
from loop.web import application
from tests.browser.conftest import keep, overflow_px, sizes_px, violations
from tests.loop.conftest import World, make_world
from tests.stage import Stage, built

TARGETS = "button, .field > input, textarea, label.check, .scale label, footer a, .link a"
BRAND = "rgb(12, 90, 60)"
MARKUP = "Fast & <b>kind</b> </textarea><script>alert(1)</script>"
TIMEOUT_MS = 5_000


@dataclass
class Walk:
    """A person with one window, in which nothing may run and nothing may go wrong."""

    world: World
    page: Page
    mirror: Page
    """A window for axe, which is a script."""
    troubles: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the browser complains about; a page's own status is no complaint."""
        status = "Failed to load resource" in message.text
        if message.type == "error" and not (status and "/static/" not in message.location["url"]):
            self.troubles.append(message.text)

    def open_mail(self, press: str = "") -> None:
        """Open the latest mail, and press what it offers."""
        self.page.set_content(self.world.mailer.sent[-1].html)
        if press:
            self.page.get_by_label(press, exact=True).click()

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name).click()

    def send_anyway(self, name: str) -> None:
        """Press a button in a browser that checks no form."""
        self.page.locator("form").evaluate("form => { form.noValidate = true }")
        self.press(name)

    def good(self, name: str) -> None:
        """Hold the page that is open against what every page owes everybody."""
        assert overflow_px(self.page) == 0
        assert [size for size in sizes_px(self.page, TARGETS) if min(size[1:]) < 44] == []
        assert colour(self.page, "body", "borderTopColor") == BRAND
        assert self.troubles == []
        self._mirror()
        for scheme, width in ((s, w) for s in ("light", "dark") for w in (1100, 360)):
            self.mirror.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            self.mirror.set_viewport_size({"width": width, "height": 720})
            assert violations(self.mirror) == []
            assert overflow_px(self.mirror) == 0
        keep(self.mirror, f"live-{name}-360-dark")

    def _mirror(self) -> None:
        """Show the page that is open in the window where axe can run."""
        html = self.page.content()
        self.mirror.unroute_all()
        self.mirror.route(
            self.page.url, lambda route: route.fulfill(body=html, content_type="text/html")
        )
        self.mirror.goto(self.page.url)


def colour(page: Page, selector: str, what: str) -> str:
    """Return a colour that the style sheets gave an element."""
    told: str = page.locator(selector).first.evaluate(
        f"element => getComputedStyle(element).{what}"
    )
    return told


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Give one kind of database: what people see does not depend on it."""
    path = tmp_path / "npsloop.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(name="stage", scope="module")
def stage_fixture() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def walk(browser: Browser, stage: Stage, store: Store) -> Iterator[Walk]:
    """Give Ann, who has a mail of ours, and her window."""
    company = {"name": "Example Ltd", "product": "the Example", "brand_colour": "#0c5a3c"}
    world = make_world(store, public_url=stage.url, company=company)
    world.add_owner()
    world.add_account(owner_id="o1")
    world.add(account_id="a1", owner_id="o1")
    world.ask()
    site = application(world.app)
    with stage.playing(site), windows(browser, world) as walk:
        yield walk


@contextmanager
def windows(browser: Browser, world: World) -> Iterator[Walk]:
    """Open a window of 360 pixels that runs no script, and one for axe."""
    page, mirror = (
        browser.new_page(
            viewport={"width": 360, "height": 720},
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        for scripts in (False, True)
    )
    page.set_default_timeout(TIMEOUT_MS)
    walk = Walk(world, page, mirror)
    page.on("console", walk.hear)
    page.on("dialog", lambda dialog: walk.troubles.append(dialog.message))
    yield walk
    page.close()
    mirror.close()


def test_an_answer_is_given_and_changed_by_keyboard_alone(walk: Walk) -> None:
    walk.open_mail("7 out of 10")
    page, keyboard = walk.page, walk.page.keyboard
    assert page.get_by_label("7 out of 10", exact=True).is_checked()
    assert colour(page, "button", "backgroundColor") == BRAND
    walk.good("survey")
    assert walk.world.all(Answer) == []

    for key in ("Tab", "ArrowRight", "ArrowRight", "Tab"):
        keyboard.press(key)
    keyboard.type(MARKUP)
    for key in ("Tab", "Enter"):
        keyboard.press(key)
    expect(page).to_have_title(re.compile("Thank you"))
    walk.good("thanks-promoter")
    assert (walk.world.only(Answer).score, walk.world.only(Answer).comment) == (9, MARKUP)

    page.get_by_role("link", name="change your answer").focus()
    keyboard.press("Enter")
    expect(page.get_by_label("9 out of 10", exact=True)).to_be_checked()
    assert page.locator("textarea").input_value() == MARKUP
    walk.good("change")
    for key in ("Tab", *["ArrowLeft"] * 7, "Tab", "Tab", "Enter"):
        keyboard.press(key)
    expect(page.locator("h1")).to_have_text("Thank you for being frank")
    walk.good("thanks-detractor")
    assert walk.world.only(Answer).score == 2
    assert len(walk.world.all(Revision)) == 2


def test_whoever_chose_no_number_is_told_and_loses_no_word(walk: Walk) -> None:
    page = walk.page
    page.goto(walk.world.app.link(Purpose.ANSWER, walk.world.only(Survey).id))
    page.locator("textarea").fill(MARKUP)
    walk.press("Send my answer")
    assert page.get_by_role("alert").count() == 0  # the browser itself held it back

    walk.send_anyway("Send my answer")
    expect(page.get_by_role("alert")).to_contain_text("choose a number from 0 to 10")
    assert page.locator("textarea").input_value() == MARKUP
    walk.good("survey-error")
    assert walk.world.all(Answer) == []

    page.get_by_label("8 out of 10", exact=True).check()
    walk.press("Send my answer")
    expect(page.locator("h1")).to_have_text("Thank you for your answer")
    walk.good("thanks-passive")
    assert (walk.world.only(Answer).score, walk.world.only(Answer).comment) == (8, MARKUP)


def test_whoever_unsubscribes_can_think_again(walk: Walk) -> None:
    walk.open_mail("3 out of 10")
    walk.page.get_by_role("link", name="Unsubscribe").click()
    walk.good("unsubscribe")
    assert walk.world.all(Suppression) == []

    walk.press("Unsubscribe")
    expect(walk.page.locator("h1")).to_have_text("You are unsubscribed")
    walk.good("unsubscribed")
    assert len(walk.world.all(Suppression)) == 1

    walk.press("Undo")
    expect(walk.page.locator("h1")).to_have_text("Stop these questions?")
    assert walk.world.all(Suppression) == []


def test_a_friend_signs_up_behind_a_promoters_link(walk: Walk) -> None:
    walk.open_mail("10 out of 10")
    walk.press("Send my answer")
    walk.page.locator(".link a").click()
    page = walk.page
    expect(page.locator(".kicker")).to_have_text("Ann thought of you")
    walk.good("referral")

    page.get_by_label("First name").fill("<i>Cleo</i>")
    page.get_by_label("E-mail").fill("cleo@")
    walk.send_anyway("Get in touch with me")
    assert page.get_by_role("alert").count() == 3
    assert page.get_by_label("First name").input_value() == "<i>Cleo</i>"
    walk.good("referral-error")

    page.get_by_label("Last name").fill("Castle")
    page.get_by_label("E-mail").fill("cleo@bolt.example")
    page.locator(".check").click()
    walk.press("Get in touch with me")
    expect(page.locator("h1")).to_have_text("Thank you, <i>Cleo</i>")
    walk.good("joined")
    assert len(walk.world.all(Signup)) == 1


def test_an_owner_reads_the_answer_behind_the_task(walk: Walk) -> None:
    walk.world.answer(2, "slow")
    walk.world.clock.forward(minutes=5)
    walk.world.answer(4, MARKUP)
    survey = walk.world.only(Survey)

    walk.page.goto(walk.world.app.link(Purpose.SHOW, survey.id))
    expect(walk.page.locator("h1")).to_have_text(f"4 of 10, a {Group.DETRACTOR}")
    assert walk.page.locator("blockquote").inner_text() == MARKUP
    walk.good("staff")


def test_a_link_that_is_over_says_so(walk: Walk) -> None:
    walk.world.clock.forward(days=400)
    walk.open_mail("9 out of 10")

    expect(walk.page.locator("h1")).to_have_text("This link does not work")
    walk.good("gone")
