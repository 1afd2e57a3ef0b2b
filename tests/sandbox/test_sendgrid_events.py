"""The sandbox tells what became of each mail: to the webhook, signed, and on its own pages."""

import base64
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook

from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.transport import Wire
from tests.sandbox.sendgrid_account import Receiver, request
from tests.stage import Stage, built


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture(scope="module")
def other_stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def sandbox(receiver: Receiver, other_stage: Stage) -> Iterator[SendGridSandbox]:
    with (
        other_stage.playing(receiver) as webhook,
        SendGridSandbox(seed=7, webhook=webhook) as sandbox,
    ):
        yield sandbox


@pytest.fixture
def url(sandbox: SendGridSandbox, stage: Stage) -> Iterator[str]:
    with stage.playing(sandbox.application) as url:
        yield url


@pytest.fixture
def library(sandbox: SendGridSandbox, url: str) -> SendGridAPIClient:
    client = SendGridAPIClient(sandbox.api_key, host=url)
    client.client.timeout = 10
    return client


def test_events_are_signed_as_the_library_checks_it(
    library: SendGridAPIClient, sandbox: SendGridSandbox, receiver: Receiver
) -> None:
    library.send(request())
    assert sandbox.flush()

    key = load_der_public_key(base64.b64decode(sandbox.public_key))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert receiver.posts
    for headers, body in receiver.posts:
        signature = headers["x-twilio-email-event-webhook-signature"]
        timestamp = headers["x-twilio-email-event-webhook-timestamp"]
        assert EventWebhook(sandbox.public_key).verify_signature(
            body.decode(), signature, timestamp
        )
        key.verify(base64.b64decode(signature), timestamp.encode() + body, ec.ECDSA(SHA256()))
        assert body.startswith(b"[{")
        assert body.endswith(b"}]\r\n")
        assert not set(b"<>&") & set(body)


def test_custom_arguments_stand_in_the_event_and_never_in_place_of_its_own_fields(
    library: SendGridAPIClient, sandbox: SendGridSandbox, receiver: Receiver
) -> None:
    args = {"npsloop_key": "m<1>", "event": "click", "email": "eve@example.com"}
    library.send(
        request(personalizations=[{"to": [{"email": "ann@example.com"}], "custom_args": args}])
    )
    sandbox.flush()

    event = receiver.events()[0]
    assert event["npsloop_key"] == "m<1>"
    assert (event["event"], event["email"]) == ("processed", "ann@example.com")
    assert event["sg_message_id"].startswith(sandbox.state.inbox[0].id + ".")


def test_what_readers_do_is_told(
    library: SendGridAPIClient, sandbox: SendGridSandbox, receiver: Receiver
) -> None:
    library.send(request())
    [mail] = sandbox.state.inbox
    sandbox.state.open(mail, by_machine=True)
    sandbox.state.click(mail, "https://nps.example/s/1")
    sandbox.state.unsubscribe(mail)
    sandbox.state.complain(mail)
    library.send(request())
    sandbox.flush()

    told = {event["event"]: event for event in receiver.events()}
    assert set(told) == {
        "processed", "delivered", "open", "click", "unsubscribe", "spamreport", "dropped"
    }  # fmt: skip
    assert told["open"]["sg_machine_open"]
    assert told["click"]["url"] == "https://nps.example/s/1"
    assert told["dropped"]["reason"] == "Spam Reporting Address"


def test_some_events_come_twice_or_late_and_none_is_lost(
    sandbox: SendGridSandbox, receiver: Receiver
) -> None:
    for n in range(300):
        sandbox.state.accept(request(f"c{n}@example.com"))
    assert sandbox.flush()

    told = [(event["email"], event["event"]) for event in receiver.events()]
    ids = [event["sg_event_id"] for event in receiver.events()]
    assert set(told) == {
        (f"c{n}@example.com", name) for n in range(300) for name in ("processed", "delivered")
    }
    assert 600 < len(told) < 700
    assert len(set(told)) < len(set(ids)) < len(ids)
    firsts = [told.index((f"c{n}@example.com", "processed")) for n in range(300)]
    assert any(after < first for first, after in pairwise(firsts))


def test_a_receiver_that_is_down_gets_its_events_later(
    sandbox: SendGridSandbox, receiver: Receiver
) -> None:
    receiver.down = True
    sandbox.state.accept(request())
    assert not sandbox.flush(timeout_s=0.5)
    receiver.down = False

    assert sandbox.flush()
    assert receiver.turned_away >= 1
    assert {event["event"] for event in receiver.events()} >= {"processed", "delivered"}


def test_without_a_webhook_events_are_lost_and_nothing_waits() -> None:
    with SendGridSandbox() as sandbox:
        sandbox.state.accept(request())

        assert sandbox.flush(timeout_s=0.1)
        assert sandbox.state.counts()["delivered"] == 1


def test_closing_waits_for_nobody() -> None:
    others = set(threading.enumerate())
    sandbox = SendGridSandbox(webhook="http://127.0.0.1:9/events")
    sandbox.state.accept(request())
    begun = time.monotonic()

    sandbox.close()

    assert time.monotonic() - begun < 2
    left = set(threading.enumerate()) - others
    assert "webhook" not in {thread.name for thread in left}


def test_the_same_seed_gives_the_same_ids() -> None:
    ids = []
    for _ in range(2):
        with SendGridSandbox(seed=3) as sandbox:
            ids.append((sandbox.api_key, sandbox.state.accept(request())))

    assert ids[0] == ids[1]


def test_it_breaks_on_demand(library: SendGridAPIClient, sandbox: SendGridSandbox) -> None:
    body = b'{"errors": [{"message": "try later", "field": null, "help": null}]}'
    sandbox.faults.add(Fault(kind=Kind.LIED, status=500, body=body, times=1))

    with pytest.raises(HTTPError, match="500"):
        library.send(request())

    assert len(sandbox.state.inbox) == 1
    assert library.send(request()).status_code == 202


# Pages

HOSTILE = "<script>alert(1)</script>\"'&"


def test_the_outbox_shows_each_mail(url: str, sandbox: SendGridSandbox) -> None:
    empty = Wire("t").request("GET", url).data.decode()
    sandbox.state.accept(request(subject="How likely?"))
    shown = Wire("t").request("GET", url).data.decode()

    assert "No mail yet." in empty
    assert "How likely?" in shown
    assert 'href="/mail/1"' in shown


def test_any_text_is_harmless_on_the_pages(url: str, sandbox: SendGridSandbox) -> None:
    sandbox.state.accept(
        request(
            subject=HOSTILE,
            content=[
                {"type": "text/plain", "value": HOSTILE},
                {"type": "text/html", "value": HOSTILE},
            ],
            personalizations=[
                {
                    "to": [{"email": "ann@example.com", "name": HOSTILE}],
                    "headers": {"X-A": HOSTILE},
                    "custom_args": {HOSTILE: HOSTILE},
                }
            ],
        )
    )
    outbox, mail = (Wire("t").request("GET", url + path) for path in ("/", "/mail/1"))
    html = Wire("t").request("GET", f"{url}/mail/1/html")

    for page in (outbox, mail):
        assert "<script" not in page.data.decode()
        assert "script-src" not in page.headers["Content-Security-Policy"]
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert html.data.decode() == HOSTILE
    assert "sandbox" in html.headers["Content-Security-Policy"]
    assert "allow-scripts" not in html.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/mail/0", "/mail/1", "/mail/9/html"])
def test_a_mail_that_is_not_there_is_told(url: str, path: str) -> None:
    assert Wire("t").request("GET", url + path).status == 404
