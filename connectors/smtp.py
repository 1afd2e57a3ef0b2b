"""SMTP: the second way to send mail, through any server that takes submissions (RFC 6409).

It has no events: bounces come back to the sender's mailbox, and nobody reads them here.
"""

import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate
from typing import Any, Final, Literal

from pydantic import Field, SecretStr

from connectors import fence
from connectors.errors import ConnectorError, Doubtful, Refused, Unauthorized, Unavailable
from connectors.ports import Check, Mail, MailEvent, Outcome
from connectors.settings import Settings

NAME: Final = "smtp"
OK: Final = 250
ENOUGH: Final = 421
"""The server closes the connection: too many mails on it, or it goes down."""
WANTS_LOGIN: Final = frozenset({530, 535})
GONE_WRONG: Final = (smtplib.SMTPException, OSError)
WORDS_MAX: Final = 300
LINE_MAX: Final = 990
_BREAK: Final = re.compile(r"[\r\n\0]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ADDRESS: Final = re.compile(r"[^\s\[\]<>\"'(),;]+@[^\s\[\]<>\"'(),;]+")


class SmtpConfig(Settings):
    """Settings of SMTP."""

    type: Literal["smtp"] = "smtp"
    host: str = "localhost"
    """The server's name."""
    port: int = Field(default=587, ge=1, le=65_535)
    """587 with `starttls`, 465 with `tls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is kept secret; `none` for a server on this machine only."""
    username: str = ""
    """Empty where the server asks for none."""
    password: SecretStr = SecretStr("")
    """The password."""
    password_file: str = ""
    """A file that holds the password, instead."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    """How long to wait for each answer, in seconds."""


class Smtp:
    """A mail server. Each call of `send` has a connection of its own, kept for all its mails."""

    Config = SmtpConfig
    batch = 50
    at_once = 2

    def __init__(self, config: SmtpConfig) -> None:
        self.name = NAME
        self.config = config

    def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
        """Send the mails one after another. The first that finds no server stops the others."""
        line = _Line(self.config)
        try:
            outcomes = [line.send(mail) for mail in mails]
        finally:
            line.close()
        refused = [each.error for each in outcomes if isinstance(each.error, Unauthorized)]
        if refused and len(refused) == len(outcomes):  # else those that went would go again
            raise refused[0]
        return outcomes

    def events(self, headers: Mapping[str, str], body: bytes) -> Sequence[MailEvent]:
        """Raise `Refused`: SMTP tells nothing afterwards."""
        del headers, body
        raise Refused(NAME, "SMTP has no webhook", code="WEBHOOK")

    def checks(self) -> Iterator[Check]:
        """Connect and sign in."""
        line = _Line(self.config)
        where = f"{self.config.host}:{self.config.port}"
        try:
            line.open()
        except ConnectorError as error:
            remedy = "see host, port, security, username and password of the mailer"
            unknown, found = isinstance(error, Unauthorized), str(error)
            yield Check(
                name="server", passed=False, found=found, remedy=remedy, unauthorized=unknown
            )
        else:
            yield Check(name="server", passed=True, found=f"{where} lets us in")
        finally:
            line.close()


class _Line:
    """A connection that is opened when it is needed, and once more when it was cut."""

    def __init__(self, config: SmtpConfig) -> None:
        self.config = config
        self._open: smtplib.SMTP | None = None
        self._fresh = True
        self._stop: ConnectorError | None = None

    def send(self, mail: Mail) -> Outcome:
        """Hand one mail over, once."""
        if self._stop is not None:
            return Outcome(error=self._stop)
        try:
            message_id, message = message_for(mail)
            self._deliver(mail, message)
        except ConnectorError as error:
            return Outcome(error=error)
        return Outcome(message_id)

    def open(self) -> smtplib.SMTP:
        """Return the connection. Raise `Unavailable` or `Unauthorized`."""
        if self._open is not None:
            return self._open
        try:
            self._open = _connected(self.config)
        except ConnectorError as error:
            self._stop = error
            raise
        self._fresh = True
        return self._open

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            with suppress(*GONE_WRONG):
                self._open.quit()
            self._open.close()
            self._open = None

    def _deliver(self, mail: Mail, message: bytes) -> None:
        """Introduce the mail, on a new connection if the old one is gone, then hand it over."""
        try:
            self._introduce(mail)
        except Unavailable:
            if self._open is not None or self._fresh:  # it lives, or was new: no use in another
                raise
            self._introduce(mail)
        self._fresh = False
        self._ask()
        self._hand_over(message)

    def _ask(self) -> None:
        """Make sure that the mail may still go; where it may not, none that follows may."""
        try:
            fence.check()
        except Unavailable as error:
            self._stop = error
            self._cut()
            raise

    def _introduce(self, mail: Mail) -> None:
        """Name sender and reader. Nothing is accepted yet."""
        line = self.open()
        try:
            unicode = not (mail.sender + mail.to).isascii()
            if unicode and not line.has_extn("smtputf8"):
                raise Refused(NAME, "the server takes no such address (SMTPUTF8)", code="SMTPUTF8")
            self._expect(OK, line.mail(mail.sender, ["SMTPUTF8"] if unicode else []))
            self._expect(OK, line.rcpt(mail.to))
        except GONE_WRONG as error:
            self._cut()
            raise Unavailable(NAME, f"it broke off ({type(error).__name__})") from None

    def _hand_over(self, message: bytes) -> None:
        line = self.open()
        try:
            answer = line.data(message)
        except smtplib.SMTPDataError as error:  # it never said "go ahead"
            answer = (error.smtp_code, _bytes(error.smtp_error))
        except GONE_WRONG as error:
            self._cut()
            problem = f"it broke off after we had handed the mail over ({type(error).__name__})"
            raise Doubtful(NAME, problem) from None
        self._expect(OK, answer)

    def _expect(self, wanted: int, answer: tuple[int, bytes]) -> None:
        """Raise what another answer means; leave the connection ready for the next mail."""
        code, words = answer
        if code in {wanted, 251}:
            return
        if code in {ENOUGH, -1}:
            self._cut()
        elif self._open is not None:
            with suppress(*GONE_WRONG):
                self._open.rset()
        raise _error(code, words)

    def _cut(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def message_for(mail: Mail) -> tuple[str, bytes]:
    """Return a mail's Message-ID, which its key decides, and the mail as it goes over the line.

    Raise `Refused` for what cannot stand in a header.
    """
    if _BREAK.search("".join((*mail.headers, *mail.headers.values()))):
        raise Refused(NAME, "a line break in a header", code="LINE_BREAK")
    message = EmailMessage(_AS_IT_IS)
    try:
        message["From"] = Address(_clean(mail.sender_name), addr_spec=mail.sender)
        message["To"] = Address(_clean(mail.to_name), addr_spec=mail.to)
        if mail.reply_to:
            message["Reply-To"] = Address(addr_spec=mail.reply_to)
        message["Subject"] = _clean(mail.subject)
        for name, value in mail.headers.items():
            message[name] = value
    except (MessageError, ValueError, IndexError, AttributeError):  # all, for what is no address
        raise Refused(NAME, "that is no address, or no header", code="ADDRESS") from None
    key = mail.key if _KEY.fullmatch(mail.key) else hashlib.sha256(mail.key.encode()).hexdigest()
    message["Message-ID"] = f"<{key}@{mail.sender.rpartition('@')[2]}>"
    message["Date"] = formatdate()
    try:
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
        return message["Message-ID"], message.as_bytes()
    except UnicodeError:
        raise Refused(NAME, "a text that is no Unicode", code="UNICODE") from None


class _AsItIs(EmailPolicy):
    """Leaves our own headers in one piece.

    The standard policy turns a long word into encoded words (RFC 2047), which no mailbox
    program reads in `List-Unsubscribe`.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:  # noqa: ANN401 - as there
        """Return a header as it goes over the line."""
        text = str(value)
        if text.isascii() and not _BREAK.search(text) and len(name) + len(text) < LINE_MAX:
            return f"{name}: {text}\r\n".encode()
        return bytes(super().fold_binary(name, value))


_AS_IT_IS: Final = _AsItIs(linesep="\r\n")


def _connected(config: SmtpConfig) -> smtplib.SMTP:
    """Return a connection that is secret and signed in, as the settings have it."""
    line: smtplib.SMTP | None = None
    try:
        line = _plain(config)
        if config.security == "starttls":
            line.starttls(context=ssl.create_default_context())
        if config.username:
            line.login(config.username, config.password.get_secret_value())
        line.ehlo_or_helo_if_needed()
    except GONE_WRONG as error:
        if line is not None:
            line.close()
        raise _connect_error(error) from None
    return line


def _plain(config: SmtpConfig) -> smtplib.SMTP:
    """Return a connection. It says its own name: else it asks the name server, which may hang."""
    host, port, us = config.host, config.port, socket.gethostname()
    if config.security != "tls":
        return smtplib.SMTP(host, port, local_hostname=us, timeout=config.timeout_s)
    context = ssl.create_default_context()
    return smtplib.SMTP_SSL(
        host, port, local_hostname=us, timeout=config.timeout_s, context=context
    )


def _connect_error(error: Exception) -> ConnectorError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unauthorized(NAME, "its certificate is not good: see host and security")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Unauthorized(NAME, "it offers no STARTTLS or no sign-in: see security and username")
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500:  # noqa: PLR2004
        return Unauthorized(NAME, f"it does not let us in ({error.smtp_code}): see username")
    return Unavailable(NAME, f"it cannot be reached ({type(error).__name__})")


def _error(code: int, words: bytes) -> ConnectorError:
    """Say what an answer means (RFC 5321 section 4.2): 4xx passes, 5xx stays."""
    told = _ADDRESS.sub("[address]", words.decode("utf-8", "replace"))[:WORDS_MAX]
    problem = f"{told} ({code})"
    if code in WANTS_LOGIN:
        return Unauthorized(NAME, f"{problem}: see username and password")
    if code >= 500:  # noqa: PLR2004 - see above
        return Refused(NAME, problem, code=str(code))
    return Unavailable(NAME, problem)


def _clean(text: str) -> str:
    """Return a text from somebody's data without line breaks and other controls."""
    return _CONTROL.sub(" ", text).strip()


def _bytes(words: str | bytes) -> bytes:
    return words.encode() if isinstance(words, str) else words
