"""A request to the REST API: its session, its version and the quota are looked at here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from connectors.sandbox.salesforce.answers import ApiError, SaveError, json
from connectors.sandbox.salesforce.fields import SObject
from connectors.sandbox.salesforce.state import State

OLDEST: Final = 31
NEWEST: Final = 67
RETIRED: Final = 21
URI_TOO_LONG: Final = 414
URI_MAX_BYTES: Final = 16_384
MISSING: Final = "The requested resource does not exist"
Work = Callable[["Call"], Response]


@dataclass(kw_only=True)
class Call:
    """A request whose session, version and body have been looked at."""

    request: Request
    state: State
    body: Any
    pretty: bool
    """Whether `X-PrettyPrint: 1` asked for an indented answer."""

    @property
    def version(self) -> str:
        """Return the version in the address, as in `66.0`."""
        return str(self.request.path_params["version"])

    @property
    def fields(self) -> dict[str, Any]:
        """Return the body, which has to be one record. Raise where it is not."""
        if not isinstance(self.body, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "The request has to be one record")
        return self.body

    @property
    def schema(self) -> SObject:
        """Return the object in the address. Raise where there is none."""
        found = self.state.schema(self.request.path_params["sobject"])
        if found is None:
            raise ApiError(404, "NOT_FOUND", MISSING)
        return found

    @property
    def allow(self) -> bool:
        """Say whether the client wants records saved in spite of duplicates."""
        header = self.request.headers.get("sforce-duplicate-rule-header", "").lower()
        return "allowsave=true" in header.replace(" ", "")

    def answer(self, body: object, status: int = 200) -> Response:
        """Return an answer of JSON."""
        return json(body, status, pretty=self.pretty)


def guarded(state: State, work: Work) -> Callable[[Request], Awaitable[Response]]:
    """Look at address, version, session, quota and body, then let the work be done."""

    async def endpoint(request: Request) -> Response:
        content = await request.body()
        pretty = request.headers.get("x-prettyprint", "0") == "1"
        with state.lock:
            try:
                _admit(state, request)
                state.requests[work.__name__] += 1
                body = _parsed(request, content)
                call = Call(request=request, state=state, body=body, pretty=pretty)
                response = work(call)
            except (ApiError, SaveError) as error:
                response = json(error.body(), error.status, pretty=pretty)
                if error.status == URI_TOO_LONG:
                    response = HTMLResponse(f"<h1>Bad Message {URI_TOO_LONG}</h1>", URI_TOO_LONG)
            usage = f"api-usage={state.api_used}/{state.daily_max}"
        response.headers["Sforce-Limit-Info"] = usage
        return response

    return endpoint


def _admit(state: State, request: Request) -> None:
    target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    if len(target) > URI_MAX_BYTES:
        raise ApiError(URI_TOO_LONG, "URI_TOO_LONG", "URI Too Long")
    version = request.path_params["version"]
    number = version.removesuffix(".0")
    if not number.isdigit() or not version.endswith(".0") or not RETIRED <= int(number) <= NEWEST:
        raise ApiError(404, "NOT_FOUND", MISSING)
    if int(number) < OLDEST:
        message = "This API version is retired. See the API end-of-life policy."
        raise ApiError(410, "UNSUPPORTED_API_VERSION", message)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in {"bearer", "oauth"} or token not in state.sessions:
        raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
    if state.api_used >= state.daily_max:
        raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    state.api_used += 1


def _parsed(request: Request, content: bytes) -> Any:  # noqa: ANN401 - any JSON
    if request.method not in {"POST", "PATCH"}:
        return None
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        message = "Content-Type has to be application/json"
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", message)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "JSON_PARSER_ERROR", str(error)) from None
