"""OTLP's JSON: read span by span where it cannot be read whole, so that a span that is wrong costs no other."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llmtrace.router.intake.body import broken_at

FAULTS: Final = (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError)
"""What is raised where a body is no JSON of OTLP."""

_ID_KEYS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
_ID_LENGTHS: Final = (0, 8, 16)
_FIELD: Final = re.compile("Failed to parse ([A-Za-z_]+) field")


class _IdError(ValueError):
    """An id that is none. It says which."""


def parse(body: bytes, request: Message) -> list[str]:
    """Read a body into the message; what was wrong with spans that are not in it.

    Raises:
        ValueError, TypeError, AttributeError, RecursionError: nothing of it can be read.
    """
    data = _json(body)
    try:
        for span in _spans(data):
            _ids_to_base64(span)
        json_format.ParseDict(data, request, ignore_unknown_fields=True)
    except RecursionError:
        raise
    except FAULTS:
        request.Clear()
        return _span_by_span(_json(body), request)
    return []


def where(fault: Exception) -> str:
    """Which field it was, as far as that is known; nothing of what stands there."""
    if isinstance(fault, _IdError):
        return f": {fault}"
    if isinstance(fault, json.JSONDecodeError):
        return broken_at(fault)
    path = ".".join(_FIELD.findall(str(fault))) if isinstance(fault, json_format.ParseError) else ""
    return f": {path} cannot be read" if path else ""


def _span_by_span(data: Any, request: Message) -> list[str]:
    """Where no span can be read, nobody else suffers: then it is the whole body that is refused."""
    faults: list[Exception] = []
    kept = 0
    for scope in _scopes(data):
        scope["spans"] = [span for span in _items(scope, "spans") if _is_readable(span, faults)]
        kept += len(scope["spans"])
    if faults and not kept:
        raise faults[0]
    json_format.ParseDict(data, request, ignore_unknown_fields=True)
    return [f"a span{where(fault) or ': it is none'}" for fault in faults]


def _is_readable(span: Any, faults: list[Exception]) -> bool:
    try:
        _ids_to_base64(span)
        json_format.ParseDict(span, Span(), ignore_unknown_fields=True)
    except FAULTS as fault:
        faults.append(fault)
        return False
    return True


def _json(body: bytes) -> Any:
    """Half a surrogate pair, cut off by some sender, must not cost it the whole batch: it becomes a question mark."""
    data = json.loads(body.decode("utf-8-sig", "replace"))
    if b"\\u" in body:
        data = json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))
    return data


def _ids_to_base64(span: dict[str, Any]) -> None:
    """OTLP writes ids as hex where protobuf's own JSON has base64; this brings them to the latter, in place."""
    for holder in (span, *_items(span, "links")):
        for key in _ID_KEYS:
            if holder.get(key) is not None:  # null is as good as nothing
                holder[key] = base64.b64encode(_id(key, holder[key])).decode()


def _id(key: str, text: Any) -> bytes:
    try:
        found = bytes.fromhex(text)
    except (TypeError, ValueError) as error:
        raise _IdError(f"{key} is not hexadecimal") from error
    if len(found) not in _ID_LENGTHS:
        raise _IdError(f"{key} is neither 8 nor 16 bytes")
    return found


def _spans(data: Any) -> Iterator[dict[str, Any]]:
    for scope in _scopes(data):
        yield from _items(scope, "spans")


def _scopes(data: Any) -> Iterator[dict[str, Any]]:
    for resource in _items(data, "resourceSpans", "resource_spans"):
        yield from _items(resource, "scopeSpans", "scope_spans")


def _items(holder: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    return [item for name in names for item in holder.get(name) or ()]
