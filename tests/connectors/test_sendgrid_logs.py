"""SendGrid's Email Logs tell what became of a doubtful mail."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import ConnectorError, Refused, Unauthorized, Unavailable
from connectors.ports import Mail, Sought
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sendgrid import SendGrid, SendGridConfig
from tests.stage import Stage, built


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def sandbox() -> Iterator[SendGridSandbox]:
    with SendGridSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def address(stage: Stage, sandbox: SendGridSandbox) -> Iterator[str]:
    with stage.playing(sandbox.application) as address:
        yield address


@pytest.fixture
def mailer(sandbox: SendGridSandbox, address: str) -> Iterator[SendGrid]:
    mailer = speaking(sandbox, address, look_ups_per_minute=60)
    yield mailer
    mailer.close()


def speaking(sandbox: SendGridSandbox, address: str, **changes: object) -> SendGrid:
    fields = {"api_key": sandbox.api_key, "origin": address, **changes}
    return SendGrid(SendGridConfig.model_validate(fields))


def send(mailer: SendGrid, *keys: str, to: str = "ann@example.com") -> None:
    mailer.send(
        [
            Mail(
                key=key,
                to=to,
                sender="feedback@example.com",
                subject="How likely?",
                text="0 to 10",
                html="<p>0 to 10</p>",
            )
            for key in keys
        ]
    )


def sought(key: str, to: str = "ann@example.com", *, ago_s: float = 60.0) -> Sought:
    until = datetime.now(UTC) - timedelta(seconds=ago_s - 60.0)
    return Sought(key=key, to=[to], since=until - timedelta(seconds=60.0), until=until)


def test_a_mail_of_another_time_is_not_the_one(mailer: SendGrid) -> None:
    send(mailer, "m-1")

    assert mailer.look_up([sought("m-1", ago_s=3_600)]) == {"m-1": False}


def test_the_clocks_may_differ_a_little(mailer: SendGrid) -> None:
    send(mailer, "m-1")

    assert mailer.look_up([sought("m-1", ago_s=240)]) == {"m-1": True}


def test_logs_that_come_late_prove_nothing(mailer: SendGrid, sandbox: SendGridSandbox) -> None:
    send(mailer, "m-1")
    sandbox.state.logs_late_s = 60.0

    assert mailer.look_up([sought("m-1")]) == {"m-1": False}


def test_a_message_is_read_once(mailer: SendGrid, sandbox: SendGridSandbox) -> None:
    """The budget is small, and what a message holds stays."""
    send(mailer, "m-1", "m-2", "m-3")
    mailer.look_up([sought("m-9")])
    sandbox.faults.add(Fault(kind=Kind.STATUS, status=500, path="/v3/logs/"))

    assert mailer.look_up([sought("m-3"), sought("m-1")]) == {"m-3": True, "m-1": True}


def test_what_the_budget_does_not_reach_is_left_out(sandbox: SendGridSandbox, address: str) -> None:
    mailer = speaking(sandbox, address, look_ups_per_minute=4)
    send(mailer, "m-1", to="a1@example.com")
    send(mailer, "m-2", to="a2@example.com")
    send(mailer, "m-3", to="a3@example.com")

    found = mailer.look_up([sought(f"m-{n}", f"a{n}@example.com") for n in (1, 2, 3)])

    assert found == {"m-1": True, "m-2": True}
    with pytest.raises(Unavailable):
        mailer.look_up([sought("m-3", "a3@example.com")])
    mailer.close()


def test_a_429_stops_the_look_ups_and_no_mail(mailer: SendGrid, sandbox: SendGridSandbox) -> None:
    sandbox.state.look_ups_per_minute = 1
    send(mailer, "m-1")

    with pytest.raises(Unavailable):
        mailer.look_up([sought("m-1")])
    sandbox.state.look_ups_per_minute = None
    with pytest.raises(Unavailable, match="asked us to wait"):
        mailer.look_up([sought("m-1")])
    send(mailer, "m-2")

    assert [mail.custom_args["npsloop_key"] for mail in sandbox.state.inbox] == ["m-1", "m-2"]


@pytest.mark.parametrize("address_in_query", ['ann"@example.com', "ann\\@example.com", ""])
def test_an_address_that_would_change_the_query_is_not_asked_for(
    mailer: SendGrid, sandbox: SendGridSandbox, address_in_query: str
) -> None:
    sandbox.state.may_read_logs = False

    assert mailer.look_up([sought("m-1", address_in_query)]) == {"m-1": False}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"messages": 5}',
        b'{"messages": [5, {"sg_message_id": 7}]}',
        b'{"messages": [{"sg_message_id": "x"}], "custom_args": 3, "events": [{}, 5]}',
    ],
)
def test_an_answer_of_another_shape_is_no_proof(
    mailer: SendGrid, sandbox: SendGridSandbox, body: bytes
) -> None:
    sandbox.faults.add(Fault(kind=Kind.STATUS, status=200, body=body))

    assert mailer.look_up([sought("m-1")]) == {"m-1": False}


def test_a_key_that_stands_in_an_event_alone_counts(
    mailer: SendGrid, sandbox: SendGridSandbox
) -> None:
    body = b"""{"messages": [{"sg_message_id": "x/y"}],
               "events": [{"event": "processed", "custom_args": {"npsloop_key": "m-1"}}]}"""
    sandbox.faults.add(Fault(kind=Kind.STATUS, status=200, body=body))

    assert mailer.look_up([sought("m-1")]) == {"m-1": True}


@pytest.mark.parametrize(
    "status,error",
    [(401, Unauthorized), (403, Unauthorized), (400, Refused), (500, Unavailable)],
)
def test_a_failure_says_what_to_do_and_names_nobody(
    mailer: SendGrid, sandbox: SendGridSandbox, status: int, error: type[ConnectorError]
) -> None:
    body = b'{"errors": [{"message": "to_email = \\"ann@example.com\\""}]}'
    sandbox.faults.add(Fault(kind=Kind.STATUS, status=status, body=body))

    with pytest.raises(error) as caught:
        mailer.look_up([sought("m-1")])

    assert "ann@example.com" not in str(caught.value)
