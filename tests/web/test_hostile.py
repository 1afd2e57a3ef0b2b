"""What the worst of visitors, and the worst of days, can do to our pages."""

import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from loop import store as store_module
from loop.answer import Given, Taken
from loop.app import Purpose
from loop.models import Answer, Revision, Signup, Suppression, Survey
from loop.store import Store
from loop.web.intake import Intake
from tests.web.conftest import FORM, Browser

PATHS = ("/a/{}", "/a/{}/thanks", "/l/{}", "/r/{}", "/s/{}/x", "/s/x/{}", "/{}", "/static/{}")
TOKENS = (
    "%00",
    "A" * 22 + "%00",
    "%ff%fe",
    "%ED%A0%80",
    "%",
    "%zz",
    "..%2f..%2fetc%2fpasswd",
    "'%20OR%201=1--",
    "%E2%80%AE%F0%9F%98%80",
    "A" * 4000,
    "%7B%7B7*7%7D%7D",
    "%0d%0aSet-Cookie:%20a=b",
)
FRIEND = {"last_name": "F", "email": "fred@friend.example", "consent": "yes"}


def line_to(browser: Browser) -> socket.socket:
    """Connect."""
    at = urlsplit(browser.url)
    return socket.create_connection((at.hostname, at.port), timeout=10)


def raw(browser: Browser, request: bytes) -> bytes:
    """Send bytes as they are, and give what comes back until the server hangs up."""
    with line_to(browser) as line:
        came = b""
        with suppress(ConnectionResetError):  # it does not read on what it has refused
            line.sendall(request)
            while part := line.recv(65536):
                came += part
    return came


def status(reply: bytes) -> int:
    """Return the status of a reply, 0 where there was none."""
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/") else 0


@pytest.mark.parametrize("token", TOKENS)
def test_no_token_is_met_with_a_fault_of_ours(browser: Browser, token: str) -> None:
    """A wrong link is wrong: the page for it, or the server's own refusal."""
    for path in PATHS:
        for method in ("GET", "HEAD", "POST"):
            line = f"{method} {path.format(token)} HTTP/1.1\r\nHost: x\r\n"
            reply = raw(browser, f"{line}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            assert status(reply) in {400, 404, 405, 414, 431}, (method, path, reply[:200])
            assert b"\nSet-Cookie" not in reply


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(browser: Browser, method: str) -> None:
    """A page is looked at or posted to."""
    token = browser.path(Purpose.ANSWER)
    for path in (token, browser.path(Purpose.LEAVE), "/hooks/mail", "/", "/static/style.css"):
        assert browser.get(path, method).status == 405


def test_every_page_answers_head(browser: Browser) -> None:
    """As RFC 9110 has it: like GET, without the words."""
    answer, leave = browser.path(Purpose.ANSWER), browser.path(Purpose.LEAVE)
    for path in ("/", answer, leave, "/healthz", "/static/style.css", "/static/brand.css"):
        page, head = browser.get(path), browser.get(path, "HEAD")
        assert (head.status, head.data) == (200, b"")
        assert head.headers["content-length"] == page.headers["content-length"]


def test_a_query_and_headers_of_any_size_and_kind_do_no_harm(browser: Browser) -> None:
    """Bad percent-encodings, bytes that are no UTF-8, a header of 60 kB."""
    path = browser.path(Purpose.ANSWER)
    for query in ("score=%ff", "score=%00", "score=5&score=x", "%zz=%", "score=" + "9" * 3000):
        assert browser.get(f"{path}?{query}").status == 200
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    for extra in (b"Cookie: " + b"x" * 60_000, b"X-Odd: \xff\xfe\x80", b"Accept-Language: \xe9"):
        assert status(raw(browser, head + extra + b"\r\n\r\n")) in {200, 400, 431}


WORDS = {
    "NUL": (b"a%00b", "a\ufffdb"),
    "no UTF-8": (b"caf%e9", "caf\ufffd"),
    "half a character": (b"%ED%A0%80x", "\ufffd\ufffd\ufffdx"),
    "right to left": ("\u202egnp.exe".encode(), "\u202egnp.exe"),
    "markup": (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    "a bad percent": (b"100%", "100%"),
}


@pytest.mark.parametrize("words", WORDS)
def test_any_comment_is_kept_and_shown_harmlessly(browser: Browser, words: str) -> None:
    """As it was written, less what no database keeps."""
    sent, kept = WORDS[words]
    path = browser.path(Purpose.ANSWER)
    reply = browser.pool.request(
        "POST", browser.url + path, body=b"score=3&comment=" + sent, headers=FORM, redirect=False
    )

    assert reply.status == 303
    assert browser.world.only(Answer).comment == kept
    assert b"<script>alert" not in browser.get(path).data


def post_raw(browser: Browser, path: str, kind: str, body: bytes) -> int:
    """Post a body of some kind."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nConnection: close\r\n"
    return status(raw(browser, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body))


PART = b'--x\r\nContent-Disposition: form-data; name="score"\r\n\r\n5\r\n'
BOMBS = {
    "no boundary": ("multipart/form-data", b"score=5"),
    "no end": ("multipart/form-data; boundary=x", PART),
    "no such boundary": ("multipart/form-data; boundary=y", PART),
    "no head": ("multipart/form-data; boundary=x", b"--x\r\n\r\n5\r\n--x--\r\n"),
    "a head of rubbish": ("multipart/form-data; boundary=x", b"--x\r\n\x00\xff:\r\n\r\n5\r\n--x--"),
    "thousands of parts": ("multipart/form-data; boundary=x", PART * 900 + b"--x--\r\n"),
    "thousands of fields": ("application/x-www-form-urlencoded", b"a=&" * 20_000),
    "a file": (
        "multipart/form-data; boundary=x",
        PART.replace(b'"score"', b'"score"; filename="a.exe"') + b"--x--\r\n",
    ),
    "a boundary of rubbish": ('multipart/form-data; boundary="\xff;"', PART),
    "another kind": ("application/json", b'{"score": 5}'),
    "no kind": ("", b"\x00\xff\xfe" * 100),
    "larger than allowed": ("multipart/form-data; boundary=x", PART * 3000 + b"--x--\r\n"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_form_is_met_with_a_fault_of_ours(browser: Browser, bomb: str) -> None:
    """Broken, endless or foreign forms are refused, and nothing is kept."""
    kind, body = BOMBS[bomb]
    found = post_raw(browser, browser.path(Purpose.ANSWER), kind, body)

    assert found in {303, 400, 413, 422}, found
    assert (found == 303) == (len(browser.world.all(Answer)) == 1)


def test_a_visitor_who_hangs_up_in_the_middle_leaves_nothing(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a form is no answer, and no mistake of ours."""
    path = browser.path(Purpose.ANSWER)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    with line_to(browser) as line:
        line.sendall(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\nscore=5".encode())

    assert browser.get("/healthz").status == 200
    assert browser.world.all(Answer) == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_friend_s_name_with_nul_is_kept_without_it(browser: Browser) -> None:
    """PostgreSQL takes no NUL; the friend still signs up."""
    browser.post(browser.path(Purpose.ANSWER), score=10)
    page = browser.post(
        browser.path(Purpose.REFER), first_name="Fr\x00ed", company="\x00", **FRIEND
    )

    assert page.status == 200
    assert browser.world.only(Signup).first_name == "Fr\ufffded"


def test_the_same_form_from_many_hands_is_one_answer(browser: Browser) -> None:
    """Twenty presses at once: one answer, one revision, and everybody is thanked."""
    path = browser.path(Purpose.ANSWER)
    with ThreadPoolExecutor(20) as hands:
        pages = list(hands.map(lambda _: browser.post(path, score=8, comment="ok"), range(20)))

    assert {page.status for page in pages} == {200}
    assert len(browser.world.all(Revision)) == 1


def test_different_answers_at_once_end_as_the_newest_revision(browser: Browser) -> None:
    """Whoever came last stands; nobody's words are lost."""
    path = browser.path(Purpose.ANSWER)
    with ThreadPoolExecutor(11) as hands:
        pages = list(hands.map(lambda n: browser.post(path, score=n, comment=f"{n}"), range(11)))

    assert {page.status for page in pages} == {200}
    answer = browser.world.only(Answer)
    said = {(revision.score, revision.comment) for revision in browser.world.all(Revision)}
    assert (answer.score, answer.comment) in said
    assert len(said) == 11


def test_leaving_and_answering_at_once_ends_in_both(browser: Browser) -> None:
    """Neither waits for the other for ever, and neither is lost."""
    answer, leave = browser.path(Purpose.ANSWER), browser.path(Purpose.LEAVE)
    with ThreadPoolExecutor(8) as hands:
        left = [hands.submit(browser.post, leave) for _ in range(8)]
        said = [hands.submit(browser.post, answer, score=n) for n in range(8)]

    assert {one.result().status for one in left + said} == {200}
    assert len(browser.world.all(Suppression)) == 1
    assert len(browser.world.all(Answer)) == 1


@contextmanager
def locked(browser: Browser, seconds: float) -> Iterator[None]:
    """Hold the database, or its surveys, for a while."""
    store, ready, over = browser.world.app.store, threading.Event(), threading.Event()

    def hold() -> None:
        with store.write() as session:
            held = session.connection()
            if not store.lite:
                held.execute(text("LOCK TABLE survey, answer"))
            ready.set()
            over.wait(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait()
    yield
    over.set()
    holder.join()


def test_an_answer_waits_for_a_locked_database(browser: Browser) -> None:
    """It is neither lost nor thanked too early."""
    with locked(browser, 1.0):
        began = time.monotonic()
        page = browser.post(browser.path(Purpose.ANSWER), score=9)
        waited = time.monotonic() - began

    assert page.status == 200
    assert waited > 0.5
    assert browser.world.only(Answer).score == 9


def test_nobody_is_thanked_where_the_database_stays_locked(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked to try again, and it works once it is free."""
    if not browser.world.app.store.lite:
        pytest.skip("PostgreSQL waits for as long as it takes")
    monkeypatch.setattr(Store, "waits_s", (0.01,))
    path = browser.world.app.store.url.database
    assert path is not None
    browser.world.app.store.engine.dispose()
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_MS", 50)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    pages = [browser.post(browser.path(Purpose.ANSWER), score=9)]
    pages.append(browser.post(browser.path(Purpose.LEAVE)))
    holder.execute("ROLLBACK")
    holder.close()

    assert [page.status for page in pages] == [503, 503]
    assert browser.world.all(Answer) == []
    assert browser.post(browser.path(Purpose.ANSWER), score=9).status == 200


def test_an_answer_after_the_intake_stopped_is_told_so(browser: Browser) -> None:
    """Whoever comes too late learns it, and whoever came before is kept."""
    app = browser.world.app
    token = app.keys.token(Purpose.ANSWER, browser.world.only(Survey).id)

    async def late() -> None:
        intake = Intake(app)
        first = asyncio.create_task(intake.keep(Given(token=token, score=9)))
        await asyncio.sleep(0)
        await intake.stop()
        assert isinstance(await first, Taken)
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(intake.keep(Given(token=token, score=1)), 5)

    asyncio.run(late())

    assert browser.world.only(Answer).score == 9
