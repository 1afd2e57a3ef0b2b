"""Reads a posted form, within limits."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

BODY_MAX: Final = 65_536
FIELDS_MAX: Final = 20
URLENCODED: Final = "application/x-www-form-urlencoded"


class TooLarge(Exception):
    """Somebody posts more than any form of ours has."""


class Unreadable(Exception):
    """What somebody posts is no form."""


async def fields(request: Request) -> Mapping[str, str]:
    """Return the form's fields, the last of a name where it comes twice; no database keeps NUL.

    RFC 8058 allows multipart as well as urlencoded. Raise `TooLarge` or `Unreadable`.
    """
    kind = request.headers.get("content-type", URLENCODED).lower()
    try:
        found = await _parts(request) if kind.startswith("multipart/") else await _pairs(request)
    except (HTTPException, ValueError):  # python-multipart's errors are ValueErrors
        raise Unreadable from None
    return {name: value.replace("\x00", "\ufffd") for name, value in found}


async def _pairs(request: Request) -> list[tuple[str, str]]:
    text = (await body(request, BODY_MAX)).decode("utf-8", "replace")
    return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)


async def _parts(request: Request) -> list[tuple[str, str]]:
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > BODY_MAX:
        raise TooLarge
    form = await request.form(max_files=0, max_fields=FIELDS_MAX)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


async def body(request: Request, limit: int) -> bytes:
    """Return the body. Raise `TooLarge` as soon as it is."""
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > limit:
            raise TooLarge
    return bytes(read)
