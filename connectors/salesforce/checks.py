"""What the doctor looks at in an org; nothing is changed."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from connectors.errors import ConnectorError, Unauthorized
from connectors.ports import Check
from connectors.salesforce.api import API_VERSION, Org
from connectors.salesforce.config import Config
from connectors.salesforce.fields import NEEDED, Schema, wanted

QUOTA_LOW: Final = 0.1
"""The share of the day's requests below which the doctor warns."""
KEYED: Final = "External ID"


class Version(msgspec.Struct):
    """A version that the org offers."""

    version: str


class Quota(msgspec.Struct, rename="pascal"):
    """One of the org's limits."""

    max: int
    remaining: int


class Limits(msgspec.Struct, rename="pascal"):
    """The limits that we look at."""

    daily_api_requests: Quota


def checks(org: Org, schema: Schema, config: Config) -> Iterator[Check]:
    """Look at credentials, version, objects and quota; the rest waits for the credentials."""
    try:
        quota = org.read("limits", Limits).daily_api_requests
    except ConnectorError as error:
        remedy = "check my_domain, client_id and its secret or key, and the app's policies"
        yield Check(
            name="credentials",
            passed=False,
            found=error.problem,
            remedy=remedy,
            unauthorized=isinstance(error, Unauthorized),
        )
        return
    yield Check(name="credentials", passed=True, found=f"logged in at {config.site}")
    yield _version(org, config)
    for sobject in sorted({*wanted(config), *NEEDED}):
        yield _object(schema, config, sobject)
    yield Check(
        name="daily quota",
        passed=quota.remaining >= quota.max * QUOTA_LOW,
        found=f"{quota.remaining} of {quota.max} API requests are left today",
        remedy="wait until tomorrow, or find what else uses the API",
    )


def _version(org: Org, config: Config) -> Check:
    try:
        body = org.follow("/services/data/").content
        offered = [float(each.version) for each in msgspec.json.decode(body, type=list[Version])]
    except (ConnectorError, ValueError) as error:
        problem = error.problem if isinstance(error, ConnectorError) else "no list of versions"
        return Check(name="API version", passed=False, found=problem, remedy="check my_domain")
    newest = max(offered, default=0.0)
    return Check(
        name="API version",
        passed=float(API_VERSION) in offered and newest >= config.min_api_version,
        found=f"we speak {API_VERSION}, the org offers up to {newest}",
        remedy="update npsloop, or set min_api_version",
    )


def _object(schema: Schema, config: Config, sobject: str) -> Check:
    """Check one object: its fields are there, we see those we read and write those we write."""
    name = f"fields of {sobject}"
    try:
        seen = schema.fields(sobject, fresh=True)
    except ConnectorError as error:
        remedy = f"create {sobject}, and give the integration user the permission set"
        return Check(name=name, passed=False, found=error.problem, remedy=remedy)
    wrong, remedies = [], []
    for field in (*NEEDED.get(sobject, ()), *_mapped(config, sobject)):
        if field not in seen:
            wrong.append(f"{field} is not visible")
            remedies.append(f"let the integration user read {sobject}.{field}")
    for field, kind in wanted(config).get(sobject, ()):
        on = "Activity" if sobject == "Task" else sobject
        known = seen.get(field)
        if known is None:
            wrong.append(f"{field} is missing")
            remedies.append(f"create {field} on {on} as {kind}, and give the permission set")
        elif not (known.createable and known.updateable):
            wrong.append(f"{field} is read-only")
            remedies.append(f"let the integration user edit {on}.{field}")
        elif KEYED in kind and not known.external_id:
            wrong.append(f"{field} is no external id")
            remedies.append(f"make {on}.{field} unique and an External ID")
    return Check(
        name=name,
        passed=not wrong,
        found="; ".join(wrong) or "all there",
        remedy="; ".join(remedies),
    )


def _mapped(config: Config, sobject: str) -> Sequence[str]:
    if sobject != "Contact":
        return ()
    return [field for field in (config.product_field, config.locale_field) if field]
