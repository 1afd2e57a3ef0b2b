"""Recordings of the real Salesforce are read or told; they are no part of the project."""

import json
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import requests

from connectors.errors import ConnectorError, Doubtful, Unauthorized, Unavailable
from connectors.salesforce import errors as told
from connectors.salesforce.api import decoded
from connectors.salesforce.pull import ClosedCase, Row, _decoder
from connectors.salesforce.write import Result

DATA = Path(__file__).parents[4] / "shared" / "data" / "api"


def recorded(name: str) -> list[dict[str, object]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine: recordings are no part of the project")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "name", ["nango_salesforce_recordings.jsonl", "salesforce_cumulusci_cassettes.jsonl"]
)
def test_recorded_answers_are_read_or_told(name: str) -> None:
    for exchange in recorded(name):
        content = exchange.get("body", exchange.get("response")) or ""
        raw = content if isinstance(content, str) else json.dumps(content)
        url = str(exchange.get("uri", exchange.get("path")))
        answer = requests.Response()
        answer.status_code = int(str(exchange["status"]))
        answer._content = raw.encode()
        answer.request = requests.Request(str(exchange["method"]), "https://x.example").prepare()
        if answer.status_code >= 300:
            assert isinstance(told.for_answer(answer.status_code, answer.content), ConnectorError)
            continue
        batch = "composite/sobjects" in urlsplit(url).path
        shape = ClosedCase if '"type": "Case"' in raw else Row
        decoder = msgspec.json.Decoder(list[Result]) if batch else _decoder(shape)
        with suppress(Unavailable, Doubtful):
            assert decoded(answer, decoder)


def test_recorded_errors_are_understood() -> None:
    for fixture in recorded("salesforce_restforce_fixtures.jsonl"):
        name, content = str(fixture["file"]), str(fixture["body"]).encode()
        if "expired_session" in name:
            assert isinstance(told.for_answer(401, content), Unauthorized)
        elif name.endswith("error_response.json"):
            assert isinstance(told.for_answer(400, content), ConnectorError)
