"""What `npsloop preview` promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Desk

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name,says", [("ask", "How likely"), ("refer", "/r/"), ("thank", "8")])
def test_every_mail_can_be_looked_at(desk: Desk, tmp_path: Path, name: str, says: str) -> None:
    out = tmp_path / "mail.html"

    told = desk.told("preview", "mail", name, "--out", str(out))

    assert told["file"] == str(out)
    assert "Ann" in told["text"]
    assert says in out.read_text()
    assert told["sender_name"] == "Beth Moore"


@pytest.mark.parametrize(
    "name",
    ["survey", "thanks", "unsubscribe", "unsubscribed", "referral", "gone", "index"],
)
def test_every_page_is_one_file(desk: Desk, tmp_path: Path, name: str) -> None:
    out = tmp_path / "page.html"

    done = desk.run("preview", "page", name, "--out", str(out))

    assert done.stdout == f"{out}\n"
    html = out.read_text()
    assert "<h1" in html
    assert "<style>" in html
    assert 'rel="stylesheet"' not in html


def test_a_score_is_chosen_beforehand(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "page.html"

    desk.run("preview", "page", "survey", "--score", "3", "--out", str(out))

    assert 'value="3"' in out.read_text().partition(" checked")[0][-200:]


def test_a_detractor_is_thanked_in_their_own_words(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "page.html"

    desk.run("preview", "page", "thanks", "--score", "0", "--out", str(out))

    assert "sorry" in out.read_text()


def test_a_real_customer_gets_their_own_mail(ann: Desk, tmp_path: Path) -> None:
    before = ann.dump()
    out = tmp_path / "mail.txt"

    told = ann.told("preview", "mail", "--customer", "ann@acme.example", "--out", str(out))

    assert told["sender_name"] == "Olga Ownerly"
    assert "the Example" in out.read_text()
    assert ann.dump() == before


def test_one_who_may_not_be_asked_can_be_looked_at_all_the_same(ann: Desk, tmp_path: Path) -> None:
    ann.world.add("c1", "no address", account_id="a1", owner_id="o1", opted_out=True)
    ann.world.pull()

    out = str(tmp_path / "mail.html")

    done = ann.run("preview", "mail", "--customer", "memory_crm:c1", "--out", out)

    assert done.exit_code == 0


def test_the_links_of_a_preview_open_nothing(ann: Desk, tmp_path: Path) -> None:
    out = str(tmp_path / "mail.html")
    told = ann.told("preview", "mail", "--customer", "ann@acme.example", "--out", out)
    ann.world.ask()

    token = told["text"].partition("/a/")[2].partition("\n")[0].strip()
    assert token
    assert token not in ann.world.mailer.sent[0].text


def test_a_language_of_the_operators_own_is_shown(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "ask" / "de"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ customer }}, eine Frage")
    desk.path.write_text(f"{desk.path.read_text()}templates: templates\n")

    told = desk.told("preview", "mail", "ask", "--locale", "de-AT")

    assert told["subject"] == "Ann, eine Frage"


def test_a_mistake_in_a_template_is_told_by_file_and_line(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "pages"
    folder.mkdir(parents=True)
    (folder / "survey.html").write_text("\n{{ custmer }}")
    desk.path.write_text(f"{desk.path.read_text()}templates: templates\n")

    done = desk.run("preview", "page", "survey")

    assert done.exit_code == 1
    assert "survey.html:2: unknown word custmer" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "words,code",
    [
        (["mail", "aks"], 2),
        (["page", "survy"], 2),
        (["mail", "ask", "--program", "relation"], 2),
        (["mail", "ask", "--score", "11"], 2),
        (["mail", "ask", "--customer", "nobody@acme.example"], 1),
        (["mail", "refer", "--score", "3"], 1),
        (["page", "referral", "--score", "3"], 1),
        (["page", "survey", "--out", "/no/such/page.html"], 1),
    ],
)
def test_what_cannot_be_shown_is_told_in_words(desk: Desk, words: list[str], code: int) -> None:
    done = desk.run("preview", *words)

    assert done.exit_code == code
    assert done.stderr
    assert "Traceback" not in done.output


def test_a_browser_is_opened_on_the_file(desk: Desk, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    command = [sys.executable, "-m", "loop.cli", "preview", "page", "--open", "-c", str(desk.path)]
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    browser.chmod(0o755)

    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert seen.read_text() == Path(done.stdout.strip()).as_uri()
