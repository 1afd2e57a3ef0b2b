"""Tells of a demo while it runs: a board on a terminal, a line for each step elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loop.demo.play import Step
from loop.demo.progress import Progress, progress
from loop.demo.worlds import World

PER_S: Final = 5
BAR: Final = 24
STAGES: Final[Mapping[str, str]] = {
    "pull": "customers come in",
    "choose": "whose turn it is",
    "ask": "the question goes out",
    "answer": "the customer gives a score",
    "write_back": "the score goes onto the record",
    "follow_up": "a task, or a word",
    "refer": "promoters pass their link on",
    "close": "it has been dealt with",
}


class View(Protocol):
    """Whoever is told."""

    def show(self, step: Step) -> None:
        """Tell that a step was done."""
        ...


class Lines:
    """A line for each step, for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, step: Step) -> None:
        """Print the step."""
        self._console.print(Text(f"{step.stage.replace('_', ' '):<11} {step.words}"))


class Board:
    """All stages at once, with bars, drawn anew a few times a second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last: dict[str, str] = {}
        self._now = "pull"

    def show(self, step: Step) -> None:
        """Note the step."""
        self._last[step.stage] = step.words
        self._now = step.stage

    def draw(self) -> RenderableType:
        """Return the board as it stands."""
        counts = progress(self._world)
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
        for justify in ("left", "left", "right", "left"):
            table.add_column(justify=justify)
        for name, what in STAGES.items():
            done, total = counts.stages[name]
            bar = ProgressBar(total=max(total, 1), completed=done, width=BAR)
            number = f"{done}" if done == total else f"{done} of {total}"
            style = "bold" if name == self._now else ""
            words = Text(self._last.get(name, what), "dim", no_wrap=True, overflow="ellipsis")
            table.add_row(Text(name.replace("_", " "), style), bar, number, words)
        return Group(table, _figures(counts))


@contextmanager
def watching(world: World, console: Console) -> Iterator[View]:
    """Give the view that fits the console, for as long as a play lasts."""
    if not console.is_terminal:
        yield Lines(console)
        return
    board = Board(world)
    with Live(get_renderable=board.draw, console=console, refresh_per_second=PER_S, transient=True):
        yield board


def _figures(counts: Progress) -> Text:
    nps = counts.nps
    told = f"\nNPS {nps.score:+.0f} ({nps.low:+.0f} to {nps.high:+.0f}, n = {nps.n})   "
    mail = ", ".join(f"{number} {what}" for what, number in counts.mail.items())
    return Text(f"{told if nps.n else chr(10)}mail: {mail}")


def summary(to: Console, result: Mapping[str, Any]) -> None:
    """Draw the result of a demo."""
    surveys, nps, crms = result["surveys"], result["nps"], result["crm"]
    people, answered = result["customers"]["people"], surveys["answered"]
    records = {name: n for name, n in result["customers"].items() if name != "people"}
    ends = {name: surveys[name] for name in ("unsubscribed", "bounced", "refused")}
    groups = {f"{name}s": number for name, number in result["answers"].items()}
    lines = {
        "customers": f"{people} people ({_told(records)})",
        "asked": f"{surveys['asked']} ({_told(ends)})",
        "not asked": "\n".join(f"{n:>4} {why}" for why, n in result["held"].items()),
        "answered": f"{answered} ({_told(groups)})",
        "refused": _told(result["answers_refused"]),
        "NPS": f"{nps['score']:+} ({nps['low']:+} to {nps['high']:+} with 95 %, n = {nps['n']})",
        "mail": _told(result["mail"]),
        "Salesforce": _told(crms["salesforce"]),
        "HubSpot": _told(crms["hubspot"]),
        "referrals": _told(result["referrals"]),
        "effects": _told({name: n for name, n in result["effects"].items() if n or name == "due"}),
        "closed": f"{surveys['closed']} of {answered} answers are dealt with",
        "files": _told(result.get("input", {})),
    }
    _list(to, {name: words for name, words in lines.items() if words}, "")


def addresses(to: Console, named: Mapping[str, str]) -> None:
    """Draw the addresses of pages to look at."""
    _list(to, named, "cyan")


def _list(to: Console, lines: Mapping[str, str], style: str) -> None:
    width = max(map(len, lines)) + 2
    for name, words in lines.items():
        hung = words.replace("\n", "\n" + " " * width)
        to.print(Text.assemble((name.ljust(width), "bold"), (hung, style)))


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
