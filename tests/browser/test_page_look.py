"""Pages look right and work without scripts, on a phone, in the dark and for everybody."""

from pathlib import Path

import pytest

from loop.letters import Letters, contrast
from tests.browser.conftest import Look, keep, overflow_px, sizes_px, violations
from tests.words import BRAND, BUILTIN, PAGE, PAGES

TARGETS = "button, .field > input, textarea, label.check, footer a, .link a"
QUESTIONS = {"2": "What went wrong?", "7": "make it a 9 or a 10?", "10": "What do you like most?"}


@pytest.fixture(name="site", scope="session")
def site_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page in every state as a file, beside the style sheets; `rtl-...` in Arabic's way."""
    operators = tmp_path_factory.mktemp("templates") / "pages" / "ar"
    operators.mkdir(parents=True)
    for name, _ in PAGES.values():
        (operators / f"{name}.html").write_text(f'{{% extends "builtin/pages/{name}.html" %}}')
    letters = Letters(operators.parents[1], builtin=BUILTIN)
    site = tmp_path_factory.mktemp("site")
    for state, (name, words) in PAGES.items():
        for start, locale in (("", "en"), ("rtl-", "ar")):
            html = letters.page(name, PAGE | words, locale)
            (site / f"{start}{state}.html").write_text(html, encoding="utf-8")
    colours = {"brand": BRAND, "brand_text": contrast(BRAND)}
    for sheet in ("style.css", "brand.css"):
        (site / sheet).write_text(letters.page(sheet, colours), encoding="utf-8")
    return site


@pytest.mark.parametrize("state", PAGES)
def test_a_page_serves_everybody_on_a_desk_and_on_a_phone(
    site: Path, look: Look, state: str
) -> None:
    with look(site / f"{state}.html", 1100) as page:
        keep(page, f"page-{state}-1100-light")
        assert violations(page) == []

        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 720})
        keep(page, f"page-{state}-360-dark")
        assert violations(page) == []
        assert overflow_px(page) == 0
        assert all(wide >= 44 and high >= 44 for _, wide, high in sizes_px(page, TARGETS))

        page.set_viewport_size({"width": 320, "height": 720})
        assert overflow_px(page) == 0


@pytest.mark.parametrize("state", ["survey-wrong", "thanks-promoter", "referral-wrong"])
def test_a_page_can_be_mirrored(site: Path, look: Look, state: str) -> None:
    with look(site / f"rtl-{state}.html", 360) as page:
        keep(page, f"page-rtl-{state}")
        assert violations(page) == []
        assert overflow_px(page) == 0


@pytest.mark.parametrize("width, rows", [(1100, 1), (360, 2), (320, 2)])
def test_each_number_is_large_enough_for_a_thumb(
    site: Path, look: Look, width: int, rows: int
) -> None:
    with look(site / "survey.html", width) as page:
        sizes = sizes_px(page, ".scale label")

    assert len(sizes) == 11
    assert all(wide >= 44 and high >= 44 for _, wide, high in sizes)
    assert len({top for top, _, _ in sizes}) == rows


@pytest.mark.parametrize("score", QUESTIONS)
def test_the_second_question_follows_the_score_without_a_script(
    site: Path, look: Look, score: str
) -> None:
    with look(site / "survey-empty.html", 360, scripts=False) as page:
        label = page.locator("label[for=comment]")
        assert label.inner_text().strip() == "What is the main reason for your score?"

        page.get_by_label(f"{score} out of 10", exact=True).check()

        assert label.inner_text().strip().endswith(QUESTIONS[score])


def test_the_score_can_be_chosen_by_keyboard_and_seen(site: Path, look: Look) -> None:
    with look(site / "survey.html", 1100, scripts=False) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        keep(page, "page-survey-focus")

        ten = page.get_by_label("10 out of 10", exact=True)
        assert ten.is_checked()
        ring = ten.locator("xpath=following-sibling::span")
        assert ring.evaluate("cell => getComputedStyle(cell).outlineStyle") == "solid"
