"""The real web application on a real server, and a person who presses its buttons."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode

import pytest
import urllib3

from connectors.sandbox.server import running
from loop.app import Purpose
from loop.models import Referral, Survey
from loop.store import Store
from loop.web import application
from tests.loop.conftest import World, make_world

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Browser:
    """Opens and posts our pages, as a browser without JavaScript does."""

    world: World
    url: str
    pool: urllib3.PoolManager

    def get(self, path: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
        """Open a page."""
        return self.pool.request(method, self.url + path, redirect=False)

    def post(self, path: str, **fields: str | int) -> urllib3.BaseHTTPResponse:
        """Send a form and follow where it leads."""
        answer = self.pool.request(
            "POST", self.url + path, body=urlencode(fields), headers=FORM, redirect=False
        )
        return self.get(answer.headers["location"]) if answer.status == 303 else answer

    def path(self, purpose: Purpose) -> str:
        """Return the path of the only survey's (or referral's) link."""
        model = Referral if purpose is Purpose.REFER else Survey
        row = self.world.only(model)
        return f"/{purpose[0]}/{self.world.app.keys.token(purpose, row.id)}"


def words_of(html: bytes) -> str:
    """Return what a person reads on a page."""
    text = re.sub(r"<(style|script|head).*?</\1>", " ", html.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.fixture
def browser(store: Store) -> Iterator[Browser]:
    """Give a person with a survey in the inbox."""
    world = make_world(store)
    world.add_owner()
    world.add_account(owner_id="o1")
    world.add(account_id="a1", owner_id="o1")
    world.ask()
    with running(application(world.app)) as url, urllib3.PoolManager(retries=False) as pool:
        yield Browser(world, url, pool)
