"""What people and machines can do on our pages."""

import re
from urllib.parse import urlsplit

import pytest

from loop.app import Purpose
from loop.models import Answer, Effect, Referral, Revision, Signup, Suppression, Survey, Visit
from loop.states import Kind, ReferralState, Stage
from tests.web.conftest import Browser, words_of

BAD_SCORES = ["11", "-1", "9.5", "", "ten", "९", "1e1", "00000000009"]


def test_looking_records_nothing(browser: Browser) -> None:
    """A mail scanner that opens all eleven links has said nothing."""
    path = browser.path(Purpose.ANSWER)

    for score in range(11):
        for method in ("GET", "HEAD"):
            assert browser.get(f"{path}?score={score}", method).status == 200

    assert browser.world.all(Answer) == []
    assert browser.world.only(Survey).stage is Stage.ASKED


def test_the_link_s_score_is_chosen_beforehand(browser: Browser) -> None:
    """Whoever pressed 7 in the mail sees 7 chosen."""
    html = browser.get(browser.path(Purpose.ANSWER) + "?score=7").data.decode()

    [chosen] = [part for part in html.split("<input") if " checked" in part.split(">")[0]]
    assert 'value="7"' in chosen


def test_a_press_counts_and_is_thanked(browser: Browser) -> None:
    """The answer is kept before the thank-you."""
    page = browser.post(browser.path(Purpose.ANSWER), score=9, comment="Lovely <b>people</b>")

    assert page.status == 200
    assert "thank" in words_of(page.data).lower()
    answer = browser.world.only(Answer)
    assert (answer.score, answer.comment) == (9, "Lovely <b>people</b>")


def test_sending_twice_is_the_same_as_once(browser: Browser) -> None:
    """A double press makes one answer with one revision."""
    for _ in range(2):
        browser.post(browser.path(Purpose.ANSWER), score=4, comment="meh")

    assert len(browser.world.all(Answer)) == 1
    assert len(browser.world.all(Revision)) == 1


def test_a_changed_answer_keeps_what_was_said_before(browser: Browser) -> None:
    """The newest counts, every revision stays."""
    browser.post(browser.path(Purpose.ANSWER), score=4, comment="meh")
    browser.world.clock.forward(days=2)
    browser.post(browser.path(Purpose.ANSWER), score=8, comment="better")

    assert browser.world.only(Answer).score == 8
    assert sorted(revision.score for revision in browser.world.all(Revision)) == [4, 8]


def test_an_answer_stands_after_two_weeks(browser: Browser) -> None:
    """The time to change one's mind is over, and the page says no more than for any old link."""
    browser.post(browser.path(Purpose.ANSWER), score=4)
    browser.world.clock.forward(days=14, seconds=1)

    page = browser.post(browser.path(Purpose.ANSWER), score=10)

    assert page.status == 404
    assert browser.world.only(Answer).score == 4


@pytest.mark.parametrize("score", BAD_SCORES)
def test_what_is_no_score_is_refused_and_the_comment_is_not_lost(
    browser: Browser, score: str
) -> None:
    """Nothing is clamped; the words they wrote are still in the form."""
    page = browser.post(browser.path(Purpose.ANSWER), score=score, comment="my words")

    assert page.status == 422
    assert "my words" in page.data.decode()
    assert 'role="alert"' in page.data.decode()
    assert browser.world.all(Answer) == []


def test_unknown_and_expired_links_look_the_same(browser: Browser) -> None:
    """Nobody learns which links exist."""
    path = browser.path(Purpose.ANSWER)
    unknown = browser.get("/a/AAAAAAAAAAAAAAAAAAAAAA")
    browser.world.clock.forward(days=61)
    expired = browser.get(path)

    assert (unknown.status, unknown.data) == (expired.status, expired.data)
    assert unknown.status == 404


def test_a_link_serves_its_own_purpose_only(browser: Browser) -> None:
    """The token of the answer page opens no unsubscribe page, and the other way round."""
    answer, leave = browser.path(Purpose.ANSWER), browser.path(Purpose.LEAVE)

    assert browser.get("/l/" + answer.removeprefix("/a/")).status == 404
    assert browser.get("/a/" + leave.removeprefix("/l/")).status == 404


def test_one_click_unsubscribes_in_both_wire_forms(browser: Browser) -> None:
    """RFC 8058: urlencoded or multipart, no page to read."""
    path = browser.path(Purpose.LEAVE)
    part = b'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click'
    for body, kind in (
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"--x\r\n" + part + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    ):
        answer = browser.pool.request(
            "POST", browser.url + path, body=body, headers={"Content-Type": kind}
        )
        assert answer.status == 200

    assert browser.world.only(Suppression).reason == "unsubscribed"
    assert browser.world.only(Survey).stage is Stage.UNSUBSCRIBED


def test_looking_at_the_unsubscribe_page_unsubscribes_nobody(browser: Browser) -> None:
    """A scanner that opens the link has done nothing."""
    for method in ("GET", "HEAD"):
        assert browser.get(browser.path(Purpose.LEAVE), method).status == 200

    assert browser.world.all(Suppression) == []


def test_an_unsubscribe_can_be_undone(browser: Browser) -> None:
    """Whoever pressed by mistake presses again."""
    path = browser.path(Purpose.LEAVE)
    browser.post(path, do="unsubscribe")
    browser.post(path, do="undo")

    assert browser.world.all(Suppression) == []
    assert browser.world.only(Survey).stage is Stage.ASKED


def test_a_task_links_to_the_answer_and_what_was_said_before(browser: Browser) -> None:
    """The page names nobody, and its link is not to be guessed."""
    browser.post(browser.path(Purpose.ANSWER), score=3, comment="<b>late</b>")
    browser.world.clock.forward(days=1)
    browser.post(browser.path(Purpose.ANSWER), score=4, comment="late again")
    browser.world.deliver()
    [task] = browser.world.crm.state.tasks.values()
    path = urlsplit(re.findall(r"http\S+/s/\S+", task.body)[0]).path

    words = words_of(browser.get(path).data)
    assert "4 of 10, a detractor" in words
    assert "late again" in words
    assert "<b>late</b>" in words
    assert "Archer" not in words
    assert browser.get(path[:-1] + ("A" if path[-1] != "A" else "B")).status == 404


def invite(browser: Browser) -> str:
    """Make the person a promoter and return the path of their own link."""
    browser.post(browser.path(Purpose.ANSWER), score=10)
    browser.world.deliver()
    return browser.path(Purpose.REFER)


def test_a_friend_signs_up_and_becomes_a_lead(browser: Browser) -> None:
    """The lead names its promoter and carries the consent's words."""
    path = invite(browser)

    assert "Ann" in words_of(browser.get(path).data)
    page = browser.post(
        path,
        first_name="Fred",
        last_name="O'Friend",
        email="fred@friend.example",
        consent="yes",
    )
    browser.world.deliver()

    assert page.status == 200
    assert browser.world.only(Referral).state is ReferralState.JOINED
    [lead] = browser.world.crm.state.leads.values()
    assert (lead.last_name, lead.promoter_name) == ("O'Friend", "Ann Archer")
    assert "I can take this back" in lead.consent
    assert len(browser.world.all(Visit)) == 1


def test_the_same_friend_twice_is_one_lead(browser: Browser) -> None:
    """A second press of the form makes no second sign-up."""
    path = invite(browser)
    friend = {"first_name": "Fred", "last_name": "F", "consent": "yes"}
    for email in ("fred@friend.example", " FRED@friend.example"):
        browser.post(path, email=email, **friend)

    assert len(browser.world.all(Signup)) == 1
    leads = [effect for effect in browser.world.all(Effect) if effect.kind is Kind.LEAD]
    assert len(leads) == 1


@pytest.mark.parametrize(
    "wrong", [{"email": "no"}, {"consent": ""}, {"first_name": " "}, {"last_name": "x" * 101}]
)
def test_a_friend_s_form_says_what_is_missing(browser: Browser, wrong: dict[str, str]) -> None:
    """Nothing is kept, and what was right is still filled in."""
    path = invite(browser)
    right = {"first_name": "F", "last_name": "F", "email": "f@friend.example", "consent": "yes"}

    page = browser.post(path, **(right | wrong))

    assert page.status == 422
    assert browser.world.all(Signup) == []


def test_every_page_has_the_headers_that_protect_people(browser: Browser) -> None:
    """No referrer, no cache, no search engine, no foreign script."""
    for path in (browser.path(Purpose.ANSWER), browser.path(Purpose.LEAVE), "/", "/nowhere"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "noindex" in headers["x-robots-tag"]
        assert headers["cache-control"] == "no-store"


def test_a_form_that_is_too_large_is_refused(browser: Browser) -> None:
    """A megabyte is no comment."""
    page = browser.post(browser.path(Purpose.ANSWER), score=1, comment="x" * 1_000_000)

    assert page.status == 413
    assert browser.world.all(Answer) == []


def test_a_long_comment_is_refused_with_its_words_kept(browser: Browser) -> None:
    """5,001 characters are one too many; 5,000 are kept."""
    page = browser.post(browser.path(Purpose.ANSWER), score=1, comment="y" * 5001)
    assert page.status == 422

    browser.post(browser.path(Purpose.ANSWER), score=1, comment="y" * 5000)
    assert len(browser.world.only(Answer).comment) == 5000


def test_an_unsigned_webhook_changes_nothing(browser: Browser) -> None:
    """What is not the provider's is refused."""
    answer = browser.pool.request("POST", browser.url + "/hooks/mail", body=b"not json")
    assert answer.status == 403
