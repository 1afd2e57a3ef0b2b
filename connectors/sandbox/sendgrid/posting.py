"""Posts signed events from a thread of its own: some twice, some out of order, all in the end.

The signature is ECDSA with P-256 and SHA-256 over the timestamp and the raw body, as in
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import random
import threading
import time
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connectors.errors import ConnectorError
from connectors.sandbox.sendgrid.events import Event, again, written
from connectors.transport import Wire

TOGETHER_S: Final = 0.05
"""How long events gather for one post; thirty seconds there."""
TOGETHER_MAX: Final = 200
RETRY_S: Final = (0.1, 0.2, 0.5, 1.0)
TWICE: Final = 0.04
"""The share of events that come twice, half of these under another id."""
LATE: Final = 0.04
"""The share of events that come one post later."""
TIMEOUT_S: Final = 10.0
ACCEPTED: Final = range(200, 300)


class Poster:
    """A queue of events and the thread that empties it."""

    def __init__(self, seed: int, webhook: str | None) -> None:
        self.webhook = webhook
        self.lost = 0.0
        """The share of events that never come."""
        self._seed = seed
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._wire = Wire("webhook", read_timeout_s=TIMEOUT_S)
        self._waiting: list[Event] = []
        self._late: list[Event] = []
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def public_key(self) -> str:
        """The key that the signatures are verified with: DER, in base64."""
        public = self._key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def post(self, events: Sequence[Event]) -> None:
        """Post these events soon; lose them where there is no webhook."""
        with self._changed:
            if self.webhook is None or self._closed:
                return
            self._waiting.extend(events)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="webhook")
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left to post; return whether nothing is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._left() or self._closed, timeout_s)

    def close(self) -> None:
        """Post nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S)
        self._wire.close()

    def signed(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """Return the headers of a post."""
        timestamp = str(int(at or time.time()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }

    def _left(self) -> bool:
        return bool(self._waiting or self._late or self._busy)

    def _run(self) -> None:
        while (events := self._next()) is not None:
            self._deliver(events)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> list[Event] | None:
        """Wait for events, let some more gather, and return a post's worth; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._left() or self._closed)
            self._changed.wait_for(lambda: self._closed, TOGETHER_S)
            if self._closed:
                return None
            taken = self._waiting[:TOGETHER_MAX]
            del self._waiting[:TOGETHER_MAX]
            events, self._late = self._muddled(taken, self._late)
            self._busy = True
            return events

    def _muddled(
        self, taken: Sequence[Event], from_before: list[Event]
    ) -> tuple[list[Event], list[Event]]:
        """Return what to post now and what later. It depends on the events alone, not on time."""
        now, late = list(from_before), []
        for one in taken:
            chance = random.Random(f"{self._seed}:{one['sg_event_id']}")  # noqa: S311 - no secret
            if self.lost and chance.random() < self.lost:
                continue
            if chance.random() < TWICE:
                late.append(again(one) if chance.random() < 1 / 2 else one)
            (late if chance.random() < LATE else now).append(one)
        return now, late

    def _deliver(self, events: list[Event]) -> None:
        """Post until it is taken, or until closed."""
        body = written(events)
        for tried in range(10**6):
            if not events or self._closed or self.webhook is None or self._taken(body):
                return
            with self._changed:
                wait_s = RETRY_S[min(tried, len(RETRY_S) - 1)]
                self._changed.wait_for(lambda: self._closed, wait_s)

    def _taken(self, body: bytes) -> bool:
        try:
            answer = self._wire.request(
                "POST", self.webhook or "", body=body, headers=self.signed(body)
            )
        except ConnectorError:
            return False
        return answer.status in ACCEPTED
