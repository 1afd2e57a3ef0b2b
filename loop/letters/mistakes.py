"""Mistakes in templates, told by file, line and word."""

import difflib
import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError

from loop.config import Mendable

_TEMPLATES: Final = frozenset({".css", ".html", ".mjml", ".txt"})


class BadTemplate(Mendable):
    """A template is wrong: `path`, `line` (0 where nobody can say) and what about it."""

    def __init__(self, path: str, problem: str, *, line: int = 0) -> None:
        super().__init__(f"{path}:{line}: {problem}" if line else f"{path}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


def near(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...` with the known word nearest to it, or nothing."""
    matches = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {matches[0]}" if matches else ""


def bad_template(error: Exception, words: Mapping[str, object]) -> BadTemplate:
    """Return what an operator has to know of an error that a template brought about."""
    if isinstance(error, BadTemplate):
        return error
    if isinstance(error, TemplateSyntaxError):
        path = error.filename or error.name or "a template"
        return BadTemplate(path, error.message or "cannot be read", line=error.lineno)
    path, line = _place(error)
    if isinstance(error, TemplateNotFound):
        return BadTemplate(path, f"there is no template {error.name}", line=line)
    if not isinstance(error, UndefinedError):
        return BadTemplate(path, str(error) or type(error).__name__, line=line)
    word, _, hint = str(error).partition(",")
    if not word.isidentifier():
        return BadTemplate(path, str(error), line=line)
    if path.endswith(".mjml"):
        line = _line_of(word, Path(path))
    hint = f",{hint}" if hint else near(word, words)
    return BadTemplate(path, f"unknown word {word}{hint}", line=line)


def _place(error: Exception) -> tuple[str, int]:
    """Return the innermost template in the error's traceback, and the line where it failed.

    A line of compiled MJML is none of the operator's: it counts as unknown.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).suffix in _TEMPLATES:
            line = 0 if frame.filename.endswith(".mjml") else frame.lineno or 0
            return frame.filename, line
    return "a template", 0


def _line_of(word: str, path: Path) -> int:
    """Return the first line of the MJML in which Jinja speaks of the word."""
    spoken = re.compile(rf"\{{[{{%][^}}]*\b{re.escape(word)}\b")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((number for number, line in enumerate(lines, 1) if spoken.search(line)), 0)
