"""What `npsloop doctor` looks at: the token, the properties, the owners. It changes nothing."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from connectors.errors import ConnectorError, Unauthorized
from connectors.hubspot.api import ACCOUNT, OWNERS, PROPERTIES, Api
from connectors.hubspot.config import Config
from connectors.hubspot.shapes import Account, Listed, OwnerRow, PropertyRow
from connectors.ports import Check

NEW_KEY: Final = "set access_token to a service key with the scopes that the documentation names"
ACCOUNTS: Final = msgspec.json.Decoder(Account)
PROPERTY_ROWS: Final = msgspec.json.Decoder(Listed[PropertyRow])
OWNER_ROWS: Final = msgspec.json.Decoder(Listed[OwnerRow])
AS_TEXT: Final = frozenset({"string", "enumeration"})


def checks(api: Api, config: Config) -> Iterator[Check]:
    """Look at everything that we need; the rest is left out where the token is not taken."""
    try:
        account = api.get(ACCOUNT).read(ACCOUNTS)
    except ConnectorError as error:
        yield _failed("access token", error)
        return
    yield Check(name="access token", passed=True, found=f"account {account.portal_id}")
    yield from _properties(api, "contacts", contact_properties(config))
    yield from _properties(api, "companies", company_properties(config))
    yield _owners(api)


def contact_properties(config: Config) -> dict[str, frozenset[str]]:
    """Return the contact properties that we write or read by name, and their types."""
    number, text, time = frozenset({"number"}), frozenset({"string"}), frozenset({"datetime"})
    wanted = {
        config.nps_score: number,
        config.nps_group: AS_TEXT,
        config.nps_comment: text,
        config.nps_answered_at: time,
        config.nps_surveys: number,
        config.nps_factor: number,
        config.nps_referred_by: text,
        config.nps_key: text,
        config.locale_property: AS_TEXT,
    }
    return wanted | ({config.product_property: AS_TEXT} if config.product_property else {})


def company_properties(config: Config) -> dict[str, frozenset[str]]:
    """Return the company properties that we write, and their types."""
    number, time = frozenset({"number"}), frozenset({"datetime"})
    return {
        config.company_nps: number,
        config.company_nps_answers: number,
        config.company_nps_answered_at: time,
    }


def _properties(api: Api, type_: str, wanted: Mapping[str, frozenset[str]]) -> Iterator[Check]:
    try:
        rows = api.get(f"{PROPERTIES}/{type_}").read(PROPERTY_ROWS).results
    except ConnectorError as error:
        yield _failed(f"properties of {type_}", error)
        return
    there = {row.name: row.type for row in rows}
    for name, types in wanted.items():
        yield Check(
            name=f"{type_}: {name}",
            passed=there.get(name) in types,
            found=there.get(name, "there is no such property"),
            remedy=""
            if there.get(name) in types
            else f"create the property {name} of {type_} with the type {' or '.join(sorted(types))}"
            " in HubSpot (Settings, Properties), or name another in the configuration",
        )


def _owners(api: Api) -> Check:
    try:
        found = api.get(OWNERS, limit="100").read(OWNER_ROWS).results
    except ConnectorError as error:
        return _failed("owners", error)
    return Check(
        name="owners",
        passed=bool(found),
        found=f"{len(found)} can be read" if found else "none can be read",
        remedy="" if found else "give the token the scope crm.objects.owners.read",
    )


def _failed(name: str, error: ConnectorError) -> Check:
    remedy = NEW_KEY if isinstance(error, Unauthorized) else "look whether HubSpot can be reached"
    return Check(
        name=name,
        passed=False,
        found=error.problem,
        remedy=remedy,
        unauthorized=isinstance(error, Unauthorized),
    )
