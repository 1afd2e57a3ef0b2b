"""Operators write templates of their own: found, built on ours, and told where they are wrong."""

import re
from pathlib import Path

import pytest

from loop.letters import BadTemplate, Letters
from tests.words import BUILTIN, MAIL, Seen


def overridden(tmp_path: Path, **files: str) -> Letters:
    """Return letters over an operator's folder; `ask__de__body_txt` is ask/de/body.txt."""
    for name, text in files.items():
        path = tmp_path / re.sub(r"_([a-z]+)$", r".\1", name).replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Letters(tmp_path, builtin=BUILTIN)


def test_the_operator_s_file_takes_the_place_of_ours(tmp_path: Path) -> None:
    letters = overridden(tmp_path, ask__subject_txt="A word about {{ product }}?")

    letter = letters.letter("ask", MAIL)

    assert letter.subject == "A word about Harbour Desk?"
    assert letter.text.startswith("Hello Ann,")


def test_the_operator_s_file_may_build_on_ours(tmp_path: Path) -> None:
    letters = overridden(
        tmp_path,
        ask__body_txt='{% include "builtin/ask/body.txt" %}\nPS: {{ product }} 2 is out.',
        ask__body_mjml='{% extends "builtin/ask/body.mjml" %}'
        "{% block how %}Press one.{% endblock %}",
    )

    letter = letters.letter("ask", MAIL)

    assert letter.text.startswith("Hello Ann,")
    assert letter.text.endswith("PS: Harbour Desk 2 is out.")
    seen = Seen(letter.html)
    assert "Press one." in seen.text
    assert "change your mind" not in seen.text
    assert len(seen.links) == 12


def test_mails_of_the_operator_s_own_are_compiled_too(tmp_path: Path) -> None:
    letters = overridden(
        tmp_path,
        news__subject_txt="News",
        news__body_txt="News",
        news__body_mjml="<mjml><mj-head><mj-include path='parts/head.mjml' /></mj-head>"
        "<mj-body><mj-section><mj-column><mj-text>"
        'Hi {{ customer }} <a clicktracking="off" href="/">x</a></mj-text>'
        "</mj-column></mj-section></mj-body></mjml>",
    )

    html = letters.letter("news", {"customer": "<Ann>"}).html

    assert "Hi &lt;Ann&gt;" in html
    assert "<a clicktracking=off href=" in html
    assert "prefers-color-scheme" in html


@pytest.mark.parametrize(
    "locale, subject",
    [
        ("de-AT", "Servus Ann"),
        ("de_at", "Servus Ann"),
        ("de-CH", "Hallo Ann"),
        ("de-Latn-DE-1996", "Hallo Ann"),
        ("fr", "Ann, one question about Harbour Desk"),
        ("../../de", "Ann, one question about Harbour Desk"),
        ("", "Ann, one question about Harbour Desk"),
    ],
)
def test_each_file_is_found_in_the_nearest_language(
    tmp_path: Path, locale: str, subject: str
) -> None:
    letters = overridden(
        tmp_path,
        **{
            "ask__de-AT__subject_txt": "Servus {{ customer }}",
            "ask__de__subject_txt": "Hallo {{ customer }}",
        },
    )

    letter = letters.letter("ask", MAIL, locale)

    assert letter.subject == subject
    assert letter.text.startswith("Hello Ann,")


@pytest.mark.parametrize(
    "locale, spoken", [("ar-EG", 'lang="ar" dir="rtl"'), ("de", 'lang="en" dir="ltr"')]
)
def test_a_mail_says_the_language_it_is_written_in(
    tmp_path: Path, locale: str, spoken: str
) -> None:
    letters = overridden(tmp_path, ask__ar__body_mjml='{% extends "builtin/ask/body.mjml" %}')

    html = letters.letter("ask", MAIL, locale).html

    assert f"<html {spoken}" in html
    assert ("direction:ltr" in html) is ("ltr" in spoken)


HEAD, TAIL = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>\n",
    "</mj-text></mj-column></mj-section>",
)
MISTAKES = {
    "unknown word custmer, did you mean customer": ("txt", "Hi\n{{ custmer }}"),
    "unknown word zzz": ("txt", "Hi\n{{ zzz }}"),
    "unknown word urll, did you mean url": (
        "txt",
        "{% for s in scores %}\n{{ s.urll }}{% endfor %}",
    ),
    "unknown word range": ("txt", "\n{{ range(3) }}"),
    "Expected an expression": ("txt", "\n{% if %}"),
    "division by zero": ("txt", "\n{{ 1 / 0 }}"),
    "there is no template nope.txt": ("txt", '\n{% include "nope.txt" %}'),
    "MJML has no tag <mj-txet>, did you mean mj-text": ("mjml", "<mjml><mj-body>\n<mj-txet />"),
    "unknown word ownr, did you mean owner": (
        "mjml",
        f"{HEAD}{{{{ ownr }}}}{TAIL}</mj-body></mjml>",
    ),
}


@pytest.mark.parametrize("told", MISTAKES)
def test_a_mistake_is_told_by_file_line_and_word(tmp_path: Path, told: str) -> None:
    ending, text = MISTAKES[told]
    letters = overridden(tmp_path, **{f"ask__body_{ending}": text})

    with pytest.raises(BadTemplate, match=re.escape(f"ask/body.{ending}:2: {told}")):
        letters.letter("ask", MAIL)


@pytest.mark.parametrize(
    "text, told",
    [
        ("<mjml><mj-body>", "ask/body.mjml: this is not MJML"),
        ("<mjml><mj-include path='nope' /></mjml>", "there is no template nope"),
    ],
)
def test_a_mistake_that_has_no_line_is_told_by_file(tmp_path: Path, text: str, told: str) -> None:
    letters = overridden(tmp_path, ask__body_mjml=text)

    with pytest.raises(BadTemplate, match=re.escape(told)):
        letters.letter("ask", MAIL)


def test_a_mistake_in_an_included_file_is_told_of_that_file(tmp_path: Path) -> None:
    letters = overridden(
        tmp_path, ask__body_txt='{% include "ask/more.txt" %}', ask__more_txt="\n\n{{ ownr }}"
    )

    with pytest.raises(
        BadTemplate, match=re.escape("more.txt:3: unknown word ownr, did you mean owner")
    ):
        letters.letter("ask", MAIL)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ customer.__class__.__mro__ }}",
        "{{ customer.upper() }}",
        "{{ customer.format(1) }}",
        "{{ scores.append(1) }}",
        "{{ scores[0].keys() }}",
        "{{ scores | attr('append') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ '%s' | attr('format') }}",
        "{% set x = customer.upper %}{{ x() }}",
    ],
)
def test_a_template_reaches_nothing_but_its_words(tmp_path: Path, text: str) -> None:
    letters = overridden(tmp_path, ask__body_txt=text)

    with pytest.raises(BadTemplate):
        letters.letter("ask", MAIL)


def test_a_mail_that_nobody_wrote_is_a_mistake() -> None:
    letters = Letters(builtin=BUILTIN)

    with pytest.raises(BadTemplate, match=re.escape("nope/subject.txt: there is no such template")):
        letters.letter("nope", MAIL)
