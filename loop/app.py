"""Everything a stage may reach for, built once."""

import hashlib
import hmac
import os
import secrets
import socket
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from connectors.budget import Keeper
from connectors.ports import Crm, Mailer
from connectors.registry import connect
from loop import budgets, resources
from loop.config import Config, Database
from loop.letters import Letters
from loop.states import MAIL
from loop.store import Store

TOKEN_BYTES = 16


class Purpose(StrEnum):
    """What a link's token is good for; a token serves one purpose."""

    ANSWER = "answer"
    LEAVE = "leave"
    REFER = "refer"
    SHOW = "show"


class Keys:
    """Tokens for links, and the keyed hash of addresses, from the installation's secret.

    A token is 128 bits of HMAC-SHA-256 over its purpose and its row's id: whoever does not have
    the secret cannot tell it from chance, and it need not be kept to be written into a mail.
    """

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod="sha256")

    def token(self, purpose: Purpose, row_id: str) -> str:
        """Return the token for a link, 22 characters."""
        digest = self._mac(f"{purpose}:{row_id}")[:TOKEN_BYTES]
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def hash_of(self, purpose: Purpose, row_id: str) -> str:
        """Return what the database holds of a token."""
        return hash_of(self.token(purpose, row_id))

    def address(self, email: str) -> str:
        """Return the keyed hash under which an address is suppressed."""
        return self._mac(f"address:{email}").hex()

    def _mac(self, words: str) -> bytes:
        mac = self._keyed.copy()
        mac.update(words.encode())
        return mac.digest()


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token, as the database has it."""
    return hashlib.sha256(token.encode()).hexdigest()


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def _worker() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything a stage may reach for."""

    config: Config
    store: Store
    crms: Mapping[str, Crm]
    """By name, in the order of the configuration."""
    mailer: Mailer
    letters: Letters
    keys: Keys
    now: Callable[[], datetime] = utc_now
    worker: str = field(default_factory=_worker)
    """Who we are in the rows that we hold: another at each start, also with the same number."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process is to end: long work stops after the page or batch in hand."""

    def link(self, purpose: Purpose, row_id: str) -> str:
        """Return the address that a person opens for this purpose."""
        token = self.keys.token(purpose, row_id)
        path = f"/s/{row_id}/{token}" if purpose is Purpose.SHOW else f"/{purpose[0]}/{token}"
        return self.config.address(path)


def build(
    config: Config,
    secret: str,
    *,
    store: Store | None = None,
    now: Callable[[], datetime] = utc_now,
    keeper: Keeper | None = None,
) -> App:
    """Build the app that a configuration describes; nothing is called and nothing migrated.

    Rate budgets are kept in the database, unless another keeper is given. Raises
    `connectors.registry.UnknownType` and pydantic's ValidationError for connectors.
    """
    store = store or _store(config.database)
    keeper = keeper or budgets.keeper(store)
    crms = [cast("Crm", connect(one.own(), keeper=keeper)) for one in config.crms]
    return App(
        config=config,
        store=store,
        crms={crm.name: crm for crm in crms},
        mailer=cast("Mailer", connect(config.mailer.own(), MAIL, keeper)),
        letters=Letters(config.templates, builtin=resources.templates()),
        keys=Keys(secret),
        now=now,
    )


def _store(settings: Database) -> Store:
    password = settings.password.get_secret_value() if settings.password else None
    return Store(settings.url, password, pooler=settings.pooler)
