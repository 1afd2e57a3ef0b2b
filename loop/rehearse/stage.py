"""Sets up what a rehearsal needs: services with faults, an empty database, a door for pages."""

import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from connectors.sandbox.faults import Fault
from connectors.sandbox.faults import Kind as Wrong
from loop.app import App, build, utc_now
from loop.config import Config
from loop.demo import worlds
from loop.demo.worlds import PLENTY, Services
from loop.rehearse import diary
from loop.store import Store

REFUSED: Final = 0.03
"""The share of calls that a service turns away."""
LOST: Final = 0.05
"""The share of answers that get lost after the service did what was asked."""
EVENTS_LOST: Final = 0.02
OFTEN: Final = {"pull_s": 3, "choose_s": 3, "deliver_s": 3600, "close_s": 3, "tidy_s": 1}
"""When jobs run. Lanes are drained without end, so that hardly any time goes without."""
BACKLOG: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a rehearsal takes place."""

    services: Services
    settings: dict[str, Any]
    """The configuration, as every worker gets it."""
    store: Store
    listener: socket.socket
    """Where our pages are asked for: it outlives whoever serves them."""

    def app(self, now: Callable[[], datetime] = utc_now) -> App:
        """Return the app; its store is the caller's to close."""
        return build(Config.model_validate(self.settings), self.settings["secret"], now=now)

    def heal(self) -> None:
        """Let every service be well again."""
        for one in (self.services.salesforce, self.services.hubspot, self.services.mail):
            one.faults.clear()
        self.services.mail.events_lost = 0.0


@contextmanager
def set_up(seed: int, database_url: str = "") -> Iterator[Stage]:
    """Set up a stage; without an address on a SQLite file, and remove all of it at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="npsloop-kill-")))
        setting = worlds.Setting(
            seed=seed, folder=folder, friendly=False, per_account_max=PLENTY, per_day_max=PLENTY
        )
        services = stack.enter_context(worlds.running_services(setting))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=BACKLOG))
        services.sites["pages"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = worlds.config(setting, services)
        settings["schedule"] = OFTEN
        if database_url:
            settings["database"]["url"] = stack.enter_context(_database(database_url))
        store = Store(settings["database"]["url"])
        stack.callback(store.close)
        store.upgrade()
        diary.begin(store)
        services.mail.webhook = f"{services.sites['pages']}/hooks/mail"
        _trouble(services)
        yield Stage(services=services, settings=settings, store=store, listener=listener)


@contextmanager
def _database(url: str) -> Iterator[str]:
    """Make a database of our own beside the one named, and drop it at the end."""
    name = f"npsloop_rehearsal_{uuid.uuid4().hex[:12]}"
    asked = make_url(url).set(drivername="postgresql+psycopg")
    admin = create_engine(asked, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        admin.dispose()


def _trouble(services: Services) -> None:
    for one in (services.salesforce, services.hubspot, services.mail):
        one.faults.add(Fault(kind=Wrong.STATUS, status=503, share=REFUSED))
        one.faults.add(Fault(kind=Wrong.LOST, share=LOST))
    services.mail.events_lost = EVENTS_LOST
