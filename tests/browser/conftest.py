"""A real browser, and a look at mails and pages through it."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
AXE = Axe()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = Path(__file__).parents[2] / "artefacts" / "looks"

Look = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module", name="browser")
def browser_fixture() -> Iterator[Browser]:
    """Chromium without a window; no Chromium, no test, except where everything has to run.

    It is closed with each module, since Playwright's event loop goes on running in this thread
    and other tests start loops of their own.
    """
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(name="look")
def look_fixture(browser: Browser, tmp_path: Path) -> Look:
    """Open a file, or HTML as it stands, at a width and in a colour scheme."""

    @contextmanager
    def look(
        what: Path | str, width: int, scheme: str = "light", *, scripts: bool = True
    ) -> Iterator[Page]:
        path = what if isinstance(what, Path) else tmp_path / "mail.html"
        if isinstance(what, str):
            path.write_text(what, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 720},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        try:
            page = context.new_page()
            page.goto(path.as_uri())
            yield page
        finally:
            context.close()

    return look


def violations(page: Page) -> list[str]:
    """Return what axe finds against WCAG 2.2 AA: the rule and the element, a line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    found = page.evaluate("rules => axe.run({runOnly: rules}).then(told => told.violations)", RULES)
    return [
        f"{violation['id']}: {node['html']}" for violation in found for node in violation["nodes"]
    ]


def overflow_px(page: Page) -> int:
    """Return by how much the page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(wide, 0)


def sizes_px(page: Page, selector: str) -> list[tuple[int, int, int]]:
    """Return top, width and height of each element, in CSS pixels."""
    boxes = [element.bounding_box() for element in page.locator(selector).all()]
    return [(round(box["y"]), round(box["width"]), round(box["height"])) for box in boxes if box]


def keep(page: Page, name: str) -> None:
    """Save a picture for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
