"""The YAML file as it was written: what it holds, and where each key stands."""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from loop.config.errors import BadConfig, Mistake

Loc = tuple[str | int, ...]
"""The way to a setting: `("crms", 1, "type")`."""

_NAME: Final = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_VALUE: Final = re.compile(
    r"((?:secret|password|token|key)['\"]?\s*:\s*)(?!\s*$)[^\s{$].*$", re.IGNORECASE
)
_INIT: Final = "`npsloop init` writes one"


class _Loader(yaml.SafeLoader):
    """Reads a date that does not exist as text, so that it is told with its place."""

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - PyYAML's
        """Return the date, or the text where there is no such day."""
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:
            return self.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class Written:
    """A configuration file that was read: its data, and where each key stands."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.data: dict[str, Any] = {}
        self.mistakes: list[Mistake] = []
        self.marks: dict[Loc, tuple[int, int]] = {}
        self._lines = text.splitlines()

    def where(self, loc: Loc) -> tuple[int, int] | None:
        """Return line and column of a setting, or of the nearest one around it, from 1."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.marks:
                return self.marks[loc[:length]]
        return None

    def mistake(self, loc: Loc, problem: str, hint: str = "") -> Mistake:
        """Return the mistake with its place."""
        return self.mistake_at(self.where(loc), problem, hint=hint, key=dotted(loc))

    def mistake_at(
        self, mark: tuple[int, int] | None, problem: str, *, hint: str = "", key: str = ""
    ) -> Mistake:
        """Return a mistake at a line and column."""
        if mark is None:
            return Mistake(where=str(self.path), key=key, problem=problem, hint=hint)
        line, column = mark
        shown = self._lines[line - 1] if line <= len(self._lines) else ""
        return Mistake(
            where=f"{self.path}:{line}:{column}",
            key=key,
            problem=problem,
            line=_SECRET_VALUE.sub(r"\1***", shown).replace("\t", " "),
            row=line,
            column=column,
            hint=hint,
        )


def read(path: Path) -> Written:
    """Read the file and fill in the environment. Raise `BadConfig` where it cannot be read."""
    written = Written(path, text := _text_of(path))
    node, data = _parsed(written, text)
    if node is None or data is None:
        raise BadConfig(Mistake(where=str(path), problem="the file is empty", hint=_INIT))
    if not isinstance(data, dict):
        raise BadConfig(written.mistake_at((1, 1), "expected settings, `name: value` a line"))
    _mark(written, node, ())
    written.data = _filled(data, (), written)
    return written


def dotted(loc: Loc) -> str:
    """Return the way to a setting as operators write it: `crms.1.type`."""
    return ".".join(str(part) for part in loc)


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise BadConfig(
            Mistake(where=str(path), problem="there is no such file", hint=_INIT)
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = "the file is not in UTF-8; save it as UTF-8"
        raise BadConfig(Mistake(where=f"{path}:{line}", problem=problem)) from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise BadConfig(Mistake(where=str(path), problem=problem)) from error


def _parsed(written: Written, text: str) -> tuple[yaml.Node | None, Any]:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        _not_endless(written, node, ())
        return node, loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"the character #x{error.character:04x} is not allowed"
        raise BadConfig(written.mistake_at((line, 1), problem)) from error
    except yaml.MarkedYAMLError as error:
        raise BadConfig(_bad_yaml(written, error)) from error
    except RecursionError as error:
        raise BadConfig(written.mistake_at(None, "nested too deeply")) from error


def _bad_yaml(written: Written, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "not YAML"
    hint = ""
    if "'\\t'" in problem:
        problem, hint = "a tab where YAML wants spaces", "indent with spaces"
    elif isinstance(error, yaml.constructor.ConstructorError) and "tag" in problem:
        hint = "no tags: name a file (`..._file`), or write ${NAME} for an environment variable"
    return written.mistake_at(
        (mark.line + 1, mark.column + 1) if mark else None, problem, hint=hint
    )


def _not_endless(written: Written, node: yaml.Node, inside: tuple[int, ...]) -> None:
    """Raise `BadConfig` where an anchor holds itself."""
    if id(node) in inside:
        mark = node.start_mark
        raise BadConfig(written.mistake_at((mark.line + 1, mark.column + 1), "holds itself"))
    for _, _, value in _entries(node):
        _not_endless(written, value, (*inside, id(node)))


def _mark(written: Written, node: yaml.Node, loc: Loc) -> None:
    """Note where each key stands, and which stand there twice."""
    seen: dict[object, int] = {}
    for key, at, value in _entries(node):
        mark = (at.start_mark.line + 1, at.start_mark.column + 1)
        if key in seen:
            problem = f"stands here twice, first in line {seen[key]}"
            written.mistakes.append(
                written.mistake_at(mark, problem, key=dotted((*loc, key)), hint="keep one of them")
            )
        seen[key] = mark[0]
        written.marks[(*loc, key)] = mark
        _mark(written, value, (*loc, key))


def _entries(node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node, yaml.Node]]:
    """Return the entries of a mapping or list: the key, what to point at, the value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key, value
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield index, value, value


def _filled(value: Any, loc: Loc, written: Written) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return the value with each `${NAME}` filled from the environment."""
    if isinstance(value, dict):
        return {key: _filled(each, (*loc, str(key)), written) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, (*loc, index), written) for index, each in enumerate(value)]
    if isinstance(value, str):
        return _NAME.sub(_filler(loc, written), value)
    return value


def _filler(loc: Loc, written: Written) -> Callable[[re.Match[str]], str]:
    def fill(found: re.Match[str]) -> str:
        if found[1]:  # `$${` stands for `${` itself
            return found[1]
        name = found[2]
        if name not in os.environ:
            hint = did_you_mean(name, os.environ, of="${{{}}}")
            written.mistakes.append(
                written.mistake(loc, f"{name} is not set in the environment", hint)
            )
            return ""
        return os.environ[name]

    return fill


def did_you_mean(word: str, words: Iterable[str], of: str = "{}", cutoff: float = 0.6) -> str:
    """Return a hint that names the nearest of the words, or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)
    return f"did you mean {of.format(near[0])}" if near else ""
