"""HubSpot's own client, unmodified, and a clock for the sandbox."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import hubspot
import pytest
from hubspot.crm.contacts.exceptions import ApiException

CONTACTS = "/crm/objects/2026-09/contacts"


class Client:
    """HubSpot's client, called as its makers advise for paths that it has no method for."""

    def __init__(self, url: str, token: str = "a-token") -> None:
        self.api = hubspot.HubSpot(access_token=token).crm.contacts.basic_api.api_client
        self.api.configuration.host = url

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - any JSON
        answer = self.api.call_api(
            path,
            method,
            query_params=list(query.items()),
            body=body,
            auth_settings=["oauth2"],
            _preload_content=False,
        )
        return json.loads(answer.data) if answer.data else None

    def status(self, *asked: object, **query: str) -> tuple[int, dict[str, Any]]:
        with pytest.raises(ApiException) as refused:
            self(*asked, **query)  # type: ignore[arg-type]  # as __call__ takes it
        return refused.value.status, json.loads(refused.value.body)


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def moves(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
