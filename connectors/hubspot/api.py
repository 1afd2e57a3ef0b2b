"""HubSpot's API, spoken through hubspot-api-client: its token and its requests, our wire.

The client's generated methods speak only paths that HubSpot switches off in 2027, and its
models cost twenty times what reading the bytes costs. So we use its one way to call any path,
and read the answers ourselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3

from connectors.budget import Budget
from connectors.errors import ConnectorError, Doubtful, Refused, Unavailable
from connectors.hubspot.config import Config
from connectors.hubspot.shapes import Batch, Plain
from connectors.hubspot.told import SERVICE, error_of, error_of_item, ids_of
from connectors.ports import Outcome
from connectors.transport import Wire

VERSION: Final = "2026-09"
OBJECTS: Final = f"/crm/objects/{VERSION}"
ASSOCIATIONS: Final = f"/crm/associations/{VERSION}"
PROPERTIES: Final = f"/crm/properties/{VERSION}"
OWNERS: Final = f"/crm/owners/{VERSION}"
ACCOUNT: Final = f"/account-info/{VERSION}/details"
BATCH: Final = 100
SLACK: Final = 1.05
"""Our ten seconds are a little longer than HubSpot's: requests bunch up on their way."""
TRIES_WHEN_TOO_FAST: Final = 3
SEARCH_WAIT_MAX_S: Final = 1.0
"""A longer one is not about searches alone: so says the policy in the answer."""
OK: Final = range(200, 300)

Shape = TypeVar("Shape")


class Answer(NamedTuple):
    """An answer's body, and the server's time."""

    body: bytes
    date: datetime | None

    def read(self, decoder: "msgspec.json.Decoder[Shape]") -> Shape:
        """Return the body, read. Raise `Unavailable` where it is cut or something else."""
        try:
            return decoder.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unavailable(SERVICE, "its answer cannot be read") from None


class Api:
    """The calls to one account."""

    def __init__(self, config: Config) -> None:
        self.budget = Budget("calls", config.calls_per_10_s, 10 * SLACK)
        self.searches = Budget("searches", config.searches_per_s, SLACK)
        self.wire = Wire(SERVICE, origin=config.origin, budget=self.budget)
        self._client = _client(config.access_token.get_secret_value().strip())
        self._client.rest_client.pool_manager = _Judged(self.wire, self.searches)

    def get(self, path: str, **query: str) -> Answer:
        """Read something. Raise a `ConnectorError`."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Write something, or read by a body. Raise a `ConnectorError`."""
        return self._call("POST", path, body)

    def put_each(self, path: str, inputs: Mapping[str, Mapping[str, Any]]) -> "Put":
        """Write inputs in batches; `inputs` are by their trace ids, which are ours.

        Where HubSpot refuses a batch as a whole, its halves are tried: a bad item never stops
        the others.
        """
        put = Put({}, {})
        for part in _parts(list(inputs), BATCH):
            self._put(path, {trace: inputs[trace] for trace in part}, put)
        return put

    def read_each(self, path: str, ids: Sequence[str], properties: Sequence[str]) -> Batch[Plain]:
        """Read records by their ids; the errors say which are not there."""
        found: list[Plain] = []
        errors: list[dict[str, Any]] = []
        for part in _parts(ids, BATCH):
            asked = {
                "inputs": [{"id": id_} for id_ in part],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            batch = self.post(f"{path}/batch/read", asked).read(PLAIN)
            found += batch.results
            errors += batch.errors
        return Batch(found, errors)

    def _put(self, path: str, inputs: Mapping[str, Mapping[str, Any]], put: "Put") -> None:
        body = {"inputs": [{**one, "objectWriteTraceId": key} for key, one in inputs.items()]}
        try:
            batch = self.post(path, body).read(PLAIN)
        except Refused as error:
            if len(inputs) == 1:
                put.outcomes[next(iter(inputs))] = Outcome(error=error)
                return
            for part in _parts(list(inputs), (len(inputs) + 1) // 2):
                self._put(path, {trace: inputs[trace] for trace in part}, put)
            return
        put.take(batch, inputs)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        for left in reversed(range(TRIES_WHEN_TOO_FAST)):
            try:
                answer = self._client.call_api(
                    path, method, body=body, auth_settings=["oauth2"], _preload_content=False
                )
            except _TooFast as refused:
                search = path.endswith("/search") and refused.wait_s <= SEARCH_WAIT_MAX_S
                (self.searches if search else self.budget).pause(refused.wait_s)
                if left == 0 or refused.wait_s > self.budget.patience_s:
                    raise refused.told from None
            else:
                return Answer(answer.data, _date(answer.headers.get("Date")))
        raise AssertionError  # the last try returned or raised


class Put(NamedTuple):
    """How the inputs of a batch ended, by their trace ids, with what HubSpot said of them."""

    outcomes: dict[str, Outcome]
    errors: dict[str, Mapping[str, Any]]

    def take(self, batch: Batch[Plain], inputs: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the outcome of each input that was sent."""
        for told in batch.errors:
            for trace in ids_of(told):
                self.errors[trace] = told
                self.outcomes[trace] = Outcome(error=error_of_item(told))
        by_id = {one["id"]: trace for trace, one in inputs.items() if "id" in one}
        for row in batch.results:
            self.outcomes[row.object_write_trace_id or by_id.get(row.id, "")] = Outcome(row.id)
        unnamed = Unavailable(SERVICE, "it did not say what became of this one")
        for trace in inputs:
            self.outcomes.setdefault(trace, Outcome(error=unnamed))


PLAIN: Final = msgspec.json.Decoder(Batch[Plain])


class _TooFast(Exception):
    """A 429: nothing was accepted, and after a while it would be."""

    def __init__(self, told: Unavailable) -> None:
        super().__init__(str(told))
        self.told = told
        self.wait_s = told.retry_after_s or 1.0


class _Judged:
    """Our wire as the client's pool manager; it lets no answer of failure through.

    The client would make an error with the body in it, or choke on one that is no UTF-8.
    """

    def __init__(self, wire: Wire, searches: Budget) -> None:
        self.wire = wire
        self.searches = searches

    def request(self, method: str, url: str, **sent: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401 - the client's own
        if url.endswith("/search"):
            self.searches.spend(SERVICE)
        try:
            answer = self.wire.request(
                method, url, body=sent.get("body"), headers=sent.get("headers")
            )
        except Doubtful as error:
            if url.endswith(("/search", "/read")):
                raise Unavailable(SERVICE, error.problem) from None
            raise
        if answer.status in OK:
            return answer
        raise _raised(error_of(answer.status, answer.headers, answer.data), answer.status)


def turn(asked: dict[str, str], after: str) -> None:
    """Ask for the next page. Raise `Unavailable` where it is the one that we have just read."""
    if asked.get("after") == after:
        raise Unavailable(SERVICE, "its pages go round in circles")
    asked["after"] = after


def _raised(error: ConnectorError, status: int) -> Exception:
    return _TooFast(error) if status == 429 and isinstance(error, Unavailable) else error  # noqa: PLR2004


def _client(token: str) -> Any:  # noqa: ANN401 - the client has no types
    """Build the client's one ApiClient; its attributes would build a new one each."""
    import hubspot  # noqa: PLC0415 - a quarter of a second that only those who call it spend

    return hubspot.HubSpot(access_token=token).crm.contacts.basic_api.api_client


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC)
    except ValueError:
        return None


def _parts(items: Sequence[str], size: int) -> Iterator[list[str]]:
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
