"""Faults on demand: what a service does wrong, how often, and to whom."""

import asyncio
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Kind(StrEnum):
    """How a request can go wrong."""

    STATUS = "status"
    """Answer with a status instead of doing anything."""
    DELAY = "delay"
    """Answer late."""
    RESET = "reset"
    """Cut the connection before doing anything."""
    LOST = "lost"
    """Do it, then cut the connection: the answer is lost after acceptance."""
    LIED = "lied"
    """Do it, then answer with a status as if it had failed."""


@dataclass(kw_only=True)
class Fault:
    """One way to fail. It hits requests whose method and path match."""

    kind: Kind
    path: str = ""
    """Any part of the path; empty for all."""
    method: str = ""
    status: int = 500
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    times: int | None = None
    """How many requests it hits before it is over; None for all, until removed."""
    share: float = 1.0
    """The share of matching requests that it hits."""


class Faults:
    """The faults of one service, in front of its application."""

    def __init__(self, application: ASGIApp, seed: int = 0) -> None:
        self.application = application
        self._chance = random.Random(seed)  # noqa: S311 - not a secret
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Begin to fail in this way."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Be well again."""
        with self._lock:
            self._faults.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail it."""
        if scope["type"] != "http" or (fault := self._hit(Request(scope))) is None:
            await self.application(scope, receive, send)
            return
        if fault.kind is Kind.DELAY:
            await asyncio.sleep(fault.delay_s)
            await self.application(scope, receive, send)
            return
        if fault.kind in {Kind.LOST, Kind.LIED}:
            await self.application(scope, receive, _nowhere)
        if fault.kind in {Kind.RESET, Kind.LOST}:
            scope["extensions"]["cut"]()
            await asyncio.sleep(0.01)
            return
        await _answer(fault, send)

    def _hit(self, request: Request) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.path not in request.url.path or fault.method not in {"", request.method}:
                    continue
                if fault.times == 0 or self._chance.random() >= fault.share:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


async def _nowhere(_message: Message) -> None:
    """Drop what the application answers."""


async def _answer(fault: Fault, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": fault.body})
