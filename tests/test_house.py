"""The rules of the house, beside those that ruff, mypy and the import contracts keep."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import loop
from connectors import registry

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("connectors", "loop")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
CUPBOARDS = {"utils", "util", "helpers", "common", "base", "services", "manager", "misc"}
STAGES = ("pull", "choose", "ask", "answer", "write_back", "follow_up", "refer", "close")
NOT_LETTERS = {"pages", "parts"}
LETTER = {"subject.txt", "body.txt", "body.mjml"}
# A letter in brackets, so that this file does not hold what it looks for. HubSpot has a kind of
# task of that name, hence the comment sign.
UNFINISHED = re.compile(r"(#|//|<!--).*\b(TOD[O]|FIXM[E]|XX[X])\b|\bNotImplementedErro[r]")
A_MACHINE = re.compile(r"(?<![\w./<-])/(wor[k]|roo[t]|hom[e]|User[s])/\w")
A_REGISTRY = re.compile(r"pyp[i]\.(org|io|python)|pythonhoste[d]|registry\.npmj[s]")
MIGRATION = "loop/migrations/versions/"
"""A migration is a list, and is never changed once it has run."""


def ours() -> Iterator[Path]:
    """Every file that is in git or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("there is no git checkout to look through")
    return (path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Every text of ours, by its name."""
    for path in ours():
        try:
            yield str(path.relative_to(ROOT)), path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def sources() -> Iterator[tuple[str, str]]:
    return ((name, text) for name, text in texts() if name.endswith(".py"))


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Every function's name and length, without its docstring and its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                told = node.body[0]
                length -= (told.end_lineno or told.lineno) - told.lineno + 1
            yield node.name, length


def imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_grows_into_a_cupboard() -> None:
    too_long = {
        name: lines
        for name, text in sources()
        if (lines := len(text.splitlines())) > FILE_LINES_MAX
    }

    assert too_long == {}


def test_a_function_fits_on_a_screen() -> None:
    too_long = {
        f"{name}:{function}": lines
        for name, text in sources()
        for function, lines in functions(text)
        if lines > FUNCTION_LINES_MAX and not name.startswith(MIGRATION)
    }

    assert too_long == {}


def test_no_module_is_named_for_nothing() -> None:
    named = [name for name, _ in sources() if CUPBOARDS & {*Path(name).parts, Path(name).stem}]

    assert named == []


def test_nothing_is_mocked() -> None:
    mocking = [
        name
        for name, text in sources()
        if any(imported.startswith(("unittest.mock", "mock.")) for imported in imports(text))
    ]

    assert mocking == []


def test_nothing_is_left_unfinished() -> None:
    assert lines_with(UNFINISHED) == []


def test_no_file_names_a_machine() -> None:
    assert lines_with(A_MACHINE) == []


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(A_REGISTRY) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_file_and_its_line(stage: str) -> None:
    folder = ROOT / "loop"
    number = STAGES.index(stage) + 1

    assert (folder / f"{stage}.py").exists() or (folder / stage / "__init__.py").exists()
    assert re.search(rf"^{number}\. `{stage}` +\w", loop.__doc__ or "", re.MULTILINE)


def test_every_letter_is_whole() -> None:
    lacking = {
        letter.name: sorted(missing)
        for letter in (ROOT / "templates").iterdir()
        if letter.is_dir() and letter.name not in NOT_LETTERS
        if (missing := LETTER - {file.name for file in letter.iterdir()})
    }

    assert lacking == {}


def test_both_packages_carry_their_types() -> None:
    assert all((ROOT / package / "py.typed").exists() for package in PACKAGES)


def test_an_installed_connector_is_the_same_as_one_in_the_checkout() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"][registry.GROUP] == registry.BUILT_IN


def test_the_import_contracts_hold() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "importlinter.cli", "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout
