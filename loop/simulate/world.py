"""The processes, the clock, and what happens at each commit and call."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from sqlalchemy.exc import OperationalError

from connectors.fence import fenced
from connectors.ports import Mail
from loop.app import App
from loop.simulate.troubles import Troubles

BEGIN: Final = datetime(2030, 1, 7, 9, tzinfo=UTC)
DEEP: Final = 3
"""So many processes can be in the middle of something at a time."""
PROCESSES: Final = 3
BREAKS: Final = 2
"""So often a unit of work is disturbed at most."""
CALL_S: Final = 2.0
"""How long a call takes at most, when nothing holds it up."""


class Killed(BaseException):
    """The process is gone, as after kill -9: none of our code may catch this."""


class Broken(BaseException):
    """A promise is broken, by what happens just now: none of our code may catch this."""


@dataclass
class Clock:
    """A clock that moves when told, and can be set."""

    at: datetime = BEGIN

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def forward(self, **by: float) -> None:
        """Move on: `days=1`, `minutes=5`."""
        self.at += timedelta(**by)


@dataclass(eq=False)
class Process:
    """One of ours, from its start to its end."""

    app: App
    alive: bool = True


@dataclass(eq=False)
class Frame:
    """Something that a process is in the middle of."""

    process: Process
    what: str
    kept: Callable[[], None] | None = None
    """Called whenever a transaction of it is kept."""
    begun: int = 0
    """The moment at which its last transaction outside of a call began."""
    disturbed: bool = False
    """Something else happened since then."""
    breaks: int = 0
    """How often its unit of work may still be disturbed."""
    calling: frozenset[str] | None = None
    """Keys of the mails that it is handing over; None outside of a call."""


class World:
    """All there is in a run, and the one who decides what happens."""

    def __init__(self, chance: Random, troubles: Troubles) -> None:
        self.chance, self.troubles = chance, troubles
        self.clock = Clock()
        self.frames: list[Frame] = []
        self.moment = 0
        """Counts what happens, since the clock can be set back."""
        self.kept = 0
        """Counts the transactions that were committed."""
        self.processes: list[Process] = []
        self.trace: list[str] = []
        self.counts: Counter[str] = Counter()
        self.meanwhile: Callable[[], None] = lambda: None
        """Does something else: set by the run."""
        self.start: Callable[[], None] = lambda: None
        """Starts another process: set by the run."""
        self.looks: Callable[[Mail], None] = lambda _mail: None
        """Looks at a mail that goes out: set by the run."""
        self.hears: Callable[[Mail], None] = lambda _mail: None
        """Takes note of a mail that was accepted: set by the run."""

    def happens(self, trouble: str) -> bool:
        """Tell whether this goes wrong now; count it where it does."""
        happened = bool(self.chance.random() < getattr(self.troubles, trouble))
        if happened:
            self.note(trouble)
            self.counts[trouble] += 1
        return happened

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.troubles = self.troubles.calmed()

    def note(self, what: str) -> None:
        """Write down what happens."""
        self.moment += 1
        depth = "  " * len(self.frames)
        self.trace.append(f"{self.clock.at:%m-%d %H:%M:%S} {depth}{what}")

    # What a process does

    def process(self) -> Process:
        """Return one of the processes that are there."""
        return self.chance.choice(self.processes)

    def does(
        self,
        process: Process,
        what: str,
        act: Callable[[App], object],
        kept: Callable[[], None] | None = None,
    ) -> bool:
        """Let a process do something; tell whether it lived to see the end of it."""
        self.note(f"{process.app.worker} {what}")
        self.frames.append(Frame(process, what, kept))
        try:
            with fenced(None):  # whoever stalled asks for itself
                act(process.app)
        except Killed:
            died = True
        else:
            died = False
        finally:
            self.frames.pop()
        if died:
            self.fill_up()
        return not died

    def kill(self, process: Process) -> None:
        """End a process at once, whatever it is in the middle of."""
        if process.alive:
            self.note(f"{process.app.worker} is killed")
            process.alive = False
            self.processes.remove(process)

    def fill_up(self) -> None:
        """Start as many processes as there are to be."""
        while len(self.processes) < (PROCESSES if self.troubles.many else 1):
            self.start()

    def _edge(self, what: str, stalls: str = "meanwhile") -> Frame:
        """Let anything happen before the process in hand goes on."""
        frame = self.frames[-1]
        self.note(what)
        if stalls and len(self.frames) < DEEP and self.happens(stalls):
            frame.disturbed = True
            self.meanwhile()
        if self.happens("crash"):
            self.kill(frame.process)
        if not frame.process.alive:
            raise Killed
        return frame

    # At the edges of a transaction

    def begins(self) -> None:
        """Go on before anything is read or written."""
        frame = self._edge("begin")
        if frame.calling is None:  # a lease that is renewed looks at nothing else
            frame.begun, frame.disturbed = self.moment, False

    def commits(self) -> None:
        """Go on when all is written and nothing kept."""
        self._breaks(self._edge("commit", stalls=""))

    def committed(self) -> None:
        """Go on when all is kept and nobody knows."""
        frame = self.frames[-1]
        self.kept += 1
        if frame.kept is not None:
            frame.kept()
        self._breaks(self._edge("committed"))

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Let the connection break now and then."""
        frame = self.frames[-1]
        before, frame.breaks = frame.breaks, BREAKS
        yield
        frame.breaks = before

    def _breaks(self, frame: Frame) -> None:
        if frame.breaks and self.happens("broken"):
            frame.breaks -= 1
            raise OperationalError("COMMIT", None, ConnectionError("the connection broke"))

    # At the edges of a call

    @contextmanager
    def calling(self, what: str, keys: Collection[str] = ()) -> Iterator[None]:
        """Make a call; its time-outs are short of a lease, so the clock is not set meanwhile."""
        frame = self.frames[-1]
        before = frame.calling
        frame.calling = (before or frozenset()) | frozenset(keys)
        try:
            self._edge(what, "stall")
            self.clock.forward(seconds=self.chance.uniform(0, CALL_S))
            yield
        finally:
            frame.calling = before

    def accepted(self) -> None:
        """Go on when all was accepted and nobody knows."""
        self._edge("accepted", "stall")

    @property
    def in_flight(self) -> frozenset[str] | None:
        """Return the keys of the mails that are being handed over; None outside of any call."""
        calling = [frame.calling for frame in self.frames if frame.calling is not None]
        return frozenset().union(*calling) if calling else None
