"""SendGrid played on 127.0.0.1: it takes mail, delivers nothing, and posts signed events."""

from types import TracebackType
from typing import Self

from connectors.sandbox.faults import Faults
from connectors.sandbox.sendgrid.api import application
from connectors.sandbox.sendgrid.posting import Poster
from connectors.sandbox.sendgrid.state import Delivered, State

__all__ = ["Delivered", "SendGridSandbox", "State"]

FLUSH_TIMEOUT_S = 10.0


class SendGridSandbox:
    """An account at SendGrid. Serve `application`; read and prepare `state`; break `faults`.

    `webhook` is where events are posted, and may be set at any time: without one they are lost,
    as there. Close it when done.
    """

    def __init__(self, seed: int = 0, webhook: str | None = None) -> None:
        self._poster = Poster(seed, webhook)
        self.state = State(seed, self._poster.post)
        self.faults = Faults(application(self.state, self._poster), seed)
        self.application = self.faults
        self.api_key = self.state.api_key
        self.public_key = self._poster.public_key

    @property
    def webhook(self) -> str | None:
        """The address that events are posted to."""
        return self._poster.webhook

    @webhook.setter
    def webhook(self, address: str | None) -> None:
        self._poster.webhook = address

    @property
    def events_lost(self) -> float:
        """The share of events that never come; none unless it is set."""
        return self._poster.lost

    @events_lost.setter
    def events_lost(self, share: float) -> None:
        self._poster.lost = share

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> bool:
        """Wait until all events were posted; return whether they were."""
        return self._poster.flush(timeout_s)

    def close(self) -> None:
        """Post nothing more."""
        self._poster.close()

    def __enter__(self) -> Self:
        """Return the sandbox."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
