"""Letters turn templates and words into mails and pages, whatever the words hold."""

import json
import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from markupsafe import Markup

from loop.letters import Letters, contrast, one_line
from tests.words import BRAND, BUILTIN, HOST, MAIL, PAGE, PAGES, Seen

NAUGHTY = Path(__file__).parents[3] / "shared/data/names_emails/blns.json"
MAILS = ["ask", "refer", "thank"]
SPOKEN = ["customer", "company", "product", "owner", "reason", "question", "postal_address"]
GMAIL_CLIPS_AT = 102 * 1024


@pytest.fixture(name="letters", scope="module")
def letters_fixture() -> Letters:
    return Letters(builtin=BUILTIN)


def naughty_strings() -> list[str]:
    if not NAUGHTY.is_file():
        pytest.skip("the list of naughty strings is not on this machine")
    return [said for said in json.loads(NAUGHTY.read_text(encoding="utf-8")) if folded(said)]


def folded(text: str) -> str:
    return " ".join(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]", "", text).split())


# What customers get


def test_the_question_has_eleven_links_with_labels(letters: Letters) -> None:
    html = letters.letter("ask", MAIL).html

    scores = [link for link in Seen(html).links if "aria-label" in link]
    assert [link["aria-label"] for link in scores] == [f"{n} out of 10" for n in range(11)]
    assert [link["href"] for link in scores] == [f"{HOST}/a/t0ken?score={n}" for n in range(11)]


def test_the_plain_question_has_one_link(letters: Letters) -> None:
    text = letters.letter("ask", MAIL).text

    assert re.findall(r"https?://\S+", text) == [f"{HOST}/a/t0ken"]
    assert "0 (not at all likely) to 10 (extremely likely)" in text


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_says_why_it_came_who_sent_it_and_how_to_stop_it(
    letters: Letters, name: str
) -> None:
    letter = letters.letter(name, MAIL)

    seen = Seen(letter.html)
    for said in ("Harbour & Co", "Beth Moore", MAIL["reason"], MAIL["postal_address"]):
        assert said in seen.text
        assert said in letter.text
    assert MAIL["unsubscribe_url"] in seen.addresses
    assert "unsubscribe" in letter.text.lower()
    assert [tag for tag, _ in seen.elements].count("h1") == 1


@pytest.mark.parametrize("name", MAILS)
def test_no_link_of_a_mail_is_rewritten_for_tracking(letters: Letters, name: str) -> None:
    html = letters.letter(name, MAIL).html

    anchors = re.findall(r"<a\b[^>]*>", html)
    assert anchors
    assert all(anchor.startswith("<a clicktracking=off href=") for anchor in anchors)


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_loads_nothing_and_is_not_clipped(letters: Letters, name: str) -> None:
    html = letters.letter(name, MAIL).html

    outside = [
        url for url in re.findall(r"https?://[^\s\"'<>)]+", html) if not url.startswith(HOST)
    ]
    assert outside == ["http://www.w3.org/1999/xhtml"]
    assert not re.search(r"fonts\.g|@import|url\(|<img|<link|<script|<mj-", html)
    assert len(html.encode()) < GMAIL_CLIPS_AT


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_reads_well_without_a_name_or_an_owner_or_an_address(
    letters: Letters, name: str
) -> None:
    letter = letters.letter(name, MAIL | {"customer": "", "owner": "", "postal_address": ""})

    assert letter.text.startswith("Hello,\n")
    assert "Hello," in Seen(letter.html).text
    assert letter.subject[0].isupper()
    assert "\n\n\n" not in letter.text


@pytest.mark.parametrize("state", PAGES)
def test_a_page_keeps_to_a_strict_content_security_policy(letters: Letters, state: str) -> None:
    name, words = PAGES[state]

    html = letters.page(name, PAGE | words)

    seen = Seen(html)
    attributes = {name for _, names in seen.elements for name in names}
    assert not {"style"} & (attributes | {tag for tag, _ in seen.elements})
    assert not any(name.startswith("on") for name in attributes)
    assert "script" not in {tag for tag, _ in seen.elements}
    elsewhere = {
        url for url in seen.addresses if re.match("[a-z]+:", url) and not url.startswith(HOST)
    }
    assert elsewhere - {PAGE["record_url"]} == {"data:,"}  # what an owner may press loads nothing


def test_the_score_that_was_pressed_is_chosen_already(letters: Letters) -> None:
    chosen = {
        score: re.findall(
            r'value="(\d+)"[^>]* checked', letters.page("survey", PAGE | {"score": score})
        )
        for score in ("", 0, 10)
    }

    assert chosen == {"": [], 0: ["0"], 10: ["10"]}


def test_an_earlier_answer_is_mentioned_only_where_there_is_one(letters: Letters) -> None:
    first = letters.page("survey", PAGE)
    again = letters.page("survey", PAGE | PAGES["survey-change"][1])

    assert "You answered" not in first
    assert (
        "You answered 8 on 22 November 2026. You can still change it until 6 December 2026."
        in Seen(again).text
    )


def test_a_missing_score_is_told_to_everybody(letters: Letters) -> None:
    html = letters.page("survey", PAGE | {"score": "", "error": "score"})

    assert "<title>Please look again: " in html
    assert 'role="alert"' in html
    assert 'aria-invalid="true" aria-describedby="score-error"' in html


def test_only_a_press_unsubscribes(letters: Letters) -> None:
    html = letters.page("unsubscribe", PAGE)

    assert '<form method="post" action="/a/t0ken">' in html
    assert '<button name="do" value="unsubscribe">' in html


def test_the_company_s_colours_reach_the_pages_as_a_style_sheet(letters: Letters) -> None:
    css = letters.page("brand.css", {"brand": BRAND, "brand_text": contrast(BRAND)})

    assert css.split() == [":root", "{", "--brand:", "#2f5d50;", "--brand-text:", "#ffffff;", "}"]


# Whatever the words hold


@pytest.mark.parametrize("name", MAILS)
def test_hostile_words_reach_a_mail_as_words(letters: Letters, name: str) -> None:
    usual = Seen(letters.letter(name, MAIL).html).elements

    for said in naughty_strings():
        letter = letters.letter(name, MAIL | dict.fromkeys(SPOKEN, said))
        seen = Seen(letter.html)

        assert seen.elements == usual
        assert folded(said) in seen.text
        assert folded(said) in folded(letter.text)


@pytest.mark.parametrize("state", ["survey-change", "thanks-detractor", "referral-wrong", "joined"])
def test_hostile_words_reach_a_page_as_words(letters: Letters, state: str) -> None:
    name, words = PAGES[state]
    usual = Seen(letters.page(name, PAGE | words)).elements

    for said in naughty_strings():
        spoken = dict.fromkeys(
            ["company", "product", "owner", "promoter", "first_name", "comment"], said
        )
        values = dict.fromkeys(["first_name", "last_name", "company", "email"], said)
        seen = Seen(letters.page(name, PAGE | words | spoken | {"values": values}))

        assert seen.elements == usual
        assert folded(said) in seen.text


def test_no_word_breaks_out_of_the_subject(letters: Letters) -> None:
    for said in [*naughty_strings(), "Ann\r\nBcc: eve@example.org", "Ann\x00\u2028\u202eBob\ud800"]:
        subject = letters.letter("ask", MAIL | {"customer": said, "product": said}).subject

        message = EmailMessage()
        message["Subject"] = subject
        assert len(subject.splitlines()) == 1
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", subject)


def test_a_line_is_folded_and_turned_by_nobody() -> None:
    assert one_line(" Ann \r\n\tB\x07ob \u202egnp.exe\u2069 ") == "Ann Bob gnp.exe"


def test_a_word_that_looks_like_a_template_stays_a_word(letters: Letters) -> None:
    letter = letters.letter("ask", MAIL | {"customer": "{{ 7 * 7 }}{% x %}<mj-text>"})

    assert "{{ 7 * 7 }}{% x %}<mj-text>" in letter.text
    assert "{{ 7 * 7 }}{% x %}<mj-text>" in Seen(letter.html).text


@pytest.mark.parametrize("word", [None, Markup("<b>"), Path("x"), {"a": {1, 2}}, [b"x"]], ids=repr)
def test_only_plain_words_are_taken(letters: Letters, word: object) -> None:
    with pytest.raises(TypeError, match="plain text, a number, a list or a dict"):
        letters.letter("ask", MAIL | {"customer": word})


# Colours


READABLE = {
    "#ffffff": "#000000",
    "#ffd400": "#000000",
    "#0b5fff": "#ffffff",
    "#2f5d50": "#ffffff",
    "#000000": "#ffffff",
}


@pytest.mark.parametrize("colour, text", READABLE.items())
def test_text_on_the_company_s_colour_can_be_read(colour: str, text: str) -> None:
    assert contrast(colour) == text


@pytest.mark.parametrize("colour", ["red", "#fff", "#12345g", "#2f5d50;}"])
def test_a_colour_is_six_digits(colour: str) -> None:
    with pytest.raises(ValueError, match="written #rrggbb"):
        contrast(colour)
