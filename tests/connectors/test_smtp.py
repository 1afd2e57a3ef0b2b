"""SMTP keeps every promise of a mailer, at a real server on 127.0.0.1."""

import email.policy
import socket
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from connectors.errors import Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Mail
from connectors.smtp import Smtp, SmtpConfig, message_for
from connectors.testing import MailerSuite, Received


class Postmaster:
    """What the server says at each step, and what it took."""

    sender = "feedback@example.com"

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.readers: list[list[str]] = []
        self.connections = 0
        self.mail_says = ""
        self.rcpt_says = ""
        self.data_says = ""
        self.cut_before_answer = 0
        self.cut_between = 0
        self.per_connection_max = 1000

    async def handle_EHLO(  # noqa: N802 - the server's name
        self, _server: SMTP, session: Session, _: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return replies

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        session.mails = getattr(session, "mails", 0) + 1
        if session.mails > self.per_connection_max:
            server.transport.abort()
            return "421 enough"
        if self.mail_says:
            return self.mail_says
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return f"550 5.1.1 <{address}>: no such user"
        if self.rcpt_says:
            return self.rcpt_says
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_says:
            return self.data_says
        self.taken.append(
            message_from_bytes(envelope.content, EmailMessage, policy=email.policy.default)
        )
        self.readers.append(list(envelope.rcpt_tos))
        if self.cut_before_answer:
            self.cut_before_answer -= 1
            server.transport.abort()
        return "250 OK"

    def received(self) -> Sequence[Received]:
        return [_received(*each) for each in zip(self.taken, self.readers, strict=True)]

    def bad_address(self) -> str:
        return "nobody@example.com"

    def break_down(self) -> None:
        self.mail_says = "421 4.3.2 shutting down"

    def mend(self) -> None:
        self.mail_says = ""

    def lose_answer(self) -> None:
        self.cut_before_answer = 1


def _received(message: EmailMessage, readers: list[str]) -> Received:
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    [to] = message["To"].addresses
    [sender] = message["From"].addresses
    return Received(
        to=readers,
        to_name=to.display_name,
        sender=sender.addr_spec,
        sender_name=sender.display_name,
        subject=str(message["Subject"]),
        text=text.get_content() if text else "",
        html=html.get_content() if html else "",
        headers={name: str(value) for name, value in message.items()},
        key=str(message["Message-ID"]).strip("<>").partition("@")[0],
    )


def served(postmaster: Postmaster, **options: object) -> Controller:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(postmaster, hostname="127.0.0.1", port=port, **options)
    controller.start()
    return controller


@pytest.fixture
def postmaster() -> Postmaster:
    return Postmaster()


@pytest.fixture
def port(postmaster: Postmaster) -> Iterator[int]:
    controller = served(postmaster, enable_SMTPUTF8=False)
    yield controller.port
    controller.stop()


@pytest.fixture
def smtp(port: int) -> Smtp:
    return connected(port)


def connected(port: int, **changes: object) -> Smtp:
    fields = {"host": "127.0.0.1", "port": port, "security": "none", "timeout_s": 5}
    return Smtp(SmtpConfig.model_validate(fields | changes))


class TestSmtp(MailerSuite):
    @pytest.fixture
    def mailer(self, smtp: Smtp) -> Smtp:
        return smtp

    @pytest.fixture
    def postbox(self, postmaster: Postmaster) -> Postmaster:
        return postmaster


def mail(key: str = "m-1", **changes: object) -> Mail:
    fields: dict[str, Any] = {
        "key": key,
        "to": "ann@example.com",
        "sender": "feedback@example.com",
        "subject": "How likely?",
        "text": "0 to 10",
        "html": "<p>0 to 10</p>",
    }
    return Mail(**(fields | changes))


def test_one_connection_carries_a_whole_call(smtp: Smtp, postmaster: Postmaster) -> None:
    smtp.send([mail(f"m-{n}") for n in range(10)])

    assert (postmaster.connections, len(postmaster.taken)) == (1, 10)


def test_a_server_that_hangs_up_after_some_mails_is_called_again(
    smtp: Smtp, postmaster: Postmaster
) -> None:
    postmaster.per_connection_max = 4

    outcomes = smtp.send([mail(f"m-{n}") for n in range(10)])

    assert [outcome.error for outcome in outcomes] == [None] * 10
    assert len(postmaster.taken) == 10


@pytest.mark.parametrize("step", ["mail_says", "rcpt_says", "data_says"])
@pytest.mark.parametrize(
    "says, family",
    [
        ("450 4.2.0 greylisted", Unavailable),
        ("452 4.2.2 full", Unavailable),
        ("550 5.7.1 no", Refused),
        ("554 5.6.0 no", Refused),
    ],
)
def test_4xx_passes_and_5xx_stays(
    smtp: Smtp, postmaster: Postmaster, step: str, says: str, family: type[Exception]
) -> None:
    setattr(postmaster, step, says)

    [outcome] = smtp.send([mail()])

    assert type(outcome.error) is family
    assert postmaster.taken == []


def test_one_refused_reader_stops_no_other(smtp: Smtp, postmaster: Postmaster) -> None:
    outcomes = smtp.send([mail("m-1", to="nobody@example.com"), mail("m-2")])

    assert isinstance(outcomes[0].error, Refused)
    assert str(outcomes[0].error) == "smtp: 5.1.1 <[address]>: no such user (550)"
    assert outcomes[1].error is None
    assert postmaster.readers == [["ann@example.com"]]


def test_after_a_doubt_the_next_mail_goes_on_a_new_connection(
    smtp: Smtp, postmaster: Postmaster
) -> None:
    postmaster.cut_before_answer = 1

    outcomes = smtp.send([mail("m-1"), mail("m-2")])

    assert type(outcomes[0].error) is Doubtful
    assert outcomes[1].error is None
    assert len(postmaster.taken) == 2


def test_nobody_there_stops_all_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcomes = connected(taken.getsockname()[1]).send([mail("m-1"), mail("m-2")])

    assert [type(outcome.error) for outcome in outcomes] == [Unavailable, Unavailable]
    assert outcomes[0].error is outcomes[1].error


def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        [outcome] = connected(silent.getsockname()[1], timeout_s=0.2).send([mail()])

    assert type(outcome.error) is Unavailable


def test_a_server_without_encryption_gets_no_password(port: int) -> None:
    with pytest.raises(Unauthorized, match="STARTTLS"):
        connected(port, security="starttls", username="u", password="p").send([mail()])


def _let_in(*asked: object) -> AuthResult:
    data = asked[-1]
    right = isinstance(data, LoginPassword) and data.password == b"right"
    return AuthResult(success=right, handled=False)


@pytest.fixture
def guarded(postmaster: Postmaster) -> Iterator[int]:
    controller = served(
        postmaster, authenticator=_let_in, auth_required=True, auth_require_tls=False
    )
    yield controller.port
    controller.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_right_password_lets_us_in(guarded: int, postmaster: Postmaster) -> None:
    smtp = connected(guarded, username="u", password="right")

    [outcome] = smtp.send([mail()])

    assert outcome.error is None
    assert [check.passed for check in smtp.checks()] == [True]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(
    "sign_in", [{"username": "u", "password": "wrong"}, {}], ids=["wrong", "none"]
)
def test_no_password_or_a_wrong_one_is_the_operators_to_mend(
    guarded: int, sign_in: dict[str, str]
) -> None:
    with pytest.raises(Unauthorized):
        connected(guarded, **sign_in).send([mail("m-1"), mail("m-2")])


def test_a_check_that_fails_names_the_settings() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        [check] = connected(taken.getsockname()[1]).checks()

    assert not check.passed
    assert "host" in check.remedy


def test_it_has_no_webhook(smtp: Smtp) -> None:
    with pytest.raises(Refused):
        smtp.events({}, b"[]")


def test_a_long_unsubscribe_link_stays_in_one_piece() -> None:
    link = f"<https://nps.example/u/{'x' * 400}>"

    _, message = message_for(mail(headers={"List-Unsubscribe": link}))

    assert f"List-Unsubscribe: {link}\r\n".encode() in message


def test_the_same_key_gives_the_same_message_id() -> None:
    first, _ = message_for(mail("m-1"))
    again, _ = message_for(mail("m-1", subject="Again"))
    odd, _ = message_for(mail("m 1>\r\n"))

    assert first == again == "<m-1@example.com>"
    assert odd.endswith("@example.com>")
    assert "\r" not in odd


def test_no_line_of_a_mail_is_too_long() -> None:
    _, message = message_for(
        mail(subject="long " * 400, html="<p>" + "x" * 5000 + "</p>", to_name="Ä" * 500)
    )

    assert max(len(line) for line in message.split(b"\r\n")) <= 998


@pytest.mark.parametrize("to", ["", "@", "ann", "ann@", "a@b@c", "ann@example.com, eve@example.com",
                                "Ann <ann@example.com>", "ann@example.com>"])  # fmt: skip
def test_what_is_no_address_is_refused(to: str) -> None:
    with pytest.raises(Refused):
        message_for(mail(to=to))


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(
    smtp: Smtp, postmaster: Postmaster
) -> None:
    outcomes = smtp.send([mail("m-1", to="änne@example.com"), mail("m-2")])

    assert isinstance(outcomes[0].error, Refused)
    assert outcomes[1].error is None
