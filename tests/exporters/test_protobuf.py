"""What is kept ready of the attributes that were written before."""

from __future__ import annotations

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llmtrace.exporters.protobuf import Keys, put_attributes

TAG = b"\x4a"


def written(known: Keys, **attributes) -> dict[str, object]:
    """The attributes of a span that was written and read again."""
    pieces: list[bytes] = []
    put_attributes(pieces, known, attributes)
    pairs = Span.FromString(b"".join(pieces)).attributes
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def test_ever_new_keys_and_texts_do_not_fill_the_memory():
    """Each is written as it is, and of endless ones only so many are remembered."""
    known = Keys(TAG)
    for number in range(10_000):
        attributes = {f"key-{number}": "x", "id": str(number), "count": number, "share": number / 7}
        assert written(known, **attributes) == attributes
    assert len(known) <= 4_096
    assert len(known["id"][0]) <= 4_096


def test_values_that_are_equal_are_not_taken_for_one_another():
    """1, True and 1.0 are equal to Python, and so are 0, False and 0.0; each arrives as what it is."""
    known = Keys(TAG)
    for value in (1, True, 1.0, "1", 0, False, 0.0, -1, 127, 128, 16_383, 16_384, -(2**63), 2**63 - 1) * 2:
        (found,) = written(known, value=value).values()
        assert (type(found), found) == (type(value), value)
