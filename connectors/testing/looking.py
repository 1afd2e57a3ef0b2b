"""What a mailer promises whose provider can be asked what became of a mail."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import Unauthorized
from connectors.ports import Mailer, Searchable, Sought
from connectors.testing.mailing import failures, mail
from connectors.testing.worlds import OpenPostbox


class LookUpSuite:
    """The promises of `look_up`. Fixtures: `mailer`, and a `postbox` that can be hidden."""

    def test_a_mail_whose_answer_was_lost_is_known(
        self, mailer: Mailer, postbox: OpenPostbox
    ) -> None:
        """It was accepted: nobody needs to wonder."""
        postbox.lose_answer()
        failures(mailer, [mail(postbox, "m-1")])

        assert look_up(mailer, sought("m-1")) == {"m-1": True}

    def test_a_mail_that_never_left_is_not_known(
        self, mailer: Mailer, postbox: OpenPostbox
    ) -> None:
        """Another mail to the same mailbox is no proof of this one."""
        mailer.send([mail(postbox, "m-2")])

        assert look_up(mailer, sought("m-1"), sought("m-2")) == {"m-1": False, "m-2": True}

    def test_a_mail_is_known_by_any_address_that_it_may_have_gone_to(
        self, mailer: Mailer, postbox: OpenPostbox
    ) -> None:
        """Its reader may have another address by now."""
        mailer.send([mail(postbox, "m-1", "old@example.com")])

        assert look_up(mailer, sought("m-1", "new@example.com", "old@example.com")) == {"m-1": True}

    def test_looking_up_sends_nothing(self, mailer: Mailer, postbox: OpenPostbox) -> None:
        """Neither what is known nor what is not."""
        mailer.send([mail(postbox, "m-1")])

        look_up(mailer, sought("m-1"), sought("m-2", "bob@example.com"))

        assert [got["key"] for got in postbox.received()] == ["m-1"]

    def test_nothing_sought_is_no_call(self, mailer: Mailer, postbox: OpenPostbox) -> None:
        """An empty call does not even notice that nobody may ask."""
        postbox.hide()

        assert look_up(mailer) == {}

    def test_an_account_that_cannot_be_asked_is_told(
        self, mailer: Mailer, postbox: OpenPostbox
    ) -> None:
        """Nothing is said of the mails."""
        mailer.send([mail(postbox, "m-1")])
        postbox.hide()

        with pytest.raises(Unauthorized):
            look_up(mailer, sought("m-1"))


def look_up(mailer: Mailer, *mails: Sought) -> dict[str, bool]:
    """Ask for these mails."""
    assert isinstance(mailer, Searchable)
    return dict(mailer.look_up(mails))


def sought(key: str, *to: str) -> Sought:
    """Return what is asked for a mail of the last minute."""
    now = datetime.now(UTC)
    since = now - timedelta(minutes=1)
    return Sought(key=key, to=to or ["ann@example.com"], since=since, until=now)
