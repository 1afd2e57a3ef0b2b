"""What can be read: versions, limits, queries, descriptions, changes, records."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from connectors.sandbox.salesforce import batches, querying, saving, soql, values
from connectors.sandbox.salesforce.answers import ApiError
from connectors.sandbox.salesforce.calls import MISSING, NEWEST, OLDEST, Call

PAGE_MIN: Final = 200
PAGE_MAX: Final = 2_000
UPDATED_DAYS_MAX: Final = 30
DELETED_DAYS_MAX: Final = 15


def versions() -> list[dict[str, str]]:
    """List the versions of the API."""
    return [_version(number) for number in range(OLDEST, NEWEST + 1)]


def resources(call: Call) -> Response:
    """Name the resources of this version."""
    root = f"/services/data/v{call.version}"
    names = ("limits", "query", "queryAll", "sobjects", "composite")
    return call.answer({name: f"{root}/{name}" for name in names})


def limits(call: Call) -> Response:
    """Tell what is left of the quotas."""
    left = call.state.daily_max - call.state.api_used
    daily = {"Max": call.state.daily_max, "Remaining": left}
    return call.answer({"DailyApiRequests": daily, "DataStorageMB": {"Max": 5, "Remaining": 5}})


def query(call: Call) -> Response:
    """Run a query and answer its first page."""
    text = call.request.query_params.get("q")
    if not text:
        raise ApiError(400, "MALFORMED_QUERY", "a query is required: q")
    select = soql.parse(text)
    everything = "queryAll" in call.request.url.path
    schema, rows = querying.run(call.state, select, deleted=everything)
    if select.counts == "":
        return call.answer({"totalSize": len(rows), "done": True, "records": []})
    if select.counts:
        path = querying.resolve(call.state, schema, select, select.counts, 0)
        count = sum(path.value(call.state, row) is not None for row in rows)
        record = {"attributes": {"type": "AggregateResult"}, "expr0": count}
        return call.answer({"totalSize": 1, "done": True, "records": [record]})
    number = 1_000 + call.state.requests["query"]
    cursor = f"01gdM0{number:09d}"
    call.state.cursors[cursor] = (schema, select, [row["Id"] for row in rows], _size(call))
    return _page(call, cursor, 0)


def query_more(call: Call) -> Response:
    """Answer the next page of a query."""
    cursor, _, start = call.request.path_params["cursor"].partition("-")
    if cursor not in call.state.cursors or not start.isdigit():
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, cursor, int(start))


def _size(call: Call) -> int:
    _, _, wanted = call.request.headers.get("sforce-query-options", "").partition("batchSize=")
    return min(max(int(wanted), PAGE_MIN), PAGE_MAX) if wanted.isdigit() else PAGE_MAX


def _page(call: Call, cursor: str, start: int) -> Response:
    schema, select, record_ids, size = call.state.cursors[cursor]
    end = start + size
    rows = call.state.rows(schema.name)
    paths = querying.plan(call.state, schema, select)
    records = [
        querying.shape(call.state, rows[record_id], paths, call.version)
        for record_id in record_ids[start:end]
        if record_id in rows
    ]
    done = end >= len(record_ids)
    answer: dict[str, Any] = {"totalSize": len(record_ids), "done": done}
    if done:
        del call.state.cursors[cursor]
    else:
        answer["nextRecordsUrl"] = f"/services/data/v{call.version}/query/{cursor}-{end}"
    return call.answer({**answer, "records": records})


def describe_all(call: Call) -> Response:
    """List the objects."""
    shown = [schema.summary(call.version) for schema in call.state.objects.values()]
    return call.answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})


def describe(call: Call) -> Response:
    """Describe an object and those of its fields that the user may see."""
    schema = call.schema
    fields = []
    for field in schema.fields.values():
        writable = (schema.name, field.name) not in call.state.read_only
        shown = field.describe()
        shown["createable"] = shown["createable"] and writable
        shown["updateable"] = shown["updateable"] and writable
        fields.append(shown)
    return call.answer({**schema.summary(call.version), "fields": fields, "childRelationships": []})


def updated(call: Call) -> Response:
    """Answer the ids of what changed between two moments."""
    start, end = _span(call, UPDATED_DAYS_MAX)
    found = [
        row["Id"]
        for row in call.state.rows(call.schema.name).values()
        if not row.get("IsDeleted") and start <= row["SystemModstamp"] <= end
    ]
    return call.answer({"ids": found, "latestDateCovered": values.shown(end)})


def deleted(call: Call) -> Response:
    """Answer the ids of what was deleted between two moments."""
    start, end = _span(call, DELETED_DAYS_MAX)
    found = [
        {"id": row["Id"], "deletedDate": values.shown(row["SystemModstamp"])}
        for row in call.state.rows(call.schema.name).values()
        if row.get("IsDeleted") and start <= row["SystemModstamp"] <= end
    ]
    earliest = call.state.now() - timedelta(days=DELETED_DAYS_MAX)
    return call.answer(
        {
            "deletedRecords": found,
            "earliestDateAvailable": values.shown(earliest),
            "latestDateCovered": values.shown(end),
        }
    )


def _span(call: Call, days_max: int) -> tuple[datetime, datetime]:
    now = call.state.now()
    try:
        start, end = (_moment(call.request.query_params[name]) for name in ("start", "end"))
    except (KeyError, ValueError):
        message = "start and end have to be given as 2026-05-01T07:25:37+00:00"
        raise ApiError(400, "INVALID_REPLICATION_DATE", message) from None
    if not start + timedelta(minutes=1) <= end or start < now - timedelta(days=days_max):
        message = f"startDate must be before endDate and within {days_max} days"
        raise ApiError(400, "INVALID_REPLICATION_DATE", message)
    return start, min(end, now)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found.astimezone(UTC)


def read(call: Call) -> Response:
    """Answer a record."""
    names = call.request.query_params.get("fields")
    record_id = call.request.path_params["record_id"]
    wanted = names.split(",") if names else None
    shown = batches.show(call.state, call.schema, record_id, wanted, call.version)
    if shown is None:
        raise ApiError(404, "NOT_FOUND", MISSING)
    return call.answer(shown)


def read_external(call: Call) -> Response:
    """Answer the record of an external id."""
    name, key = call.request.path_params["field"], call.request.path_params["key"]
    found = matches(call, name, key)
    if not isinstance(found, list):
        return found
    if not found:
        raise ApiError(404, "NOT_FOUND", MISSING)
    return call.answer(batches.show(call.state, call.schema, found[0], None, call.version))


def matches(call: Call, name: str, key: str) -> list[str] | Response:
    """Return the ids, or the vendor's answer where there are several: 300 and their addresses."""
    schema = call.schema
    found = saving.matches(call.state, schema, saving.external(schema, name), key)
    root = f"/services/data/v{call.version}/sobjects/{schema.name}"
    if len(found) > 1:
        return call.answer([f"{root}/{record_id}" for record_id in found], 300)
    return found


def retrieve_many(call: Call) -> Response:
    """Answer several records."""
    asked = call.request.query_params
    if call.body is None:
        lists = [asked.get(name, "").split(",") for name in ("ids", "fields")]
    else:
        lists = [list(call.body.get(name, [])) for name in ("ids", "fields")]
    found = batches.retrieve(call.state, call.schema, lists[0], lists[1], call.version)
    return call.answer(found)


def _version(number: int) -> dict[str, str]:
    seasons = ("Spring", "Summer", "Winter")
    year = 14 + (number - 30) // 3 + (seasons[number % 3] == "Winter")
    label = f"{seasons[number % 3]} '{year}"
    return {"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
