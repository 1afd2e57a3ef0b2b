"""The sandbox takes mail as strictly as SendGrid, and the unmodified library does not notice."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from python_http_client.exceptions import ForbiddenError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail as LibraryMail

from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.transport import Wire
from tests.sandbox.sendgrid_account import objection, request
from tests.stage import Stage, built


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def sandbox() -> Iterator[SendGridSandbox]:
    with SendGridSandbox(seed=7) as sandbox:
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


# Taking mail


def test_the_librarys_own_mail_is_accepted(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    answer = library.send(
        LibraryMail("feedback@example.com", "ann@example.com", "Hello", "text", "<p>html</p>")
    )

    [mail] = sandbox.state.inbox
    assert (answer.status_code, answer.body) == (202, b"")
    assert answer.headers["X-Message-Id"] == mail.id
    assert (mail.to, mail.sender, mail.subject) == (
        "ann@example.com",
        "feedback@example.com",
        "Hello",
    )
    assert (mail.text, mail.html) == ("text", "<p>html</p>")


def test_in_sandbox_mode_a_mail_is_found_valid_and_goes_nowhere(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    answer = library.send(request(mail_settings={"sandbox_mode": {"enable": True}}))

    assert answer.status_code == 200
    assert sandbox.state.inbox == []


@pytest.mark.parametrize("key", ["SG.not.ours", ""])
def test_another_key_opens_nothing(url: str, key: str) -> None:
    with pytest.raises(UnauthorizedError):
        SendGridAPIClient(key or " ", host=url).send(request())


def test_a_key_without_the_right_may_not_send(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    sandbox.state.api_keys[sandbox.api_key] = ("user.account.read",)

    with pytest.raises(ForbiddenError):
        library.send(request())


def test_a_sender_must_be_verified(library: SendGridAPIClient, sandbox: SendGridSandbox) -> None:
    sandbox.state.verified = {"ok@example.com", "firm.example"}

    library.send(request(**{"from": {"email": "ok@example.com"}}))
    library.send(request(**{"from": {"email": "any@mail.firm.example"}}))
    with pytest.raises(ForbiddenError) as caught:
        library.send(request(**{"from": {"email": "other@example.com"}}))

    assert orjson.loads(caught.value.body)["errors"][0]["field"] == "from"


@pytest.mark.parametrize(
    "changes,field",
    [
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "a\r\nBcc: eve@example.com"}, "subject"),
        ({"content": None}, "content"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        (
            {
                "content": [
                    {"type": "text/html", "value": "a"},
                    {"type": "text/plain", "value": "b"},
                ]
            },
            "content",
        ),
        ({"from": None}, "from.email"),
        ({"from": {"email": "no address"}}, "from.email"),
        ({"from": {"email": "änne@example.com"}}, "from.email"),
        ({"reply_to": {"email": "x"}}, "reply_to.email"),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{}]}, "personalizations.0.to"),
        ({"template": "x"}, "template"),
        ({"custom_args": "text"}, "custom_args"),
        ({"headers": {"To": "eve@example.com"}}, "headers.To"),
        ({"headers": {"X-A": "a\nB: c"}}, "headers"),
        ({"headers": {"X-A": "ä"}}, "headers"),
        ({"headers": "X-A"}, "headers"),
        (
            {"tracking_settings": {"open_tracking": {"enable": "false"}}},
            "tracking_settings.open_tracking.enable",
        ),
        ({"personalizations": "ann"}, None),
        ({"personalizations": [7]}, None),
        ({"from": "ann@example.com"}, None),
    ],
)
def test_what_is_wrong_is_told_by_its_field(
    library: SendGridAPIClient, sandbox: SendGridSandbox, changes: dict[str, Any], field: str
) -> None:
    assert objection(library, request(**changes))["field"] == field
    assert sandbox.state.inbox == []


@pytest.mark.parametrize(
    "address",
    ["", "ann", "ann@", "@example.com", "a@b@c.example", "ann@example", "a b@example.com",
     "ann.@example.com", "a..b@example.com", "änne@example.com", "ann@example.com\n",
     "ann@-x.example", "<ann@example.com>", "a" * 65 + "@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(library: SendGridAPIClient, address: str) -> None:
    told = objection(library, request(address))

    assert told["field"] == "personalizations.0.to.0.email"
    assert told["message"] == "Does not contain a valid address."


@pytest.mark.parametrize(
    "address", ["o'neill+nps@example.com", "a.b-c_d@sub.example.com", "1@example.museum"]
)
def test_what_is_an_address_is_taken(library: SendGridAPIClient, address: str) -> None:
    assert library.send(request(address)).status_code == 202


def test_one_bad_address_or_one_that_comes_twice_spoils_all(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    good = [{"to": [{"email": f"c{n}@example.com"}]} for n in range(3)]
    twice = [*good, {"to": [{"email": "C1@example.com"}]}]
    bad = [*good, {"to": [{"email": "nobody"}]}]

    assert "more than once" in objection(library, request(personalizations=twice))["message"]
    assert objection(library, request(personalizations=bad))["field"].startswith(
        "personalizations.3"
    )
    assert sandbox.state.inbox == []


def test_a_thousand_mails_go_in_one_request_and_no_more(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    many = [{"to": [{"email": f"c{n}@example.com"}]} for n in range(1001)]

    library.send(request(personalizations=many[:1000]))

    assert "limited to 1000" in objection(library, request(personalizations=many))["message"]
    assert len(sandbox.state.inbox) == 1000
    assert len({mail.id for mail in sandbox.state.inbox}) == 1


def test_a_name_may_hold_no_comma(library: SendGridAPIClient) -> None:
    people = [{"to": [{"email": "ann@example.com", "name": "Able, Ann"}]}]

    assert objection(library, request(personalizations=people))["field"].endswith("to.0.name")


@pytest.mark.parametrize("args", [{"n": 7}, {"key": "x" * 10_000}], ids=["number", "long"])
def test_custom_arguments_are_short_texts(
    library: SendGridAPIClient, args: dict[str, object]
) -> None:
    people = [{"to": [{"email": "ann@example.com"}], "custom_args": args}]

    assert objection(library, request(personalizations=people))["field"].endswith("custom_args")


def sent(url: str, key: str, body: bytes, **headers: str) -> int:
    all_headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
    return Wire("t").request("POST", f"{url}/v3/mail/send", body=body, headers=all_headers).status


def test_bodies_that_are_none_are_refused(url: str, sandbox: SendGridSandbox) -> None:
    key = sandbox.api_key

    assert sent(url, key, b"{") == 400
    assert sent(url, key, b"[]") == 400
    assert sent(url, key, b"\xff") == 400
    assert sent(url, key, b"x" * (30 * 1024 * 1024 + 1)) == 413
    assert sent(url, key, orjson.dumps(request()), **{"Content-Type": "text/plain"}) == 415
    assert sent(url, key, b"no gzip", **{"Content-Encoding": "gzip"}) == 400
    assert sandbox.state.inbox == []


# Looking up


def test_scopes_senders_and_the_webhooks_key_can_be_seen(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    sandbox.state.verified = {"ok@example.com", "firm.example"}

    scopes = orjson.loads(library.client.scopes.get().body)["scopes"]
    senders = orjson.loads(library.client.verified_senders.get().body)["results"]
    domains = orjson.loads(library.client.whitelabel.domains.get().body)
    sandbox.webhook = "http://127.0.0.1:9/events"
    webhooks = library.client.user.webhooks.event.settings
    [webhook] = orjson.loads(webhooks.all.get().body)["webhooks"]
    key = orjson.loads(webhooks.signed._(webhook["id"]).get().body)["public_key"]

    assert "mail.send" in scopes
    assert [each["from_email"] for each in senders] == ["ok@example.com"]
    assert [each["domain"] for each in domains] == ["firm.example"]
    assert key == webhook["public_key"] == sandbox.public_key


def test_who_bounced_stands_on_a_list_and_gets_no_more(
    library: SendGridAPIClient, sandbox: SendGridSandbox
) -> None:
    library.send(request("bounce.bob@example.com"))
    library.send(request("bounce.bob@example.com"))

    bounces = orjson.loads(library.client.suppression.bounces.get().body)
    one = library.client.suppression.bounces._("bounce.bob@example.com").get()
    nobody = library.client.suppression.bounces._("ann@example.com").get()
    assert [row["email"] for row in bounces] == ["bounce.bob@example.com"]
    assert orjson.loads(one.body) == bounces
    assert orjson.loads(nobody.body) == []
    assert [mail.happened for mail in sandbox.state.inbox] == [["processed", "bounce"], ["dropped"]]
    assert sandbox.state.counts() == {"accepted": 2, "delivered": 0, "bounced": 2}


def test_lists_come_in_pages(library: SendGridAPIClient, sandbox: SendGridSandbox) -> None:
    sandbox.state.suppressed["unsubscribes"] = {f"c{n}@example.com": n for n in range(9)}

    page = library.client.suppression.unsubscribes.get(
        query_params={"limit": "2", "offset": "1", "start_time": "2", "end_time": "6"}
    )

    assert orjson.loads(page.body) == [
        {"email": "c5@example.com", "created": 5},
        {"email": "c4@example.com", "created": 4},
    ]


@pytest.mark.parametrize(
    "path", ["nothing", "v3/nothing", "v3/suppression/nothing", "v3/mail/send"]
)
def test_there_is_nothing_else(url: str, sandbox: SendGridSandbox, path: str) -> None:
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}

    answer = Wire("t").request("GET", f"{url}/{path}", headers=headers)

    assert answer.status in {404, 405}
    assert "errors" in answer.json()
