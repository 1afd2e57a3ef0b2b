"""SendGrid: mail goes out through the Web API v3, events come back as signed webhook posts."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final

from connectors import fence
from connectors.budget import Budget
from connectors.errors import Unauthorized, Unavailable
from connectors.ports import Check, Mail, MailEvent, Outcome, Sought
from connectors.sendgrid import checking, webhook
from connectors.sendgrid.body import request_for
from connectors.sendgrid.config import SendGridConfig
from connectors.sendgrid.logs import Logs

if TYPE_CHECKING:
    from connectors.sendgrid.client import Account

__all__ = ["SendGrid", "SendGridConfig", "request_for"]

NAME: Final = "sendgrid"
CALLS: Final = (10_000, 1.0)
"""Of `mail/send`, in a second: it says the rest itself, with 429."""


class SendGrid:
    """A SendGrid account. Its methods may be called from any thread."""

    Config = SendGridConfig
    batch = 100
    at_once = 2

    def __init__(self, config: SendGridConfig) -> None:
        self.name = NAME
        self.config = config
        self._calls = Budget("calls", *CALLS)
        self._look_ups = Budget("look_ups", config.look_ups_per_minute, 60.0)
        self._look_ups.patience_s = 0.0
        self.budgets = (self._calls, self._look_ups)

    def send(self, mails: Sequence[Mail]) -> Sequence[Outcome]:
        """Send one request per mail, several at a time.

        The first mail that finds SendGrid unavailable stops those that have not left yet.
        """
        if not mails:
            return []
        stop: list[Unavailable] = []
        ask = fence.fence()

        def send(mail: Mail) -> Outcome:
            if stop:
                return Outcome(error=stop[0])
            with fence.fenced(ask):
                outcome = self._account.send(mail)
            if isinstance(outcome.error, Unavailable):
                stop.append(outcome.error)
            return outcome

        outcomes = list(self._threads.map(send, mails))
        refused = [each.error for each in outcomes if isinstance(each.error, Unauthorized)]
        if len(refused) == len(outcomes):  # else those that went would be forgotten, and go again
            raise refused[0]
        return outcomes

    def events(self, headers: Mapping[str, str], body: bytes) -> Sequence[MailEvent]:
        """Read a post of the event webhook, once its signature is found good.

        Events of other senders on the same account, and kinds that nobody here asks for, are
        left out. Raise `Refused` for whatever SendGrid has not signed in the last minutes.
        """
        webhook.verify(self.config, headers, body, time.time())
        return webhook.read(body)

    def look_up(self, sought: Sequence[Sought]) -> Mapping[str, bool]:
        """Return which of these mails the account's Email Logs show, as far as they may be asked.

        Raise `Unauthorized` where the key may not read them.
        """
        return self._logs.look_up(sought) if sought else {}

    def checks(self) -> Iterator[Check]:
        """Look at the key, its rights, the sender and the webhook's signature."""
        return checking.checks(self.config, self._account)

    def shut(self) -> Unavailable | None:
        """Return why no call can be made for a good while; None where one can."""
        return self._calls.shut(NAME)

    def close(self) -> None:
        """Close the connections."""
        if "_threads" in self.__dict__:
            self._threads.shutdown()
        if "_account" in self.__dict__:
            self._account.close()

    @cached_property
    def _account(self) -> "Account":
        from connectors.sendgrid.client import Account  # noqa: PLC0415 - the library takes 0.2 s

        return Account(self.config, self._calls)

    @cached_property
    def _logs(self) -> Logs:
        return Logs(self._account, self._look_ups)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.config.connections, "sendgrid")
