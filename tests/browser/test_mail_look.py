"""Mails look right in a narrow window, in the dark, in either direction and for everybody."""

import re

import pytest

from loop.letters import Letters, contrast
from tests.browser.conftest import Look, keep, overflow_px, sizes_px, violations
from tests.words import BUILTIN, MAIL

SCORES = "a[aria-label]"
ROWS = {700: 1, 375: 2, 320: 2}
"""How many rows of numbers there are at which width, in CSS pixels."""


@pytest.fixture(name="letters", scope="module")
def letters_fixture(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    """Return letters that know an Arabic mail, if only its direction."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("ask", "refer", "thank"):
        (folder / name / "ar").mkdir(parents=True)
        mail = f'{{% extends "builtin/{name}/body.mjml" %}}'
        (folder / name / "ar" / "body.mjml").write_text(mail, encoding="utf-8")
    return Letters(folder, builtin=BUILTIN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ROWS)
def test_the_numbers_can_be_pressed_at_any_width(
    letters: Letters, look: Look, width: int, scheme: str
) -> None:
    html = letters.letter("ask", MAIL).html

    with look(html, width, scheme) as page:
        sizes = sizes_px(page, SCORES)
        assert overflow_px(page) == 0
    assert len(sizes) == 11
    assert {(width, height) for _, width, height in sizes} == {(44, 44)}
    assert len({top for top, _, _ in sizes}) == ROWS[width]


@pytest.mark.parametrize("width", ROWS)
def test_the_numbers_wrap_where_a_client_drops_our_style_sheet(
    letters: Letters, look: Look, width: int
) -> None:
    html = re.sub(r"<style.*?</style>", "", letters.letter("ask", MAIL).html, flags=re.DOTALL)

    with look(html, width) as page:
        tops = {top for top, _, _ in sizes_px(page, SCORES)}
        assert overflow_px(page) == 0
    assert len(tops) == ROWS[width]


@pytest.mark.parametrize("width", [700, 320])
def test_the_scale_is_mirrored_in_languages_written_from_right_to_left(
    letters: Letters, look: Look, width: int
) -> None:
    html = letters.letter("ask", MAIL, "ar").html

    with look(html, width, "dark") as page:
        keep(page, f"ask-rtl-{width}-dark")
        zero, five = (page.get_by_label(f"{n} out of 10", exact=True) for n in (0, 5))
        starts = [
            number.evaluate("link => link.getBoundingClientRect().x") for number in (zero, five)
        ]
        assert overflow_px(page) == 0
        assert violations(page) == []
    assert starts[0] > starts[1]


@pytest.mark.parametrize("name", ["ask", "refer", "thank"])
def test_a_mail_serves_everybody_on_a_desk_and_on_a_phone(
    letters: Letters, look: Look, name: str
) -> None:
    with look(letters.letter(name, MAIL).html, 700) as page:
        keep(page, f"{name}-700-light")
        assert violations(page) == []

        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 320, "height": 720})
        keep(page, f"{name}-320-dark")
        assert violations(page) == []
        assert overflow_px(page) == 0


def test_no_word_is_too_long_for_a_phone(letters: Letters, look: Look) -> None:
    long = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
    words = dict.fromkeys(["customer", "company", "product", "owner", "question", "reason"], long)

    for name in ("ask", "refer", "thank"):
        html = letters.letter(name, MAIL | words | {"refer_url": f"https://example.com/{long * 3}"})
        with look(html.html, 320) as page:
            keep(page, f"{name}-long-320")
            assert overflow_px(page) == 0


@pytest.mark.parametrize("brand", ["#2f5d50", "#ffd400", "#0b5fff", "#ffffff"])
def test_the_numbers_can_be_read_on_any_colour(letters: Letters, look: Look, brand: str) -> None:
    html = letters.letter("ask", MAIL | {"brand": brand, "brand_text": contrast(brand)}).html

    with look(html, 375) as page:
        keep(page, f"ask-brand-{brand[1:]}")
        assert violations(page) == []
