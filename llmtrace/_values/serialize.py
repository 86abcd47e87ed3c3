"""Any Python value -> bounded text, whatever its ``__repr__`` does; it redacts nothing and knows nothing of spans.

What is promised: the result has at most ``limit`` characters, is valid JSON (``to_json``) and holds no lone surrogate;
nothing is raised except KeyboardInterrupt; no iterator is advanced; a ``__repr__`` is called at most once. Nothing is
dropped silently: what is cut says so with one of the marks below. User code that hangs cannot be interrupted; between
two entries the clock is read.

Two roads. A plain small value is measured and then encoded in C, by ``llmtrace._values.plain``. Everything else is
written entry by entry by ``_Writer``, to which ``llmtrace._values.shapes`` says what each value is made of.
"""

from __future__ import annotations

import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from llmtrace._values.plain import plain_json, quote
from llmtrace._values.shapes import Atom, Contents, Shape, shape_of
from llmtrace._values.spending import spending
from llmtrace._values.storage import exact_text, opaque

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_TEXT_LIMIT: Final = 131_072
"""Characters in one attribute: about 30,000 tokens, a long conversation."""
DEFAULT_BUDGET: Final = 0.002
"""Seconds for one value, user code that cannot be interrupted aside."""
MAX_DEPTH: Final = 32
"""Containers inside containers."""

MARK_TRUNCATED: Final = "…[truncated, {} characters]"
"""At the end of a text that was cut; the number is the length of the whole text."""
MARK_MORE: Final = "…[{} more]"
"""Last item of a list, or last key (with null), for entries that did not fit."""
MARK_MORE_UNCOUNTED: Final = "…[more]"
"""The same where the number of entries is not known without reading them."""
MARK_TIME: Final = "…[{} more, out of time]"
"""Last item or key where the time budget was spent."""
MARK_TIME_UNCOUNTED: Final = "…[more, out of time]"
"""The same where the number of entries is not known."""
MARK_FAILED: Final = "…[more, reading failed]"
"""Last item or key where the container raised while it was read, or was changed meanwhile."""
MARK_DEPTH: Final = "…[nested deeper]"
"""In place of a container inside ``MAX_DEPTH`` others."""
MARK_CYCLE: Final = "…[cycle]"
"""In place of a container that contains itself, where it does."""
MARK_UNRENDERED: Final = "…[not rendered]"
"""The whole text, where the interpreter itself gave up (stack or memory exhausted), or the call's time was spent."""

_RESERVE: Final = 64
"""Characters kept back in each open container for its mark and closing bracket."""
_SHARE: Final = 256
"""Characters that a long entry leaves to each later entry, as long as it keeps half of the room itself."""
_LONG: Final = 4_096
_ENCODING: Final = 8
"""Nanoseconds that a character of a plain value costs, roughly: counted where there are many of them."""
_MAX_KEY: Final = 256
_MAX_ESCAPE: Final = 6  # \u0000
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Rendered(NamedTuple):
    """A text that fits in an attribute.

    Attributes:
        text: The characters, at most the limit.
        is_json: Whether ``text`` is JSON; otherwise the value was a text itself.
        original_length: Set if and only if something was cut: characters of the whole; exact for a text; for JSON a
            cautious estimate (what is shown, plus the characters cut out of strings, plus one for each entry left out).
    """

    text: str
    is_json: bool
    original_length: int | None


_UNRENDERED: Final = Rendered(f'"{MARK_UNRENDERED}"', is_json=True, original_length=len(MARK_UNRENDERED) + 2)
_UNRENDERED_LENGTH: Final = len(_UNRENDERED.text)
_NOTHING: Final = Rendered('""', is_json=True, original_length=2)


def render(
    value: object,
    *,
    limit: int = DEFAULT_TEXT_LIMIT,
    budget: float = DEFAULT_BUDGET,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Rendered:
    """Turn any value into text: a str as it is, everything else as compact JSON, and say whether something was cut.

    Args:
        value: Anything.
        limit: Characters at most. A limit below 2 counts as 2 for JSON, since JSON has no shorter text for everything.
        budget: Seconds after which no further entry of a container is read.
        clock: Nanoseconds of a monotonic clock.
    """
    try:
        if issubclass(type(value), str):
            return _render_text(value, limit)  # type: ignore[arg-type]  # the line above is the proof, and cannot be fooled
        text = plain_json(value, limit)
        if text is not None:
            if len(text) > _LONG and spending.left is not None:
                spending.left -= len(text) * _ENCODING
            return Rendered(clean_text(text), is_json=True, original_length=None)
        return _render_json(value, limit, budget, clock)
    except RecursionError:
        # Not one frame is left: no call may stand here.
        return _UNRENDERED if limit > _UNRENDERED_LENGTH else _NOTHING


def to_text(value: object, *, limit: int = DEFAULT_TEXT_LIMIT) -> str:
    """A str as it is (cut and cleaned), everything else as compact JSON of at most ``limit`` characters."""
    try:
        if type(value) is str and len(value) <= limit:
            return value if value.isascii() else clean_text(value)
        return render(value, limit=limit).text
    except RecursionError:
        return _UNRENDERED.text if limit > _UNRENDERED_LENGTH else _NOTHING.text


def to_json(
    value: object,
    *,
    limit: int = DEFAULT_TEXT_LIMIT,
    budget: float = DEFAULT_BUDGET,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> str:
    """Valid JSON of at most ``limit`` characters for any value, a str included; arguments as in ``render``."""
    try:
        text = plain_json(value, limit)
        if text is None:
            return _render_json(value, limit, budget, clock).text
        if len(text) > _LONG and spending.left is not None:
            spending.left -= len(text) * _ENCODING
        return clean_text(text)
    except RecursionError:
        return _UNRENDERED.text if limit > _UNRENDERED_LENGTH else _NOTHING.text


def truncate(text: str, limit: int) -> str:
    """The text, or its beginning and ``MARK_TRUNCATED`` (if that fits), together at most ``limit`` characters."""
    size = str.__len__(text)
    if size <= limit:
        return exact_text(text)
    mark = MARK_TRUNCATED.format(size)
    kept = max(limit, 0)
    return (
        str.__getitem__(text, slice(kept - len(mark))) + mark
        if kept > len(mark)
        else str.__getitem__(text, slice(kept))
    )


def clean_text(text: str) -> str:
    """The text with each surrogate code point replaced by U+FFFD, so that it can be encoded. NUL and the rest stay."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def _render_text(text: str, limit: int) -> Rendered:
    size = str.__len__(text)
    return Rendered(clean_text(truncate(text, limit)), is_json=False, original_length=size if size > limit else None)


def _render_json(value: object, limit: int, budget: float, clock: Callable[[], int]) -> Rendered:
    try:
        shared = spending.left
        if shared is not None and shared <= 0:
            return _UNRENDERED if limit > _UNRENDERED_LENGTH else _NOTHING
        began, allowed = clock(), int(budget * 1e9)
        writer = _Writer(max(limit, 2), clock, began + (allowed if shared is None else min(allowed, shared)))
        is_written = writer.value(value)
        if shared is not None:
            spending.left = shared - (clock() - began)
        if not is_written:
            return _NOTHING
        text = clean_text("".join(writer.parts))
    except Exception:  # noqa: BLE001 - the stack or the memory is exhausted: user code is guarded where it is called
        return _UNRENDERED if limit > _UNRENDERED_LENGTH else _NOTHING
    return Rendered(text, is_json=True, original_length=len(text) + writer.lost if writer.is_cut else None)


class _Writer:
    """The slow road: writes one value as JSON, within characters, depth and time.

    ``value``, ``text`` and ``container`` write something complete and answer True, or write nothing and answer False
    when it does not fit; then the container around ends with a mark, for which it kept ``_RESERVE`` characters back.
    """

    __slots__ = ("active", "clock", "deadline", "is_cut", "lost", "parts", "pending", "room")

    def __init__(self, limit: int, clock: Callable[[], int], deadline: int) -> None:
        self.parts: list[str] = []
        self.room = limit
        self.pending = 0  # entries still to come in the innermost container; the outer ones have held back theirs
        self.active: set[int] = set()
        self.clock = clock
        self.deadline = deadline
        self.is_cut = False
        self.lost = 0

    def value(self, value: object) -> bool:
        kind = type(value)
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]  # a str by its exact type
        if kind is dict or kind is list or kind is tuple:
            text = self._bulk(value, MAX_DEPTH - len(self.active))
            if text is not None:
                return self._put(text)
        shape = self._shape(value)
        if isinstance(shape, str):
            return self.text(shape)
        if isinstance(shape, Atom):
            return self._put(shape.json)
        return self.container(value, shape)

    def text(self, text: str) -> bool:
        allowed = self._allowed()
        if len(text) + 2 <= allowed:
            quoted = quote(text)
            if len(quoted) <= allowed:
                return self._put(quoted)
        return self._cut_text(text, allowed)

    def container(self, value: object, contents: Contents) -> bool:
        if id(value) in self.active:
            return self._stand_in(MARK_CYCLE)
        if len(self.active) >= MAX_DEPTH:
            return self._stand_in(MARK_DEPTH)
        allowed = self._allowed()
        if allowed < _RESERVE + 2:
            return False
        held, pending = self.room - allowed + _RESERVE, self.pending
        self.room, self.pending = self.room - held, 0
        self._put("{" if contents.is_mapping else "[")
        self.active.add(id(value))
        mark = self._entries(contents)
        self.active.discard(id(value))
        self.room, self.pending = self.room + held, pending
        self._close(mark, is_mapping=contents.is_mapping)
        return True

    def _entries(self, contents: Contents) -> str | None:
        """Write entries until the end, or until one does not fit; the answer is the mark that says why not all."""
        size, written = contents.size, 0
        while True:
            if self.clock() > self.deadline:
                return self._more(MARK_TIME, MARK_TIME_UNCOUNTED, size, written)
            chunk = self._pull(contents.entries, contents.step)
            if chunk is None:
                return MARK_FAILED
            if not chunk:
                return None
            if not contents.is_mapping and len(chunk) > 1 and self._put_bulk(chunk, is_first=not written):
                written += len(chunk)
                continue
            for entry in chunk:
                self.pending = 1 if size is None else max(size - written - 1, 0)
                if not self._entry(entry, is_mapping=contents.is_mapping, is_first=not written):
                    return self._more(MARK_MORE, MARK_MORE_UNCOUNTED, size, written)
                written += 1
                if self.clock() > self.deadline and written != size:
                    return self._more(MARK_TIME, MARK_TIME_UNCOUNTED, size, written)
            if len(chunk) < contents.step or written == size:
                return None

    def _entry(self, entry: Any, *, is_mapping: bool, is_first: bool) -> bool:
        lead = "" if is_first else ","
        if is_mapping:
            lead += quote(self._key(entry[0])) + ":"
            entry = entry[1]
        if not self._put(lead):
            return False
        if self.value(entry):
            return True
        self.parts.pop()
        self.room += len(lead)
        return False

    def _key(self, key: object) -> str:
        """A key as JSON wants it: a text. Numbers, None and bool as in ``json.dumps``, containers as their JSON."""
        if type(key) is str:
            text = key
        else:
            shape = self._shape(key)
            if isinstance(shape, str):
                text = shape
            elif isinstance(shape, Atom):
                return shape.json
            else:
                text = self._key_of_container(key, shape)
        if len(text) <= _MAX_KEY:
            return text
        self.is_cut = True
        return truncate(text, _MAX_KEY)

    def _key_of_container(self, key: object, shape: Contents) -> str:
        inner = _Writer(_MAX_KEY, self.clock, self.deadline)
        inner.active = self.active
        inner.container(key, shape)
        self.is_cut |= inner.is_cut
        return "".join(inner.parts)

    def _shape(self, value: object) -> Shape:
        try:
            return shape_of(value)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - the user's code may raise anything, SystemExit included
            return opaque(value)

    def _pull(self, entries: Iterator[Any], step: int) -> list[Any] | None:
        try:
            return list(islice(entries, step))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - as above; also "dictionary changed size during iteration"
            return None

    def _bulk(self, value: object, levels: int) -> str | None:
        """The JSON of a container of scalars and flat containers; deeper ones would be measured anew at each level."""
        return plain_json(value, self._allowed(), min(levels, 2))

    def _put_bulk(self, chunk: list[Any], *, is_first: bool) -> bool:
        text = self._bulk(chunk, MAX_DEPTH - len(self.active) + 1)
        if text is None:
            return False
        return self._put(text[1:-1] if is_first else "," + text[1:-1])

    def _put(self, text: str) -> bool:
        if len(text) > self.room:
            return False
        self.parts.append(text)
        self.room -= len(text)
        return True

    def _allowed(self) -> int:
        """What one entry may take: all of the room, less a share for each entry still to come, but at least half."""
        return max(self.room // 2, self.room - _SHARE * self.pending)

    def _cut_text(self, text: str, allowed: int) -> bool:
        mark = MARK_TRUNCATED.format(len(text))
        space = allowed - len(mark) - 2
        if space < 0:
            return False
        kept = text[:space]
        quoted = quote(kept)
        for _ in range(4):
            if len(quoted) - 2 <= space:
                break
            kept = kept[: len(kept) * space // (len(quoted) - 2)]
            quoted = quote(kept)
        else:
            kept = kept[: space // _MAX_ESCAPE]
            quoted = quote(kept)
        self.is_cut = True
        self.lost += len(text) - len(kept)
        return self._put(f'{quoted[:-1]}{mark}"')

    def _stand_in(self, mark: str) -> bool:
        self.is_cut = True
        return self._put(f'"{mark}"')

    def _more(self, counted: str, uncounted: str, size: int | None, written: int) -> str:
        if size is None or size <= written:
            return uncounted
        self.lost += size - written
        return counted.format(size - written)

    def _close(self, mark: str | None, *, is_mapping: bool) -> None:
        if mark is not None:
            self.is_cut = True
            is_first = self.parts[-1] in ("{", "[")
            self._put(("" if is_first else ",") + (f'"{mark}":null' if is_mapping else f'"{mark}"'))
        self._put("}" if is_mapping else "]")
