"""What travels in the wheel, and what is installed with it."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from loop import resources
from loop.cli import app

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel, and with the packages that it needs from ours."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    made = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    if uv := shutil.which("uv"):
        run(uv, "pip", "install", "--no-deps", "--offline", "--python", made, wheel, cwd=folder)
    else:
        pip = sys.executable, "-m", "pip", "--python", made, "install"
        run(*pip, "--no-deps", "--no-index", wheel, cwd=folder)
    return made


def pins(name: str) -> dict[str, str]:
    """The versions in a requirements file, of which no line is anything but a pin or a hash."""
    found: dict[str, str] = {}
    for line in (ROOT / name).read_text().splitlines():
        if pin := PIN.match(line):
            found[pin[1]] = pin[2]
        else:
            assert HASH.match(line), line
    return found


def test_nothing_lands_beside_the_two_packages(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}

    assert tops == {"connectors", "loop", "npsloop-0.1.0.dist-info"}


def test_the_wheel_holds_what_the_checkout_holds(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = set(archive.namelist())

    templates = {
        f"loop/{path.relative_to(ROOT)}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file()
    }
    assert templates <= held
    assert {"loop/config.example.yaml", "loop/py.typed", "connectors/py.typed"} <= held


def test_an_installed_wheel_runs_from_another_folder(python: Path, tmp_path: Path) -> None:
    told = run(python.with_name("npsloop"), "--help", cwd=tmp_path)

    assert "Usage: npsloop" in told


def test_an_installed_wheel_finds_its_templates_and_its_example(
    python: Path, tmp_path: Path
) -> None:
    script = "from loop import resources as r; print(r.templates(), r.example(), sep='\\n')"

    templates, example = map(Path, run(python, "-c", script, cwd=tmp_path).splitlines())

    assert templates.is_relative_to(python.parents[1].resolve())
    assert (templates / "ask" / "subject.txt").is_file()
    assert example.read_text() == (ROOT / "config.example.yaml").read_text()


def test_an_installed_wheel_offers_its_connectors(python: Path, tmp_path: Path) -> None:
    script = (
        "from importlib.metadata import entry_points as e\n"
        "for found in sorted(e(group='npsloop.connectors')): print(found.load().__name__)"
    )

    told = run(python, "-c", script, cwd=tmp_path).split()

    assert set(told) == {"HubSpot", "MemoryCrm", "MemoryMailer", "Salesforce", "SendGrid", "Smtp"}


def test_a_checkout_finds_its_templates_and_its_example() -> None:
    assert resources.templates() == ROOT / "templates"
    assert resources.example() == ROOT / "config.example.yaml"


def test_the_tests_run_on_the_versions_that_users_get() -> None:
    users, testers = pins("requirements.txt"), pins("requirements-dev.txt")

    assert {name: testers.get(name) for name in users} == users


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["postgres"]

    names = {re.split(r"[^a-z0-9-]", wish)[0] for wish in wanted}

    assert names - pins("requirements.txt").keys() == set()


def test_the_command_tells_its_version() -> None:
    told = CliRunner().invoke(app, ["--version"])

    assert (told.exit_code, told.stdout) == (0, f"npsloop {version('npsloop')}\n")
