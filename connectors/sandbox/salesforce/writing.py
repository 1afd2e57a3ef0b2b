"""What can be written: one record, or up to 200."""

from starlette.responses import Response

from connectors.sandbox.salesforce import batches, saving
from connectors.sandbox.salesforce.answers import ApiError
from connectors.sandbox.salesforce.calls import Call
from connectors.sandbox.salesforce.reading import matches


def create(call: Call) -> Response:
    """Create a record."""
    record_id = saving.insert(call.state, call.schema, call.fields, allow=call.allow)
    return call.answer({"id": record_id, "success": True, "errors": []}, 201)


def change(call: Call) -> Response:
    """Change a record."""
    if "Id" in call.fields:
        message = "The Id field should not be specified in the sobject data."
        raise ApiError(400, "INVALID_FIELD", message)
    record_id = call.request.path_params["record_id"]
    saving.update(call.state, call.schema, record_id, call.fields, allow=call.allow)
    return Response(status_code=204)


def remove(call: Call) -> Response:
    """Put a record into the recycle bin."""
    row = saving.existing(call.state, call.schema, call.request.path_params["record_id"])
    call.state.delete(call.schema.name, row["Id"])
    return Response(status_code=204)


def put_external(call: Call) -> Response:
    """Create the record of an external id, or change it."""
    name, key = call.request.path_params["field"], call.request.path_params["key"]
    if name.lower() in {given.lower() for given in call.fields}:
        message = f"The {name} field should not be specified in the sobject data."
        raise ApiError(400, "INVALID_FIELD", message)
    found = matches(call, name, key)
    if not isinstance(found, list):
        return found
    saved = batches.put(call.state, call.schema, (name, key), call.fields, allow=call.allow)
    return call.answer(saved, 201 if saved["created"] else 200)


def insert_many(call: Call) -> Response:
    """Create records."""
    return call.answer(batches.insert(call.state, call.body, allow=call.allow))


def update_many(call: Call) -> Response:
    """Change records."""
    return call.answer(batches.update(call.state, call.body, allow=call.allow))


def upsert_many(call: Call) -> Response:
    """Create records by their external ids, or change them."""
    name = call.request.path_params["field"]
    found = batches.upsert(call.state, call.schema, name, call.body, allow=call.allow)
    return call.answer(found)


def delete_many(call: Call) -> Response:
    """Put records into the recycle bin."""
    wanted = call.request.query_params.get("ids", "").split(",")
    return call.answer(batches.delete(call.state, wanted))
