"""What every mailer promises."""

from typing import Any

import pytest

from connectors.errors import ConnectorError, Doubtful, Refused, Unavailable
from connectors.fence import fenced
from connectors.ports import Mail, Mailer
from connectors.testing.worlds import Postbox

MANY = 60
GOES = 2
NAMES = (
    "O'Neill, Ann",
    'Ann "The Able" Able',
    "Anna-Lena Größe-Łukasz",
    "安 娜",
    "Ann; Bob <eve@example.com>",
)


class MailerSuite:
    """The promises of `send` and `checks`. Fixtures: `mailer` and `postbox`."""

    def test_each_mail_is_handed_over_once_to_one_reader(
        self, mailer: Mailer, postbox: Postbox
    ) -> None:
        """Nobody sees anybody else's address."""
        mails = [mail(postbox, f"m-{n}", f"c{n}@example.com") for n in range(MANY)]

        outcomes = mailer.send(mails)

        received = postbox.received()
        assert [outcome.error for outcome in outcomes] == [None] * MANY
        assert len({outcome.remote_id for outcome in outcomes} - {""}) == MANY
        assert sorted(got["key"] for got in received) == sorted(sent.key for sent in mails)
        assert {got["key"]: list(got["to"]) for got in received} == {m.key: [m.to] for m in mails}

    def test_nothing_is_sent_once_our_time_is_over(self, mailer: Mailer, postbox: Postbox) -> None:
        """The fence is asked before each mail; those that it stops were not accepted."""
        left = iter(range(GOES))

        def ask() -> None:
            if next(left, None) is None:
                raise Unavailable("us", "somebody else has these mails by now")

        with fenced(ask):
            outcomes = mailer.send([mail(postbox, f"m-{n}", f"c{n}@example.com") for n in range(5)])

        sent = [outcome for outcome in outcomes if outcome.error is None]
        assert len(sent) == len(postbox.received()) == GOES
        assert [type(o.error) for o in outcomes if o.error is not None] == [Unavailable] * 3

    def test_two_mails_to_one_mailbox_are_two(self, mailer: Mailer, postbox: Postbox) -> None:
        """Two contacts may share a mailbox, and each has a survey of their own."""
        mails = [
            mail(postbox, "m-1", "office@example.com"),
            mail(postbox, "m-2", "office@example.com"),
        ]

        outcomes = mailer.send(mails)

        assert [outcome.error for outcome in outcomes] == [None, None]
        assert sorted(got["key"] for got in postbox.received()) == ["m-1", "m-2"]

    def test_a_mail_arrives_as_it_was_written(self, mailer: Mailer, postbox: Postbox) -> None:
        """Both parts, the subject and the sender, in any script."""
        sent = mail(
            postbox,
            subject="Wie war's, Änne? 😀",
            text="Grüße\n.\nzwölf, 12 € " + "long " * 300 + "\n",
            html="<p>Grüße &amp; <b>zwölf</b></p>\n<p>" + "long " * 300 + "</p>\n",
            sender_name="Olga Owner",
        )

        [outcome] = mailer.send([sent])

        [got] = postbox.received()
        assert outcome.error is None
        assert (got["subject"], got["sender"]) == (sent.subject, sent.sender)
        assert got["sender_name"] == "Olga Owner"
        assert got["text"].replace("\r\n", "\n").strip() == sent.text.strip()
        assert got["html"].replace("\r\n", "\n").strip() == sent.html.strip()

    def test_the_headers_for_leaving_arrive(self, mailer: Mailer, postbox: Postbox) -> None:
        """RFC 8058: one press in the mailbox unsubscribes."""
        headers = {
            "List-Unsubscribe": f"<https://nps.example/u/{'x' * 120}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

        mailer.send([mail(postbox, headers=headers)])

        [got] = postbox.received()
        arrived = {name.lower(): value for name, value in got["headers"].items()}
        assert {n: arrived[n.lower()] for n in headers} == headers

    @pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
    def test_any_name_reaches_its_one_reader(
        self, mailer: Mailer, postbox: Postbox, name: str
    ) -> None:
        """A name may lose a mark that the service forbids, never a letter, nor win a reader."""
        [outcome] = mailer.send([mail(postbox, to_name=name, sender_name=name)])

        [got] = postbox.received()
        assert outcome.error is None
        assert list(got["to"]) == ["ann@example.com"]
        assert got["sender"] == postbox.sender
        assert letters(got["to_name"]) == letters(name)

    @pytest.mark.parametrize("field", ["to", "to_name", "sender_name", "reply_to", "subject"])
    def test_a_line_break_brings_in_no_header(
        self, mailer: Mailer, postbox: Postbox, field: str
    ) -> None:
        """Refused, or taken for a blank: never a header of somebody else's making."""
        start = "ann@example.com" if field in {"to", "reply_to"} else "Ann"
        bad = mail(postbox, **{field: f"{start}\r\nBcc: eve@example.com\r\n\r\nBuy!"})

        [outcome] = mailer.send([bad])

        assert outcome.error is None or isinstance(outcome.error, Refused)
        for got in postbox.received():
            assert list(got["to"]) == ["ann@example.com"]
            assert "bcc" not in {name.lower() for name in got["headers"]}

    def test_a_line_break_in_a_header_is_refused(self, mailer: Mailer, postbox: Postbox) -> None:
        """Our own headers hold none, so something is wrong."""
        [outcome] = mailer.send([mail(postbox, headers={"X-Reason": "a\r\nBcc: eve@example.com"})])

        assert isinstance(outcome.error, Refused)
        assert list(postbox.received()) == []

    def test_a_bad_address_stops_no_other(self, mailer: Mailer, postbox: Postbox) -> None:
        """Outcomes stand in the order of the mails, and name no address."""
        bad = postbox.bad_address()
        mails = [
            mail(postbox, "m-1", "ann@example.com"),
            mail(postbox, "m-2", bad),
            mail(postbox, "m-3", "bob@example.com"),
        ]

        outcomes = mailer.send(mails)

        assert [isinstance(outcome.error, Refused) for outcome in outcomes] == [False, True, False]
        assert bad not in str(outcomes[1].error)
        assert sorted(got["key"] for got in postbox.received()) == ["m-1", "m-3"]

    @pytest.mark.parametrize("field", ["to_name", "subject", "text", "html"])
    def test_a_text_that_is_no_unicode_stops_no_other(
        self, mailer: Mailer, postbox: Postbox, field: str
    ) -> None:
        """Half of a pair of surrogates comes out of some JSON, and goes into no encoding."""
        mails = [mail(postbox, "m-1", **{field: "half \ud83d"}), mail(postbox, "m-2")]

        outcomes = mailer.send(mails)

        assert outcomes[0].error is None or isinstance(outcomes[0].error, Refused)
        assert outcomes[1].error is None

    def test_an_outage_is_told_as_such(self, mailer: Mailer, postbox: Postbox) -> None:
        """Nothing was accepted, and all goes well when it is over."""
        postbox.break_down()

        errors = failures(mailer, [mail(postbox, "m-1"), mail(postbox, "m-2")])
        postbox.mend()
        [outcome] = mailer.send([mail(postbox, "m-3")])

        assert [type(error) for error in errors] == [Unavailable, Unavailable]
        assert outcome.error is None
        assert [got["key"] for got in postbox.received()] == ["m-3"]

    def test_a_lost_answer_leaves_a_doubt(self, mailer: Mailer, postbox: Postbox) -> None:
        """It may have gone: the mailer never sends it again by itself."""
        postbox.lose_answer()

        errors = failures(mailer, [mail(postbox, "m-1")])
        [outcome] = mailer.send([mail(postbox, "m-2", "bob@example.com")])

        assert [type(error) for error in errors] == [Doubtful]
        assert outcome.error is None
        assert sorted(got["key"] for got in postbox.received()) == ["m-1", "m-2"]

    def test_nothing_to_send_is_no_call(self, mailer: Mailer, postbox: Postbox) -> None:
        """An empty call does not even notice an outage."""
        postbox.break_down()

        assert list(mailer.send([])) == []

    def test_all_checks_pass_on_a_prepared_service(self, mailer: Mailer, postbox: Postbox) -> None:
        """And mail nobody."""
        checks = list(mailer.checks())

        assert checks
        assert [check for check in checks if not check.passed] == []
        assert list(postbox.received()) == []


def mail(postbox: Postbox, key: str = "m-1", to: str = "ann@example.com", **changes: Any) -> Mail:  # noqa: ANN401 - any field
    """Return a mail to send."""
    fields: dict[str, Any] = {
        "key": key,
        "to": to,
        "to_name": "Ann Able",
        "sender": postbox.sender,
        "sender_name": "Olga Owner",
        "subject": "How likely are you to recommend us?",
        "text": "From 0 to 10?\n",
        "html": "<p>From 0 to 10?</p>\n",
    }
    return Mail(**(fields | changes))


def failures(mailer: Mailer, mails: list[Mail]) -> list[ConnectorError | None]:
    """Return how each mail failed, be it alone or with all the others."""
    try:
        return [outcome.error for outcome in mailer.send(mails)]
    except ConnectorError as error:
        return [error] * len(mails)


def letters(name: str) -> str:
    """Return a name without blanks and marks."""
    return "".join(sign for sign in name if sign.isalnum())
