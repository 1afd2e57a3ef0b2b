"""Starts what a demo needs, on 127.0.0.1: two CRMs, a mail provider, our pages and a database."""

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from connectors.sandbox.hubspot import HubSpotSandbox
from connectors.sandbox.salesforce import CLIENT_ID, CLIENT_SECRET, SalesforceSandbox
from connectors.sandbox.sendgrid import SendGridSandbox
from connectors.sandbox.server import running
from loop import resources
from loop.app import App, build
from loop.config import Config, Mendable
from loop.demo.fill import Records
from loop.demo.people import HUBSPOT, SALESFORCE, owner_email
from loop.web import application

PORTS: Final = {"pages": 8025, "mail": 8026, SALESFORCE: 8027, HUBSPOT: 8028}
PLENTY: Final = 1_000_000
EVERY_DAYS: Final = 90
DATABASE: Final = "npsloop.db"


@dataclass(frozen=True, kw_only=True)
class Services:
    """The services that are played."""

    salesforce: SalesforceSandbox
    hubspot: HubSpotSandbox
    mail: SendGridSandbox
    records: Records
    sites: dict[str, str]
    """Where each server is: `mail`, `salesforce`, `hubspot`, and `pages` once they are served."""


@dataclass(frozen=True, kw_only=True)
class World(Services):
    """Everything that a demo plays with."""

    app: App


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a world is to be."""

    seed: int
    folder: Path
    friendly: bool = True
    """Take ports that can be remembered, where they are free."""
    per_account_max: int = 6
    per_day_max: int = PLENTY


@contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    """Give a folder to work in: one that is removed at the end, or one to keep."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="npsloop-demo-") as made:
            yield Path(made)
        return
    keep = keep.resolve()
    keep.mkdir(parents=True, exist_ok=True)
    for left in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        if (keep / left).exists():
            message = f"--keep {keep}: a database is there already; name another folder"
            raise Mendable(message)
    yield keep


@contextmanager
def running_world(setting: Setting) -> Iterator[World]:
    """Start a world, empty of people, and stop it at the end."""
    with ExitStack() as stack:
        services = stack.enter_context(running_services(setting))
        pages = _port("pages", setting) or _any_port()
        services.sites["pages"] = f"http://127.0.0.1:{pages}"
        made = config(setting, services)
        secret = made["secret"]
        _write(setting.folder / "config.yaml", made)
        app = build(Config.model_validate(made), secret)
        stack.callback(app.store.close)
        app.store.upgrade()
        stack.enter_context(running(application(app), pages))
        services.mail.webhook = f"{services.sites['pages']}/hooks/mail"
        yield World(app=app, **vars(services))


@contextmanager
def running_services(setting: Setting) -> Iterator[Services]:
    """Start the services, empty of people, and stop them at the end."""
    salesforce, hubspot = SalesforceSandbox(setting.seed), HubSpotSandbox(setting.seed)
    hubspot.state.rate = None
    salesforce.state.daily_max = PLENTY
    with ExitStack() as stack:
        mail = stack.enter_context(SendGridSandbox(setting.seed))
        played = {
            "mail": mail.application,
            SALESFORCE: salesforce.application,
            HUBSPOT: hubspot.application,
        }
        yield Services(
            salesforce=salesforce,
            hubspot=hubspot,
            mail=mail,
            records=Records(salesforce, hubspot),
            sites={
                name: stack.enter_context(running(application_, _port(name, setting)))
                for name, application_ in played.items()
            },
        )


COMPANY: Final = {
    "name": "Acorn Software",
    "product": "Acorn Desk",
    "postal_address": "Acorn Software, 1 Example Street, Example Town",
}
"""Who asks, in the demo: a company that does not exist."""


def config(setting: Setting, services: Services) -> dict[str, Any]:
    """Return the configuration: the example's, at demo speed and with the sandbox's addresses."""
    sites, mail = services.sites, services.mail
    example = yaml.safe_load(resources.example().read_text("utf-8")) or {}
    ours = {
        "public_url": sites["pages"],
        "secret": hashlib.sha256(f"npsloop demo {setting.seed}".encode()).hexdigest(),
        "database": {"url": f"sqlite:///{setting.folder / DATABASE}"},
        "crms": _crms(sites),
        "mailer": {
            "type": "sendgrid",
            "origin": sites["mail"],
            "api_key": mail.api_key,
            "webhook_public_key": [mail.public_key],
        },
        "company": COMPANY,
        "programs": {
            "relationship": {"kind": "relationship", "every_days": EVERY_DAYS},
            "support": {"kind": "touchpoint", "event": "case_closed", "delay_hours": 0},
        },
        "ask": {
            "per_account_max": setting.per_account_max,
            "per_day_max": setting.per_day_max,
            "seed": setting.seed,
        },
        "follow_up": {
            "wait_minutes": 0,
            "fallback_owner": {crm: owner_email(crm, 0) for crm in (SALESFORCE, HUBSPOT)},
        },
        "refer": {"wait_minutes": 0},
        "web": {"port": int(sites["pages"].rpartition(":")[2])},
    }
    return _over(example, ours)


def _crms(sites: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "type": SALESFORCE,
            "origin": sites[SALESFORCE],
            "my_domain": "demo",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "product_field": "Product__c",
            "locale_field": "Language__c",
        },
        {
            "type": HUBSPOT,
            "origin": sites[HUBSPOT],
            "access_token": "demo",
            "calls_per_10_s": PLENTY,
            "searches_per_s": PLENTY,
            "product_property": "product",
        },
    ]


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of settings over another; programs and lists take the other's place."""
    merged = dict(below)
    for name, value in above.items():
        nested = isinstance(value, dict) and isinstance(merged.get(name), dict)
        whole = name in {"programs", "mailer"}
        merged[name] = _over(merged[name], value) if nested and not whole else value
    return merged


def _write(path: Path, made: Mapping[str, Any]) -> None:
    """Write the configuration, for its owner alone, so that other commands can use it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yaml.safe_dump(dict(made), file, sort_keys=False, allow_unicode=True)


def _port(name: str, setting: Setting) -> int:
    """Return the friendly port where it is wanted and free, else 0 for any."""
    if not setting.friendly:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORTS[name]))
        except OSError:
            return 0
    return PORTS[name]


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
