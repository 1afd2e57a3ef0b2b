"""HubSpot's rates: so many calls in any ten seconds, so many searches a second, so many a day.

https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

import time
from collections import deque
from dataclasses import dataclass, field

from connectors.sandbox.hubspot.problems import too_fast


@dataclass
class Rate:
    """At most `calls` in any `per_s` seconds; `calls` None for no limit."""

    calls: int | None
    per_s: float
    policy: str
    spent: deque[float] = field(default_factory=deque)

    def spend(self) -> None:
        """Take one call. Raise a 429 where there is none left."""
        now = time.monotonic()
        while self.spent and self.spent[0] <= now - self.per_s:
            self.spent.popleft()
        if self.calls is None:
            return
        if len(self.spent) >= self.calls:
            raise too_fast(self.policy)
        self.spent.append(now)


class Limits:
    """The rates of one account. Change their `calls` to make it slower, or boundless."""

    def __init__(self) -> None:
        self.rate = Rate(190, 10.0, "TEN_SECONDLY_ROLLING")
        self.search = Rate(5, 1.0, "SECONDLY")
        self.day = Rate(650_000, 86_400.0, "DAILY")

    def spend(self, *, search: bool) -> dict[str, str]:
        """Take one call and return the headers of its answer; a search's answer has none."""
        if self.day.calls is not None:
            self.day.spend()
        if search:
            self.search.spend()
            return {}
        self.rate.spend()
        return self.headers()

    def headers(self) -> dict[str, str]:
        """Return the headers that say what is left."""
        if self.rate.calls is None or self.day.calls is None:
            return {}
        return {
            "X-HubSpot-RateLimit-Max": str(self.rate.calls),
            "X-HubSpot-RateLimit-Remaining": str(self.rate.calls - len(self.rate.spent)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(self.rate.per_s * 1000)),
            "X-HubSpot-RateLimit-Daily": str(self.day.calls),
            "X-HubSpot-RateLimit-Daily-Remaining": str(self.day.calls - len(self.day.spent)),
        }
