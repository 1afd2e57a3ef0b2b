"""The one way out: in time, once, within the budget, and without telling anybody's data."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import urllib3
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.budget import Budget
from connectors.errors import Doubtful, Refused, Unauthorized, Unavailable, error_for
from connectors.sandbox.faults import Fault, Faults, Kind
from connectors.transport import Wire, retry_after_s, session
from tests.stage import Stage, built


@dataclass
class Service:
    """A service that counts its calls, with its faults in front."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    faults: Faults | None = None

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.method)
        if request.url.path == "/moved":
            return RedirectResponse("/elsewhere")
        answer = {
            "path": request.url.path,
            "query": request.url.query,
            "body": (await request.body()).decode(),
            "agent": request.headers.get("user-agent", ""),
        }
        return JSONResponse(answer, headers={"Set-Cookie": "seen=1", "X-Told": "ä".encode().hex()})

    def fail(self, **fault: object) -> None:
        assert self.faults is not None
        self.faults.add(Fault(**fault))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with built() as stage:
        yield stage


@pytest.fixture
def service(stage: Stage) -> Iterator[Service]:
    made = Service()
    methods = ["GET", "POST", "PATCH", "DELETE"]
    made.faults = Faults(Starlette(routes=[Route("/{rest:path}", made.answer, methods=methods)]))
    with stage.playing(made.faults) as made.url:
        yield made


@pytest.fixture
def wire(service: Service) -> Iterator[Wire]:
    wire = Wire("crm", origin=service.url, read_timeout_s=0.3)
    yield wire
    wire.close()


def test_every_address_becomes_the_origins(service: Service, wire: Wire) -> None:
    answer = wire.request("GET", "https://api.crm.example/v1/contacts?q=1%202")

    assert answer.json()["path"] == "/v1/contacts"
    assert answer.json()["query"] == "q=1%202"


def test_without_an_origin_an_address_stays_as_it_is(service: Service) -> None:
    assert Wire("crm").request("GET", f"{service.url}/here").json()["path"] == "/here"


def test_connections_are_kept(service: Service, wire: Wire) -> None:
    for _ in range(10):
        wire.request("POST", "/", body=b"x")

    [pool] = [wire._pool.pools[key] for key in wire._pool.pools.keys()]  # noqa: SIM118 - no dict
    assert (pool.num_connections, pool.num_requests) == (1, 10)


def test_any_status_is_an_answer(service: Service, wire: Wire) -> None:
    service.fail(kind=Kind.STATUS, status=503, body=b"later")

    answer = wire.request("GET", "/")

    assert (answer.status, answer.data) == (503, b"later")


def test_a_redirect_is_not_followed(service: Service, wire: Wire) -> None:
    assert wire.request("GET", "/moved").status == 307
    assert service.asked == ["GET"]


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOST])
def test_a_get_that_breaks_off_is_tried_again(service: Service, wire: Wire, kind: Kind) -> None:
    service.fail(kind=kind, times=2)

    assert wire.request("GET", "/").status == 200


def test_a_get_that_keeps_breaking_off_is_told(service: Service, wire: Wire) -> None:
    service.fail(kind=Kind.LOST)

    with pytest.raises(Unavailable):
        wire.request("GET", "/")

    assert service.asked == ["GET", "GET", "GET"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOST])
def test_what_writes_goes_once_and_leaves_a_doubt(
    service: Service, wire: Wire, method: str, kind: Kind
) -> None:
    service.fail(kind=kind)

    with pytest.raises(Doubtful):
        wire.request(method, "/", body=b"x")

    assert service.asked == ([method] if kind is Kind.LOST else [])


def test_an_answer_that_is_late_leaves_a_doubt_in_time(service: Service, wire: Wire) -> None:
    service.fail(kind=Kind.DELAY, delay_s=2.0)
    begun = time.monotonic()

    with pytest.raises(Doubtful):
        wire.request("POST", "/", body=b"x")

    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_there_is_no_doubt(method: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(Unavailable):
            Wire("crm").request(method, f"http://127.0.0.1:{port}/")


def test_half_an_answer_leaves_a_doubt() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        thread = threading.Thread(target=_half_an_answer, args=(listening,))
        thread.start()

        with pytest.raises(Doubtful):
            Wire("crm").request("POST", f"http://127.0.0.1:{port}/", body=b"x")
        thread.join()


def _half_an_answer(listening: socket.socket) -> None:
    line, _ = listening.accept()
    with line:
        line.recv(65_536)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def test_an_error_names_the_service_and_nobodys_data(service: Service, wire: Wire) -> None:
    service.fail(kind=Kind.RESET)

    with pytest.raises(Doubtful) as caught:
        wire.request("POST", "/contacts?email=ann@example.com", body=b"ann")

    assert str(caught.value).startswith("crm: ")
    assert "ann" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# requests


def test_a_session_speaks_over_the_wire(service: Service, wire: Wire) -> None:
    answer = session(wire).post(
        "https://crm.example/v1", params={"a": "b c"}, json={"name": "Änne"}, timeout=1
    )

    assert answer.status_code == 200
    assert answer.json()["query"] == "a=b+c"
    assert answer.json()["body"] == '{"name": "\\u00c4nne"}'
    assert answer.url == "https://crm.example/v1?a=b+c"
    assert answer.cookies["seen"] == "1"


def test_a_session_keeps_out_of_the_environment(
    service: Service, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert session(wire).get("https://crm.example/v1", timeout=1).ok


def test_a_session_lets_our_errors_through(service: Service, wire: Wire) -> None:
    service.fail(kind=Kind.RESET)

    with pytest.raises(Doubtful):
        session(wire).post("https://crm.example/v1", data=b"x", timeout=1)


def test_a_sessions_end_leaves_the_wire_open(service: Service, wire: Wire) -> None:
    with session(wire) as first:
        first.get("https://crm.example/v1", timeout=1)

    assert wire.request("GET", "/").status == 200


def test_a_wire_stands_in_for_a_pool_manager(service: Service, wire: Wire) -> None:
    answer = wire.request(
        "GET",
        "https://api.crm.example/",
        headers={"User-Agent": "library"},
        preload_content=False,
        timeout=urllib3.Timeout(0.001),
        retries=9,
    )

    assert answer.json()["agent"] == "library"


def test_a_wire_keeps_to_its_budget(service: Service) -> None:
    budget = Budget("calls", 100, per_s=1.0)
    wire = Wire("crm", origin=service.url, budget=budget)
    budget.pause(30.0)

    with pytest.raises(Unavailable):
        wire.request("POST", "/", body=b"x")

    assert service.asked == []


# What an answer means


@pytest.mark.parametrize(
    "header,seconds",
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999", 999.0),
        ("1500", 1.5),
        ("", None),
        ("soon", None),
        ("-1", None),
    ],
)
def test_retry_after_is_read_in_seconds(header: str, seconds: float | None) -> None:
    assert retry_after_s({"Retry-After": header} if header else {}) == seconds


@pytest.mark.parametrize(
    "status,family",
    [
        (400, Refused),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Refused),
        (408, Unavailable),
        (409, Refused),
        (423, Unavailable),
        (429, Unavailable),
        (477, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_status_stands_for_a_family_of_errors(status: int, family: type[Exception]) -> None:
    assert type(error_for("crm", status, "no")) is family


def test_an_error_is_its_service_and_its_problem() -> None:
    error = error_for("crm", 429, "slow down", retry_after_s=3.0)

    assert isinstance(error, Unavailable)
    assert (error.service, error.problem, error.retry_after_s) == ("crm", "slow down", 3.0)
    assert str(error) == "crm: slow down"
