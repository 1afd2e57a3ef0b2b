"""./npsloop, run as a person runs it, with an invented uv that notes what it is asked for."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("cat", "cksum", "dirname", "mkdir", "readlink", "rm", "sh", "sleep", "touch")

UV = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/asked"
[ -e "$here/broken" ] && exit 1
while [ -e "$here/slow" ]; do sleep 0.05; done
case $1 in
venv)
    for folder; do :; done
    mkdir -p "$folder/bin"
    printf '#!/bin/sh\\nexec "%s" "$@"\\n' "{python}" >"$folder/bin/python"
    printf '#!/bin/sh\\necho "ran: $*"\\n' >"$folder/bin/npsloop"
    chmod +x "$folder/bin/python" "$folder/bin/npsloop"
    ;;
esac
exit 0
"""

BARE_PYTHON = """#!/bin/sh
case $* in
*ensurepip*) exit 1 ;;
*sys.executable*) echo "$0" ;;
*) exec "{python}" "$@" ;;
esac
"""


class Checkout:
    """A copy of the script, and a PATH that holds nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a check out"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        for name in ("npsloop", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
            shutil.copy(ROOT / name, self.folder)
        for tool in (*TOOLS, "chmod"):
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def put(self, name: str, text: str) -> None:
        """Put a command onto the PATH."""
        (self.bin / name).write_text(text.replace("{python}", sys.executable))
        (self.bin / name).chmod(0o755)

    def start(self, *words: str, script: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [script or self.folder / "npsloop", *words],
            cwd=self.folder.parent,
            env={"PATH": str(self.bin)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, script: Path | None = None) -> tuple[int, str, str]:
        """Run the script to its end; return its code, its output and its messages."""
        with self.start(*words, script=script) as started:
            out, err = started.communicate(timeout=30)
        return started.returncode, out, err

    def asked(self) -> list[str]:
        """What uv was asked for since last time, by its first words."""
        notes = self.bin / "asked"
        lines = notes.read_text().splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in lines]


INSTALL = ["pip install", "pip install"]
FIRST = ["venv --quiet", *INSTALL]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.put("uv", UV)
    made.put("python3", '#!/bin/sh\nexec "{python}" "$@"\n')
    return made


def test_the_first_start_makes_the_environment_and_runs_the_command(checkout: Checkout) -> None:
    code, out, err = checkout.run("status", "--json")

    assert (code, out) == (0, "ran: status --json\n")
    assert err == "npsloop: first start: making .venv, about a minute\n"
    assert checkout.asked() == FIRST


def test_the_second_start_installs_nothing_and_says_nothing(checkout: Checkout) -> None:
    checkout.run("status")
    checkout.asked()

    assert checkout.run("status") == (0, "ran: status\n", "")
    assert checkout.asked() == []


def test_the_second_start_costs_less_than_half_a_second(checkout: Checkout) -> None:
    checkout.run("status")
    took = []

    for _ in range(5):
        began = time.perf_counter()
        checkout.run("status")
        took.append(time.perf_counter() - began)

    assert min(took) < 0.5


def test_changed_requirements_are_put_in(checkout: Checkout) -> None:
    checkout.run("status")
    checkout.asked()
    with (checkout.folder / "requirements.txt").open("a") as file:
        file.write("\n")

    assert checkout.run("status") == (0, "ran: status\n", "npsloop: bringing .venv up to date\n")
    assert checkout.asked() == INSTALL


def test_an_environment_made_by_hand_is_filled_and_kept(checkout: Checkout) -> None:
    checkout.run("status")
    checkout.asked()
    for mark in (checkout.folder / ".venv").glob(".npsloop*"):
        mark.unlink()
    (checkout.folder / ".venv" / "by-hand").touch()

    assert checkout.run("status")[0] == 0
    assert checkout.asked() == INSTALL
    assert (checkout.folder / ".venv" / "by-hand").exists()


def test_a_moved_checkout_is_put_right(checkout: Checkout) -> None:
    checkout.run("status")
    checkout.asked()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))

    assert checkout.run("status")[0] == 0
    assert checkout.asked() == INSTALL


def test_it_runs_by_symlink_from_another_folder(checkout: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "a link"
    link.symlink_to(Path("a check out") / "npsloop")

    assert checkout.run("status", script=link)[:2] == (0, "ran: status\n")


def test_a_failed_install_is_told_and_tried_again(checkout: Checkout) -> None:
    checkout.run("status")
    with (checkout.folder / "requirements.txt").open("a") as file:
        file.write("\n")
    (checkout.bin / "broken").touch()

    code, out, err = checkout.run("status")

    assert (code, out) == (1, "")
    assert "could not be put into .venv" in err
    (checkout.bin / "broken").unlink()
    assert checkout.run("status")[0] == 0


def test_a_killed_install_is_made_anew(checkout: Checkout) -> None:
    (checkout.bin / "slow").touch()
    with checkout.start("status") as started:
        while not (checkout.bin / "asked").exists():
            time.sleep(0.02)
        os.killpg(started.pid, signal.SIGKILL)
    (checkout.bin / "slow").unlink()
    checkout.asked()
    (checkout.folder / ".venv" / "half").touch()

    assert checkout.run("status")[:2] == (0, "ran: status\n")
    assert checkout.asked() == FIRST
    assert not (checkout.folder / ".venv" / "half").exists()


def test_two_starts_at_once_make_one_environment(checkout: Checkout) -> None:
    (checkout.bin / "slow").touch()
    with checkout.start("status") as first:
        while not (checkout.bin / "asked").exists():
            time.sleep(0.02)
        with checkout.start("pull") as second:
            assert second.stderr is not None
            waiting = second.stderr.readline()
            (checkout.bin / "slow").unlink()
            told = second.communicate(timeout=30)[0], first.communicate(timeout=30)[0]

    assert "another start is making .venv" in waiting
    assert told == ("ran: pull\n", "ran: status\n")
    assert checkout.asked() == FIRST


def test_a_missing_ensurepip_is_told_with_its_package(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.put("python3", BARE_PYTHON)

    code, out, err = checkout.run("demo")

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (code, out) == (1, "")
    assert f"apt install python{version}-venv" in err
    assert not (checkout.folder / ".venv").exists()


def test_a_missing_python_is_told_with_its_package(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.put("python3", "#!/bin/sh\nexit 1\n")

    code, out, err = checkout.run("demo")

    assert (code, out) == (1, "")
    assert "no Python 3.11 or newer" in err
    assert "apt install python3 python3-venv" in err
