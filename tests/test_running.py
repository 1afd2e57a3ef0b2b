"""compose.yaml and the pages on running say nothing that our program does not know."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from loop.cli import app
from loop.config import environment

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "npsloop"}
# In a `code span`, from a checkout, or in a unit of systemd's.
OF_THE_CHECKOUT = {"test", "check"}
COMMAND = re.compile(r"[`/]npsloop ([^`#\n]+)")


def told(words: list[str]) -> list[str]:
    """Parse a command line as our program does, and return the commands that it names."""
    group, names = typer.main.get_command(app), []
    while isinstance(group, typer.core.TyperGroup):
        name, group, words = group.resolve_command(group.make_context("npsloop", words), words)
        names.append(str(name))
    assert group is not None
    group.make_context(names[-1], words)
    return names


def test_every_process_has_its_command() -> None:
    commands = {name: told(service["command"]) for name, service in OURS.items()}

    assert commands == {"upgrade": ["db", "upgrade"], "worker": ["worker"], "web": ["web"]}


@pytest.mark.parametrize("name", OURS)
def test_what_the_environment_sets_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = OURS[name]["environment"]
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)

    found = environment.read()

    assert found.mistakes == []
    assert {*found.names.values(), "NPSLOOP_CONFIG"} == {*variables}


def test_what_is_named_is_there() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"], volume
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]


def test_secrets_are_files_and_never_values() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or "SECRET" in variable:
                assert variable.endswith("_FILE")
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_images_are_pinned() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    images = [shlex.split(line)[1] for line in lines if line.startswith("FROM ")]
    images += [service["image"] for service in SERVICES.values() if service["image"] != "npsloop"]

    assert [image for image in images if not re.search(r":\d+\.\d+", image)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/running.md"])
def test_every_command_on_a_page_is_one(page: str) -> None:
    found = COMMAND.findall((ROOT / page).read_text())
    commands = [shlex.split(words) for words in found if words.split()[0] not in OF_THE_CHECKOUT]

    assert len(commands) > 3
    for words in commands:
        assert told(words), words
