"""One org over simple-salesforce: it logs in and builds the requests, we own everything else.

Its own loops are not used: a repeated 401 on them logs in without end, and headers get lost on
the way (simple-salesforce 1.12).
"""

import re
import threading
import warnings
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import msgspec
import orjson
import requests
import simple_salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from connectors.budget import Budget
from connectors.errors import ConnectorError, Doubtful, Unauthorized, Unavailable
from connectors.salesforce import errors
from connectors.salesforce.config import Config
from connectors.transport import Wire, session

API_VERSION: Final = "66.0"
"""The version of the API that everything here is written for."""
READS: Final = {"GET", "HEAD"}
FIRST_BAD_STATUS: Final = 300
FINAL: Final = {400, 401, 403, 404, 410}
"""After these nothing is to be hoped for from trying again."""
BUSY: Final = {"unknown_error", "server_error", "temporarily_unavailable", "rate_limit_exceeded"}
DAY_S: Final = 86_400.0
"""The org's calls are counted over any 24 hours, not from midnight."""
SHARE_SPENT: Final = "our share ({:.0%}) of the org's daily API calls is spent (api_share)"
LIMIT_INFO: Final = re.compile(r"(?<![\w-])api-usage=[0-9]{1,12}/([0-9]{1,12})")
T = TypeVar("T")


class Org(simple_salesforce.Salesforce):
    """An org. It logs in when first asked, and once more when its session is dead."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.day = Budget("day", None, DAY_S, why=SHARE_SPENT.format(config.api_share))
        self.wire = Wire(errors.SERVICE, origin=config.origin, budget=self.day)
        self._renewing = threading.Lock()
        super().__init__(
            session_id=config.access_token.get_secret_value(),
            instance_url=config.instance_url or f"https://{config.my_domain}.my.salesforce.com",
            version=API_VERSION,
            session=session(self.wire),
        )

    def send(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - the library's
        """Send one request to a path under this version, and return its good answer.

        Raise `ConnectorError`; after a write that broke off it is `Doubtful`.
        """
        return self._call_salesforce(method, self.base_url + path, **more)

    def follow(self, path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - the library's
        """Read a path that an answer named, from the root of the site."""
        return self._call_salesforce("GET", f"https://{self.sf_instance}{path}", **more)

    def read(self, path: str, shape: type[T], **more: Any) -> T:  # noqa: ANN401 - the library's
        """Return what stands at a path, in this shape."""
        return decoded(self.send("GET", path, **more), msgspec.json.Decoder(shape))

    def parse_result_to_json(self, result: requests.Response) -> Any:  # noqa: ANN401 - any JSON
        """Return the JSON of an answer. Raise where it is none."""
        try:
            return orjson.loads(result.content)
        except orjson.JSONDecodeError:
            raise unreadable(result) from None

    def login(self) -> None:
        """Begin a session, whether there is one or not. Raise `Unauthorized` or `Unavailable`."""
        self._renew(self.session_id)

    def _call_salesforce(
        self,
        method: str,
        url: str,
        name: str = "",
        retries: int = 0,
        max_retries: int = 1,
        **kwargs: Any,  # noqa: ANN401 - what requests takes
    ) -> requests.Response:
        """Send one request; where the session is dead, begin one and send it once more."""
        del name, retries, max_retries
        token = self.session_id or self._renew("")
        response = self._sent(method, url, token, kwargs)
        if response.status_code == errors.UNAUTHORISED_STATUS:
            response = self._sent(method, url, self._renew(token), kwargs)
        self._note_usage(response)
        if response.status_code >= FIRST_BAD_STATUS:
            raise self._told(response)
        return response

    def _told(self, response: requests.Response) -> ConnectorError:
        """Return the error that an answer stands for; where the org's day is spent, wait."""
        error = errors.for_answer(response.status_code, response.content)
        if isinstance(error, Unavailable) and error.retry_after_s:
            self.day.pause(error.retry_after_s)
        return error

    def _sent(self, method: str, url: str, token: str, more: dict[str, Any]) -> requests.Response:
        rest = dict(more)
        ours = {"X-PrettyPrint": "0", "Authorization": f"Bearer {token}"}
        headers = {**self.headers, **ours, **(rest.pop("headers", None) or {})}
        return self.session.request(method, url, headers=headers, **rest)

    def _note_usage(self, response: requests.Response) -> None:
        """Note how many calls a day the org has: our share of them is our budget."""
        if found := LIMIT_INFO.search(response.headers.get("Sforce-Limit-Info", "")):
            self.day.calls = max(int(int(found[1]) * self.config.api_share), 1)

    def _renew(self, dead: str) -> str:
        """Return a live token. Of many threads that found the same one dead, one logs in."""
        with self._renewing:
            if self.session_id and self.session_id != dead:
                return self.session_id
            if self.config.access_token.get_secret_value():
                problem = "the access token is not valid any more: give client_id and a secret"
                raise Unauthorized(errors.SERVICE, problem)
            token, instance = _login(self.config, self.session)
            self.session_id, self.sf_instance = token, instance
            self.base_url = f"https://{instance}/services/data/v{API_VERSION}/"
            return token


def decoded(response: requests.Response, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the answer's body in the decoder's shape.

    Raise `ConnectorError` where it holds errors in spite of its status, is HTML, or broke off.
    """
    try:
        return decoder.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise unreadable(response) from None


def unreadable(response: requests.Response) -> ConnectorError:
    """Return the error for an answer of a good status that does not say what was asked."""
    if errors.is_error(response.content):
        return errors.for_answer(response.status_code, response.content)
    problem = f"it answered with something else than JSON (HTTP {response.status_code})"
    if response.request.method in READS:
        return Unavailable(errors.SERVICE, problem)
    return Doubtful(errors.SERVICE, problem)


def server_time(response: requests.Response) -> datetime | None:
    """Return the server's time as the answer tells it."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return None


def _login(config: Config, with_session: requests.Session) -> tuple[str, str]:
    """Return a new token and the instance it is good for."""
    try:
        with warnings.catch_warnings(action="ignore"):
            token, instance = simple_salesforce.SalesforceLogin(
                session=with_session, consumer_key=config.client_id, **_way_in(config)
            )
    except Doubtful as error:  # nothing is lost by asking for a token twice
        raise Unavailable(errors.SERVICE, error.problem) from None
    except ConnectorError:
        raise
    except SalesforceAuthenticationFailed as error:
        raise _denied(error.code) from None
    except (AttributeError, KeyError, TypeError):  # the library did not look at what it got
        raise Unavailable(errors.SERVICE, "logging in was answered with nonsense") from None
    except Exception as error:  # noqa: BLE001 - whatever the library and PyJWT raise
        problem = f"logging in failed ({type(error).__name__}): check the key and my_domain"
        raise Unauthorized(errors.SERVICE, problem) from None
    if not token or not isinstance(token, str):
        raise Unavailable(errors.SERVICE, "it gave no access token")
    return token, str(instance)


def _way_in(config: Config) -> dict[str, Any]:
    if secret := config.client_secret.get_secret_value():
        return {"consumer_secret": secret, "domain": f"{config.my_domain}.my"}
    return {
        "username": config.username,
        "privatekey": config.private_key.get_secret_value(),
        "instance_url": f"{config.my_domain}.my",
        "domain": "test" if ".sandbox" in config.my_domain else "login",
    }


def _denied(code: object) -> ConnectorError:
    """Return the error that a refused login stands for; HTML comes with its status as code."""
    if code is None or code in BUSY or (isinstance(code, int) and code not in FINAL):
        return Unavailable(errors.SERVICE, f"logging in is not possible now ({code})")
    known = str(code) if str(code).replace("_", "").isalnum() else "no code"
    problem = f"logging in was refused ({known}): check client_id, its secret or key, and my_domain"
    return Unauthorized(errors.SERVICE, problem)
