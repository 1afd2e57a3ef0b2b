"""What an operator can mend, told in one line each and never as a traceback."""

from dataclasses import dataclass


class Mendable(Exception):
    """Something that the operator can mend. Its text names the thing and ends with the remedy.

    The command line prints the text in red and exits with 1; nothing else is needed.
    """


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing that is wrong in the configuration, and where it stands."""

    where: str
    """`config.yaml:7:3`, or `environment NPSLOOP_ASK__SEED`."""
    key: str = ""
    """`survey.languages`; empty where the file as a whole is wrong."""
    problem: str
    line: str = ""
    """The line as it stands in the file, secrets masked; empty where there is none."""
    row: int = 0
    """Which line that is, from 1; 0 where there is none."""
    column: int = 0
    """Where in `line` the caret goes, from 1."""
    hint: str = ""

    def __str__(self) -> str:
        """Return the mistake as operators read it: up to four lines."""
        said = ": ".join(part for part in (self.where, self.key, self.problem) if part)
        lines = [said]
        if self.line:
            lines += [f"    {self.line}", f"    {' ' * (self.column - 1)}^"]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class BadConfig(Mendable):
    """The configuration cannot be used. `mistakes` holds everything that is wrong with it."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes
