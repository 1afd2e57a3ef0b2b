"""What `npsloop doctor` looks at; each check ends with the next command where it failed."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import update

from connectors.errors import ConnectorError, Unauthorized
from connectors.ports import Check, Crm, Mailer
from connectors.transport import CLOCK_SKEW_S, Wire
from loop import resources
from loop.app import App
from loop.cli.opened import mended
from loop.cli.scene import MAILS, PAGES, Scene, scene
from loop.config import Config, Mendable, origin
from loop.config.read import SECRET_FILE
from loop.models import JobRun
from loop.store import table

HERE: Final = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
EXAMPLES: Final = (".example", "example.com", "example.org", "example.net")
SKEW_MAX_S: Final = 60
REACH_S: Final = 5
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
OURS: Final = "public url"
OK: Final = 200
THANKS: Final = (3, 8, 10)

Looked = tuple[str, Check]
"""What is looked at (`database`, `salesforce`), and what was found."""


def look(app: App, config_path: Path) -> Iterator[Looked]:
    """Look at everything, changing nothing; what needs a call to others comes last."""
    for group, checks in (
        ("configuration", settings(app.config)),
        ("secrets", secrets(config_path)),
        ("database", database(app)),
        ("templates", templates(app)),
        ("pages", public_url(app.config)),
    ):
        for check in checks:
            yield group, check
    connectors: dict[str, Crm | Mailer] = {"mailer": app.mailer, **app.crms}
    for name, connector in connectors.items():
        for check in connected(connector):
            yield name, check
    for check in clock():
        yield "clock", check


def settings(config: Config) -> Iterator[Check]:
    """Look for what every installation has to set."""
    domain = config.sender.email.rpartition("@")[2]
    real = bool(domain) and not domain.endswith(EXAMPLES)
    yield _check("sender", real, config.sender.email, "set sender.email to an address of yours")
    address = bool(config.company.postal_address)
    found = "stands at the foot of each mail" if address else "none; many laws ask for one"
    yield _check("postal address", address, found, "set company.postal_address")
    crms = ", ".join(crm.type for crm in config.crms) or "none"
    yield _check("CRMs", bool(config.crms), crms, "npsloop init, or add one under crms")
    programs = ", ".join(config.programs) or "none"
    yield _check("programs", bool(config.programs), programs, "add one under programs")


def secrets(config_path: Path) -> Iterator[Check]:
    """Look whether others on this machine can read what only we may know."""
    files = {config_path.absolute().parent / SECRET_FILE}
    for each in origin.settings(config_path):
        if each.value == origin.MASK and each.origin.startswith("file "):
            files.add(Path(each.origin.removeprefix("file ")))
        elif each.value == origin.MASK and each.origin.startswith(str(config_path)):
            files.add(config_path)
    for path in sorted(files):
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            yield _check(path.name, not mode & OTHERS, f"mode {mode:04o}", f"chmod 600 {path}")


def database(app: App) -> Iterator[Check]:
    """Look whether the database answers, is of this version, and can be written."""
    file = Path(app.store.url.database or "")
    if app.store.lite and not file.exists():
        there = os.access(file.parent, os.W_OK)
        found = "the first start makes it" if there else "its folder cannot be written"
        yield _check("file", there, found, f"make {file.parent} a folder of this user's")
        return
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("reachable", lambda: _reached(app)),
        ("migrated", lambda: _migrated(app)),
        ("writable", lambda: _written(app)),
    )
    for name, step in steps:
        try:
            with mended(app.store):
                found = step()
        except Mendable as error:
            problem, _, remedy = str(error).rpartition(": ")
            yield _check(name, passed=False, found=problem, remedy=remedy)
            return
        yield _check(name, passed=True, found=found)


def _reached(app: App) -> str:
    app.store.revision()
    return app.store.url.render_as_string(hide_password=True)


def _migrated(app: App) -> str:
    if not (app.store.lite and app.store.empty()):
        app.store.check()
    return f"at {app.store.revision() or 'nothing: the first start makes the tables'}"


def _written(app: App) -> str:
    jobs = table(JobRun)
    with app.store.write() as session:
        if app.store.revision() is None:
            return "the first start makes the tables"
        session.connection().execute(update(jobs).where(jobs.c.name == "").values(problem=""))
    return "it takes a write"


def templates(app: App) -> Iterator[Check]:
    """Render every mail and page, in every language that there are files for."""
    for language in ("", *_languages(app.config)):
        wrong = list(dict.fromkeys(_mistakes(app, language)))
        name = f"mails and pages{f' in {language}' if language else ''}"
        for mistake in wrong:
            remedy = "mend the file, then npsloop preview mail or page"
            yield _check(name, passed=False, found=mistake, remedy=remedy)
        if not wrong:
            yield _check(name, passed=True, found=f"all {len(MAILS) + len(PAGES)} render")


def _languages(config: Config) -> list[str]:
    places = [resources.templates(), *([config.templates] if config.templates else [])]
    return sorted({each.name for place in places for each in place.glob("*/*") if each.is_dir()})


def _mistakes(app: App, language: str) -> Iterator[str]:
    views: list[Callable[[Scene], object]] = [
        *(lambda played, name=name: played.mail(name) for name in MAILS),
        *(lambda played, name=name: played.page(name) for name in PAGES),
        *(lambda played, score=score: played.page("thanks", score) for score in THANKS),
    ]
    for view in views:
        try:
            with scene(app, locale=language) as played:
                view(played)
        except Mendable as error:
            yield str(error)


def public_url(config: Config) -> Iterator[Check]:
    """Look whether customers reach the pages: encrypted, and from here at least."""
    url, host = str(config.public_url), config.public_url.host or ""
    here = host in HERE
    found = f"{url} (this machine only)" if here else url
    safe = here or config.public_url.scheme == "https"
    yield _check("https", safe, found, "put a proxy with a certificate in front, set public_url")
    problem = _reach(config.address("/healthz"))
    if here and problem:
        yield _check("reachable", passed=True, found="nobody listens yet: npsloop run")
        return
    remedy = "npsloop run, and look at the proxy and at public_url"
    yield _check("reachable", not problem, problem or "it answers", remedy)


def _reach(url: str) -> str:
    """Return why a page does not answer; nothing where it does."""
    wire = Wire(OURS, read_timeout_s=REACH_S)
    try:
        status = wire.request("GET", url).status
    except ConnectorError as error:
        return error.problem
    finally:
        wire.close()
    return "" if status == OK else f"it answers {status}"


def connected(connector: Crm | Mailer) -> Iterator[Check]:
    """Let a connector look at its own service."""
    try:
        yield from connector.checks()
    except ConnectorError as error:
        yield Check(
            name="answers",
            passed=False,
            found=error.problem,
            remedy="look at its settings, then npsloop doctor",
            unauthorized=isinstance(error, Unauthorized),
        )


def clock() -> Iterator[Check]:
    """Hold our clock against the services' that answered."""
    skews = {service: skew for service, skew in CLOCK_SKEW_S.items() if service != OURS}
    if skews:
        service, skew = max(skews.items(), key=lambda item: abs(item[1]))
        found = f"{skew:+.0f} s beside that of {service}"
        yield _check("right", abs(skew) <= SKEW_MAX_S, found, "timedatectl set-ntp true")


def _check(name: str, passed: bool, found: str, remedy: str = "") -> Check:  # noqa: FBT001 - as Check
    return Check(name=name, passed=passed, found=found, remedy="" if passed else remedy)
