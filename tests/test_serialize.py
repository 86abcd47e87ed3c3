"""The serialiser turns any value into bounded text: always valid, never raising, hanging or consuming."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import pathlib
import subprocess
import sys
import threading
import time
import types
import uuid
import warnings
from typing import Any, ClassVar, NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import (
    HOSTILE,
    EndlessMapping,
    EndlessSequence,
    HostileBytes,
    HostileDict,
    HostileFloat,
    HostileInt,
    HostileList,
    HostileStr,
    HostileStrKey,
    RaisingRepr,
    Recipe,
    any_texts,
    armed_key,
    doubling,
    nested,
    own_dict,
    own_list,
    plain_values,
    recipes,
    sound_texts,
)

from llmtrace._values import plain
from llmtrace._values.serialize import (
    DEFAULT_TEXT_LIMIT,
    MARK_CYCLE,
    MARK_DEPTH,
    MARK_FAILED,
    MARK_MORE,
    MARK_MORE_UNCOUNTED,
    MARK_TIME,
    MARK_TIME_UNCOUNTED,
    MARK_TRUNCATED,
    MARK_UNRENDERED,
    MAX_DEPTH,
    clean_text,
    render,
    to_json,
    to_text,
    truncate,
)
from llmtrace._values.shapes import MARK_HIDDEN
from llmtrace._values.storage import MARK_NOT_STORED

UNHURRIED = 60.0
"""A budget in seconds that no test spends, for tests that are not about time."""
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def reject(constant: str) -> Any:
    """NaN and Infinity are no JSON, though ``json.loads`` takes them."""
    pytest.fail(f"{constant} is no JSON")


def read(value: object, **settings_: Any) -> Any:
    """What a strict reader finds in the JSON of a value."""
    settings_.setdefault("budget", UNHURRIED)
    text = to_json(value, **settings_)
    text.encode()
    return json.loads(text, parse_constant=reject)


def compact(value: object) -> str:
    """What the standard library writes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# Properties.


@relaxed
@given(recipes, st.integers(2, 3_000))
def test_any_value_is_valid_and_bounded(recipe: Recipe, limit: int) -> None:
    """For any value and limit the JSON is valid, encodable and within the limit, and nothing is raised."""
    text = to_json(recipe.make(), limit=limit)
    assert len(text) <= limit
    text.encode()
    json.loads(text, parse_constant=reject)


@relaxed
@given(recipes, st.integers(0, 3_000))
def test_any_value_is_bounded_text(recipe: Recipe, limit: int) -> None:
    """For any value and limit ``to_text`` gives encodable text within the limit (two characters at least)."""
    text = to_text(recipe.make(), limit=limit)
    assert len(text) <= max(limit, 2)
    text.encode()


@relaxed
@given(plain_values)
def test_plain_values_equal_json_dumps(value: Any) -> None:
    """A plain value that is not cut is written exactly as ``json.dumps`` does with compact separators."""
    assert to_json(value, budget=UNHURRIED) == compact(value)


@relaxed
@given(plain_values)
def test_both_roads_agree(value: Any) -> None:
    """The slow road writes a plain value exactly as the fast road does."""
    with mock.patch("llmtrace._values.serialize.plain_json", return_value=None):
        assert to_json(value, budget=UNHURRIED) == compact(value)


@relaxed
@given(st.dictionaries(any_texts, st.integers(), max_size=30), st.integers(80, 2_000))
def test_order_is_kept(value: dict[str, int], limit: int) -> None:
    """Entries stand in the order of the dict, and what is cut is cut from the end."""
    pairs = json.loads(to_json(value, limit=limit, budget=UNHURRIED), object_pairs_hook=list)
    shown = [pair for pair in pairs if pair[1] is not None]
    assert shown == [(clean_text(key), number) for key, number in value.items()][: len(shown)]
    assert len(shown) == len(value) or pairs[-1][0] == MARK_MORE.format(len(value) - len(shown))


@given(any_texts)
@example("\ud83d\ude00")
@example("\x00")
def test_cleaning_is_idempotent_and_replaces_surrogates_only(text: str) -> None:
    """Cleaning replaces each surrogate by U+FFFD, keeps everything else in place, and twice is once."""
    cleaned = clean_text(text)
    cleaned.encode()
    assert clean_text(cleaned) == cleaned
    assert len(cleaned) == len(text)
    assert all(
        new == ("\ufffd" if "\ud800" <= old <= "\udfff" else old) for old, new in zip(text, cleaned, strict=True)
    )


@given(sound_texts)
def test_sound_text_is_the_same_object(text: str) -> None:
    """A sound text within the limit is not copied."""
    assert to_text(text) is text


@given(any_texts, st.integers(-5, 80))
def test_truncation_is_bounded_and_idempotent(text: str, limit: int) -> None:
    """A truncated text fits, is the text itself where that fits, and is not truncated again."""
    cut = truncate(text, limit)
    assert len(cut) <= max(limit, 0)
    assert truncate(cut, limit) == cut
    assert (cut == text) or len(text) > limit


@relaxed
@given(recipes, st.integers(2, 500))
def test_only_what_was_cut_has_an_original_length(recipe: Recipe, limit: int) -> None:
    """A text without ``original_length`` is the whole: a limit without end gives the same."""
    value = recipe.make()
    rendered = render(value, limit=limit, budget=UNHURRIED)
    if rendered.original_length is None:
        assert rendered == render(value, limit=limit * 1_000, budget=UNHURRIED)


# Hostile values.


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_value_alone_and_inside(name: str) -> None:
    """No hostile value raises, and its neighbours in the same container are still written."""
    assert to_text(HOSTILE[name]())
    read(HOSTILE[name]())
    inside = read({"before": 1, "value": HOSTILE[name](), "after": 2})
    assert (inside["before"], inside["after"]) == (1, 2)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_value_is_quick(name: str) -> None:
    """No hostile value takes long, an endless one included."""
    value = HOSTILE[name]()
    start = time.thread_time()
    to_json(value)
    assert time.thread_time() - start < 0.25


def test_keyboard_interrupt_passes() -> None:
    """Ctrl-C during a repr is the user's and passes."""

    class Interrupted:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_json([Interrupted()])


def test_repr_is_called_once_and_cut() -> None:
    """A foreign object is asked for its repr exactly once, and a long answer is cut."""
    calls = []

    class Counting:
        def __repr__(self) -> str:
            calls.append(1)
            return "r" * 10_000

    text = read({"value": Counting()}, limit=1_000)["value"]
    assert calls == [1]
    assert text.startswith("rrr")
    assert text.endswith(MARK_TRUNCATED.format(10_000))


def test_failing_objects_are_named() -> None:
    """An object that cannot be shown is named by module and class, without its address."""
    assert read(RaisingRepr()) == "<strategies.RaisingRepr object>"
    assert read(object()) == "<object object>"


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner, 1)])
def test_depth_is_bounded(wrap: Any) -> None:
    """Nesting beyond the bound ends with a mark, at exactly the bound."""
    assert MARK_DEPTH not in to_json(nested(MAX_DEPTH, wrap), budget=UNHURRIED)
    assert to_json(nested(MAX_DEPTH + 1, wrap), budget=UNHURRIED).count(MARK_DEPTH) == 1


def test_cycles_are_marked_and_shared_values_are_not() -> None:
    """A container inside itself is marked where it returns; the same list twice is no cycle."""
    assert read(own_list()) == [1, MARK_CYCLE]
    assert read(own_dict()) == {"a": 1, "self": MARK_CYCLE}
    shared = [object]
    assert MARK_CYCLE not in to_json([shared, shared])


def test_exhausted_stack_never_raises() -> None:
    """Called with the stack nearly used up, at any distance from its end, the serialiser still answers valid JSON."""
    answers = set()
    functions = (to_json, to_text, lambda value: render(value).text)

    def dive() -> None:
        for function in functions:
            answers.add(function({"a": [1, (2,), nested(40), RaisingRepr()]}))
        dive()

    with pytest.raises(RecursionError):
        dive()
    assert f'"{MARK_UNRENDERED}"' in answers
    assert len(answers) > 1
    for answer in answers:
        json.loads(answer)


@pytest.mark.parametrize(
    "make",
    [
        lambda log: (log.append(number) or number for number in range(3)),
        lambda log: map(log.append, [1, 2]),
        lambda log: filter(log.append, [1, 2]),
        lambda log: zip(map(log.append, [1]), [2], strict=True),
        lambda _: iter([1, 2]),
        lambda log: enumerate(map(log.append, [1])),
    ],
)
def test_iterators_are_not_consumed(make: Any) -> None:
    """No iterator is advanced: after it was serialised, alone and inside, it still gives everything."""
    log: list[Any] = []
    iterator = make(log)
    assert str(read(iterator)).startswith("<")
    read({"value": [iterator]})
    assert log == []
    assert len(list(iterator)) == len(list(make([])))


def test_coroutines_and_generators_are_named() -> None:
    """Generators, coroutines and async generators are named and not started."""

    def numbers() -> Any:
        yield 1

    async def fetch() -> None:
        """Do nothing."""

    async def stream() -> Any:
        yield 1

    coroutine, prefix = fetch(), "test_coroutines_and_generators_are_named.<locals>."
    assert read(numbers()) == f"<generator {prefix}numbers>"
    assert read(coroutine) == f"<coroutine {prefix}fetch>"
    assert read(stream()) == f"<async generator {prefix}stream>"
    assert coroutine.cr_frame is not None
    coroutine.close()


def test_file_is_not_read(tmp_path: pathlib.Path) -> None:
    """An open file is described, not read."""
    path = tmp_path / "note.txt"
    path.write_text("content", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        assert "TextIOWrapper" in read(file)
        assert file.read() == "content"


# Values one by one.


class Colour(enum.Enum):
    RED = "red"
    SHAPE = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Role(enum.StrEnum):
    USER = "user"


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    total: float
    items: list[str]
    kind: ClassVar[str] = "order"
    secret: str = dataclasses.field(default="s", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    inner: Any = None


class WithStaticMethod:
    def method(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (10**5000, "<int: 16610 bits>"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        ([float("-inf"), 1.5], ["-Infinity", 1.5]),
        (1 + 2j, "(1+2j)"),
        (HostileStr("text"), "text"),
        (HostileInt(7), 7),
        (HostileFloat(0.5), 0.5),
        (HostileDict(a=1), {"a": 1}),
        ({HostileStrKey("key"): 1}, {"key": 1}),
        (HostileList([1]), [1]),
        (HostileBytes(b"abc"), "<strategies.HostileBytes: 3 B>"),
        (collections.UserString("text"), "text"),
        (b"0123456789", "<bytes: 10 B>"),
        (bytearray(3), "<bytearray: 3 B>"),
        (memoryview(b"abc"), "<memoryview: 3 B>"),
        ({1: "a", None: "b", False: "c", 2.5: "d"}, {"1": "a", "null": "b", "false": "c", "2.5": "d"}),
        ({("a", 1): 2, b"k": 3, frozenset(): 4}, {'["a",1]': 2, "<bytes: 1 B>": 3, "[]": 4}),
        ({Role.USER: 1, Colour.RED: 2}, {"user": 1, "red": 2}),
        ((1, "a", [2]), [1, "a", [2]]),
        ({5}, [5]),
        (frozenset({"a"}), ["a"]),
        (collections.deque([1, 2], maxlen=2), [1, 2]),
        (range(3), "range(0, 3)"),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.items(), [["a", 1]]),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        (types.SimpleNamespace(a=1), {"a": 1}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Order(1.5, ["x"]), {"total": 1.5, "items": ["x"], "secret": MARK_HIDDEN}),
        (Slotted(1, Slotted(2)), {"a": 1, "inner": {"a": 2, "inner": None}}),
        (Colour.RED, "red"),
        (Colour.SHAPE, "test_serialize.Colour.SHAPE"),
        (Level.HIGH, 3),
        (Role.USER, "user"),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03:04:00+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: k"),
        (ValueError("bad", {"a": 1}), {"exception": "ValueError", "args": ["bad", {"a": 1}]}),
        (FileNotFoundError(2, "No such file"), "FileNotFoundError: [Errno 2] No such file"),
        (json.JSONDecodeError("bad", "x", 0), "json.decoder.JSONDecodeError: bad: line 1 column 1 (char 0)"),
        (compact, "<function test_serialize.compact>"),
        (len, "<function len>"),
        (functools.partial(compact, 1), "<partial test_serialize.compact>"),
        (WithStaticMethod().method, "<method test_serialize.WithStaticMethod.method>"),
        (Order, "<class test_serialize.Order>"),
        (int, "<class int>"),
        (json, "<module json>"),
        (threading.Lock(), "<_thread.lock object>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_known_values(value: object, expected: object) -> None:
    """Each kind of value has the documented form."""
    assert read(value) == expected
    assert read([value, object()])[0] == expected


def test_ordered_dict_keeps_its_own_order() -> None:
    """An OrderedDict is written in its own order, after move_to_end too."""
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    assert to_json(ordered) == '{"b":2,"a":1}'


def test_fields_run_no_user_code() -> None:
    """Declared fields are read from storage: no property, __getattr__ or lazy loader runs; what is unset says so."""
    ran = []

    class Lazy:
        def __get__(self, *_: object) -> str:
            ran.append(1)
            return "loaded"

        def __set__(self, *_: object) -> None:
            """Store nothing."""

    @dataclasses.dataclass
    class Record:
        plain: int
        lazy: Any = Lazy()  # noqa: RUF009 - a descriptor is meant to be shared

        def __getattribute__(self, name: str) -> Any:
            ran.append(name)
            return object.__getattribute__(self, name)

    record = Record(1)
    ran.clear()
    assert read(record) == {"plain": 1, "lazy": MARK_NOT_STORED}
    assert ran == []
    assert read(object.__new__(Slotted)) == {"a": MARK_NOT_STORED, "inner": MARK_NOT_STORED}


def test_pydantic_models_are_read_by_field() -> None:
    """A pydantic model is written by fields and extras, never by repr; hidden fields stay hidden, secrets masked."""
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        name: str

        __repr__ = __str__ = RaisingRepr.__repr__

    class Outer(pydantic.BaseModel):
        inner: Inner
        when: dt.date
        key: pydantic.SecretStr
        hidden: str = pydantic.Field(default="x", exclude=True)
        _private: int = 5

        @functools.cached_property
        def derived(self) -> int:
            return 1

    value = Outer(inner=Inner(name="n", extra="e"), when=dt.date(2026, 1, 2), key="secret-canary")
    assert value.derived == 1
    assert read(value) == {
        "inner": {"name": "n", "extra": "e"},
        "when": "2026-01-02",
        "key": "SecretStr('**********')",
        "hidden": MARK_HIDDEN,
    }
    assert read(pydantic.RootModel[list[int]]([1, 2])) == [1, 2]
    assert read(Inner.model_construct()) == {"name": MARK_NOT_STORED}


def test_provider_answers_equal_their_dump() -> None:
    """An answer of the OpenAI SDK is written as its own ``model_dump`` would."""
    chat = pytest.importorskip("openai.types.chat")
    answer = chat.ChatCompletion.model_validate(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "unknown": {"kept": True},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        }
    )
    assert read(answer) == answer.model_dump(mode="json")


def test_pydantic_version_1_models_are_read_by_field() -> None:
    """A model of pydantic 1 is written by its fields."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        v1 = pytest.importorskip("pydantic.v1")

        class Old(v1.BaseModel):
            name: str
            __repr__ = RaisingRepr.__repr__

    assert read(Old(name="n")) == {"name": "n"}


def test_attrs_classes_are_read_by_field() -> None:
    """An attrs class is written by its fields, with or without slots."""
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Record:
        name: str
        hidden: str = attrs.field(default="x", repr=False)

    assert read(Record("n")) == {"name": "n", "hidden": MARK_HIDDEN}


def test_arrays_are_described() -> None:
    """NumPy arrays are described by shape and dtype, NumPy scalars written as what they are."""
    np = pytest.importorskip("numpy")
    assert read(np.zeros((3, 4), dtype=np.float32)) == "<numpy.ndarray shape=(3, 4) dtype=float32>"
    assert read(np.array([RaisingRepr()])) == "<numpy.ndarray shape=(1) dtype=object>"
    scalars = [np.int64(3), np.float32(0.5), np.float64("nan"), np.bool_(True), np.str_("s"), np.bytes_(b"ab")]
    assert read(scalars) == [3, 0.5, "NaN", True, "s", "<numpy.bytes_: 2 B>"]
    assert read(np.longdouble(1)) == "<numpy.longdouble object>"
    assert read(np.datetime64("2026-01-02")) == "2026-01-02"


def test_tables_are_described() -> None:
    """Pandas tables are described by shape, never printed; its moments are written as ISO 8601."""
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    assert read(table).endswith("DataFrame shape=(3, 2)>")
    assert read(table["a"]).endswith("Series shape=(3) dtype=int64>")
    assert read(table.index).endswith("shape=(3) dtype=int64>")
    assert read([pd.Timestamp("2026-01-02"), pd.NaT]) == ["2026-01-02T00:00:00", "NaT"]


def test_mocks_fool_nobody() -> None:
    """A mock, which answers every question, is written as a mock."""
    for value in (mock.Mock(), mock.MagicMock(), mock.Mock(spec=Order), mock.MagicMock(spec=dict), mock.AsyncMock()):
        assert "Mock" in read(value)
        assert value.mock_calls == []


# Bounds.


def test_long_text_says_how_long_it_was() -> None:
    """A cut text keeps its beginning and names its whole length, in the text and as a number."""
    rendered = render("x" * 1_000, limit=100)
    assert rendered.text == "x" * (100 - len(MARK_TRUNCATED.format(1_000))) + "…[truncated, 1000 characters]"
    assert (rendered.original_length, rendered.is_json) == (1_000, False)
    assert render("x", limit=100) == ("x", False, None)


@pytest.mark.parametrize("character", ["x", "\x01", '"', "é", "😀", "\ud800"])
def test_long_string_inside_is_cut_to_fit(character: str) -> None:
    """A long string inside is cut and marked whatever its characters cost in JSON, and uses most of the room."""
    rendered = render({"a": character * 10_000, "b": 1}, limit=2_000)
    value = json.loads(rendered.text)
    assert value["a"].endswith(MARK_TRUNCATED.format(10_000))
    assert value["b"] == 1
    assert 1_500 < len(rendered.text) <= 2_000
    assert rendered.original_length is not None
    assert rendered.original_length > 10_000


def test_long_entry_leaves_room_for_the_next() -> None:
    """A huge first argument does not push out the small ones after it, however deep it is."""
    huge = "x" * 1_000_000
    value = read({"document": huge, "context": [[huge, huge]], "query": "what?", "top_k": 5})
    assert (value["query"], value["top_k"]) == ("what?", 5)
    assert len(value["document"]) > DEFAULT_TEXT_LIMIT - 2_000


def test_long_containers_end_with_a_count() -> None:
    """A long list or dict ends with the number of entries left out, and original_length counts them."""
    numbers = list(range(100_000))
    rendered = render(numbers, limit=1_000, budget=UNHURRIED)
    *shown, mark = json.loads(rendered.text)
    assert shown == numbers[: len(shown)]
    assert mark == MARK_MORE.format(100_000 - len(shown))
    assert rendered.original_length == len(rendered.text) + 100_000 - len(shown)
    pairs = read({str(number): number for number in numbers}, limit=1_000)
    assert list(pairs)[-1] == MARK_MORE.format(100_000 - len(pairs) + 1)
    assert pairs[list(pairs)[-1]] is None


def test_long_keys_are_cut() -> None:
    """A long key is cut and marked."""
    (key,) = read({"k" * 10_000: object})
    assert key.endswith(MARK_TRUNCATED.format(10_000))


def test_endless_values_end() -> None:
    """An endless sequence or mapping ends with a mark that claims no number."""
    assert read(EndlessSequence(), limit=200)[-1] == MARK_MORE_UNCOUNTED
    assert MARK_TIME_UNCOUNTED in to_json(EndlessMapping())


class Ticking:
    """A clock that advances by a fixed step each time it is read."""

    def __init__(self, step: int) -> None:
        self.now = 0
        self.step = step

    def __call__(self) -> int:
        self.now += self.step
        return self.now


def test_budget_of_time_ends_containers_with_a_mark() -> None:
    """When the time is spent, what was written stays, each open container is closed and says how much is missing."""
    value = {"first": [object, object, object], "second": object}
    text = to_json(value, budget=0.000_005, clock=Ticking(1_000))
    read_back = json.loads(text)
    assert read_back["first"][0] == "<class object>"
    assert MARK_TIME.format(1) in text
    assert render(value, budget=0.000_005, clock=Ticking(1_000)).original_length is not None


def test_slow_repr_is_not_followed_by_another() -> None:
    """One slow repr spends the budget: the next object is not asked."""
    clock, asked = Ticking(0), []

    class Slow:
        def __repr__(self) -> str:
            asked.append(1)
            clock.now += 1_500_000_000
            return "slow"

    assert json.loads(to_json([Slow(), Slow(), Slow()], clock=clock)) == ["slow", MARK_TIME.format(2)]
    assert asked == [1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: "x" * 10_000_000,
        lambda: {"a": "\x01" * 10_000_000},
        lambda: list(range(10_000_000)),
        lambda: [{"a": [index]} for index in range(50_000)],
        lambda: dict.fromkeys(range(1_000_000)),
        lambda: [10**2_000] * 10_000,
        lambda: doubling(60),
        lambda: [[[Order(1.5, ["x"])] * 100] * 100] * 100,
        lambda: ValueError(list(range(10_000_000))),
    ],
    ids=["text", "escapes", "list", "rows", "dict", "integers", "doubling", "records", "exception"],
)
def test_huge_values_are_quick(make: Any) -> None:
    """A huge value costs a few milliseconds, since it is cut before it is encoded."""
    value = make()
    start = time.thread_time()
    text = to_json(value)
    elapsed = time.thread_time() - start
    json.loads(text)
    assert elapsed < 0.1


def test_containers_changed_meanwhile_do_not_raise() -> None:
    """Dicts, lists, sets and deques that another thread changes all the time are written without an error."""
    shared: list[Any] = [{"a": object}, [object], {object}, collections.deque([object])]
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shared[0][number % 900] = number
            shared[1].append(number)
            shared[2].add(number)
            shared[3].append(number)
            if number % 1_000 == 0:
                for container in shared:
                    container.clear()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            json.loads(to_json(shared))
    finally:
        stop.set()
        thread.join()


def test_container_changed_by_its_own_entry() -> None:
    """A dict that changes while it is read says that reading failed and keeps what was read."""
    holder: dict[Any, Any] = {}

    class Adding:
        def __repr__(self) -> str:
            holder[object()] = 1
            return "adding"

    holder.update({number: number for number in range(600)} | {"x": Adding()})
    holder = dict(sorted(holder.items(), key=lambda pair: pair[0] != "x"))
    text = to_json(holder, budget=UNHURRIED)
    value = json.loads(text)
    assert value["x"] == "adding"
    assert MARK_FAILED in value


def test_keys_that_raise_are_named() -> None:
    """A key whose methods raise is named by its class."""
    assert read(armed_key()) == {"<strategies.HostileKey object>": 1, "sound": 2}


def test_later_changes_do_not_show() -> None:
    """The text is fixed when it is made."""
    value = {"a": [1]}
    text = to_json(value)
    value["a"].append(2)
    assert text == '{"a":[1]}'


@pytest.mark.parametrize("limit", [-1, 0, 1, 2, 3, 17, 30, 66, 67, 100])
def test_tiny_limits(limit: int) -> None:
    """Any limit is kept, as far as JSON has a text so short."""
    for value in ("x" * 100, ["x" * 100], {"a": object()}, own_list(), 10**30, (), nested(50)):
        text = to_json(value, limit=limit)
        json.loads(text)
        assert len(text) <= max(limit, 2)
        assert len(to_text(value, limit=limit)) <= max(limit, 2)


# The module.


def test_road_without_the_c_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has no C encoder the same text comes out."""
    monkeypatch.setattr(plain, "_encode_in_c", None)
    assert to_json({"a": [1, "é", None, True]}) == '{"a":[1,"é",null,true]}'


def test_import_is_light() -> None:
    """The serialiser imports nothing but the standard library, and nothing slow from it."""
    heavy = "opentelemetry|pydantic|numpy|pandas|attr|inspect_|pathlib|decimal|uuid|logging|asyncio"
    code = f"import sys; before = set(sys.modules); import llmtrace._values.serialize; heavy = {heavy.split('|')}; "
    code += "print(*[name for name in set(sys.modules) - before if name.split('.')[0] in heavy])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")
