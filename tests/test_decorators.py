"""The decorators: what they record of a call, and that nobody sees them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import pickle
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import llmtrace

pytest_plugins = ("core_fixtures",)

KINDS = {
    "AGENT": llmtrace.agent,
    "CHAIN": llmtrace.chain,
    "LLM": llmtrace.llm,
    "RETRIEVER": llmtrace.retrieval,
    "TOOL": llmtrace.tool,
}


@llmtrace.tool
def search(query: str, limit: int = 3) -> list[str]:
    """Search the docs.

    More words.
    """
    return [query] * limit


@llmtrace.chain
async def think(question: str) -> str:
    """Think."""
    await asyncio.sleep(0)
    return question.upper()


class Bot:
    @llmtrace.tool
    def method(self, query: str) -> str:
        return query

    @llmtrace.tool
    def odd_self(this, query: str) -> str:  # noqa: N805 - the name of self is the user's choice
        return query

    @llmtrace.tool
    async def coroutine(self, query: str) -> str:
        return query

    @llmtrace.tool
    @classmethod
    def above_classmethod(cls, query: str) -> str:
        return f"{cls.__name__} {query}"

    @classmethod
    @llmtrace.tool
    def below_classmethod(cls, query: str) -> str:
        return f"{cls.__name__} {query}"

    @llmtrace.tool
    @staticmethod
    def above_staticmethod(query: str) -> str:
        return query

    @staticmethod
    @llmtrace.tool
    def below_staticmethod(query: str) -> str:
        return query

    def __repr__(self) -> str:
        return "the-bot-itself"


def test_a_tool_records_its_call(spans, strict):
    """Name, first line of the docstring, arguments by name and result are on the span."""
    assert search("oslo", limit=2) == ["oslo", "oslo"]
    (span,) = spans
    assert span.name == "tool.search"
    assert dict(span.attributes) == {
        "openinference.span.kind": "TOOL",
        "tool.name": "search",
        "tool.description": "Search the docs.",
        "tool.parameters": '{"query":"oslo","limit":2}',
        "input.value": '{"query":"oslo","limit":2}',
        "input.mime_type": "application/json",
        "output.value": '["oslo","oslo"]',
        "output.mime_type": "application/json",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_decorator_makes_a_span_of_its_kind(spans, strict, kind):
    """agent, chain, llm, retrieval and tool; bare and with a name."""

    @KINDS[kind]
    def bare(text: str) -> str:
        return text

    @KINDS[kind](name="given")
    def named(text: str) -> str:
        return text

    assert (bare("a"), named("b")) == ("a", "b")
    assert [span.attributes["openinference.span.kind"] for span in spans] == [kind, kind]
    prefix = "tool." if kind == "TOOL" else ""
    assert [span.name for span in spans] == [f"{prefix}bare", f"{prefix}given"]


def test_an_agent_records_its_goal_and_answer(spans, strict):
    """A single text stays a text; the agent's name is its attribute."""

    @llmtrace.agent(name="support")
    def run(goal: str) -> str:
        return goal[::-1]

    run("abc")
    recorded = dict(spans[0].attributes)
    assert (recorded["input.value"], recorded["output.value"]) == ("abc", "cba")
    assert recorded["input.mime_type"] == recorded["output.mime_type"] == "text/plain"
    assert recorded["agent.name"] == "support"


def test_an_llm_function_records_model_messages_and_answer(spans, strict):
    """model, messages and tools are taken by their usual names, the rest are invocation parameters."""

    @llmtrace.llm
    def ask(model: str, messages: list[dict[str, str]], tools: Any = None, temperature: float = 1.0) -> Any:
        return {"choices": [{"message": {"role": "assistant", "content": "Rain."}}], "usage": {"total_tokens": 5}}

    ask("m", [{"role": "user", "content": "Weather?"}], tools=[{"name": "t"}], temperature=0.2)
    recorded = dict(spans[0].attributes)
    assert recorded["llm.model_name"] == "m"
    assert recorded["llm.input_messages.0.message.content"] == "Weather?"
    assert recorded["llm.output_messages.0.message.content"] == "Rain."
    assert recorded["llm.token_count.total"] == 5
    assert recorded["llm.tools.0.tool.json_schema"] == '{"name":"t"}'
    assert json.loads(recorded["llm.invocation_parameters"]) == {"temperature": 0.2}


def test_a_retrieval_function_records_its_documents(spans, strict):
    """What it returns are the documents."""

    @llmtrace.retrieval
    def find(query: str) -> list[dict[str, Any]]:
        return [{"content": query, "score": 0.5}]

    find("oslo")
    recorded = dict(spans[0].attributes)
    assert recorded["input.value"] == "oslo"
    assert recorded["retrieval.documents.0.document.content"] == "oslo"
    assert recorded["llmtrace.retrieval.documents"] == 1


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (lambda bot: bot.method("q"), "q"),
        (lambda bot: bot.method(query="q"), "q"),
        (lambda bot: Bot.method(bot, "q"), "q"),
        (lambda bot: bot.odd_self("q"), "q"),
        (lambda bot: asyncio.run(bot.coroutine("q")), "q"),
        (lambda bot: bot.above_classmethod("q"), "Bot q"),
        (lambda _: Bot.above_classmethod("q"), "Bot q"),
        (lambda _: Bot.below_classmethod("q"), "Bot q"),
        (lambda bot: bot.above_staticmethod("q"), "q"),
        (lambda _: Bot.below_staticmethod("q"), "q"),
        (lambda bot: bot.below_staticmethod("q"), "q"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ",
)
def test_methods_of_all_kinds_record_what_the_caller_wrote(spans, strict, call, result):
    """Methods, class methods and static methods work, and self and cls are left out, whatever they are called."""
    assert call(Bot()) == result
    (span,) = spans
    assert span.attributes["input.value"] == '{"query":"q"}'


def test_further_positional_arguments_stand_under_their_own_name(spans, strict):
    """*more and **options are recorded by the names that the function gives them."""

    @llmtrace.chain
    def gather(first: int, *more: int, key: str, **options: int) -> None: ...

    gather(1, 2, 3, key="k", deep=4)
    recorded = json.loads(spans[0].attributes["input.value"])
    assert recorded["first"] == 1
    assert recorded["key"] == "k"
    assert recorded["more"] == [2, 3]
    assert 4 in (recorded.get("deep"), (recorded.get("options") or {}).get("deep"))


def test_builtins_can_be_decorated(spans, strict):
    """A function without a readable signature is traced all the same."""
    assert llmtrace.tool(len)("abc") == 3
    assert llmtrace.tool(name="max")(max)(1, 2) == 2
    assert [span.name for span in spans] == ["tool.len", "tool.max"]
    assert "abc" in spans[0].attributes["input.value"]


def test_callables_of_any_kind_can_be_decorated(spans, strict):
    """Partial objects, lambdas and instances with __call__ work."""

    class Callable:
        def __call__(self, text: str) -> str:
            return text

    assert llmtrace.chain(functools.partial(int, base=2))("101") == 5
    assert llmtrace.chain(lambda text: text)("a") == "a"
    assert llmtrace.chain(Callable())("a") == "a"
    assert len(spans) == 3


@pytest.mark.parametrize("plain", [search.__wrapped__, think.__wrapped__])
def test_nobody_sees_the_decorator(plain):
    """Name, docstring, module, signature, annotations and coroutine-ness are the function's own."""
    decorated = llmtrace.tool(plain)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__defaults__"):
        assert getattr(decorated, name) == getattr(plain, name)
    assert inspect.signature(decorated) == inspect.signature(plain)
    assert inspect.iscoroutinefunction(decorated) == inspect.iscoroutinefunction(plain)
    assert asyncio.iscoroutinefunction(decorated) == asyncio.iscoroutinefunction(plain)
    assert inspect.isfunction(plain)
    assert decorated.__wrapped__ is plain


def test_the_shape_of_methods_is_kept():
    """A decorated method has the signature of the method, bound and unbound."""
    assert list(inspect.signature(Bot().method).parameters) == ["query"]
    assert list(inspect.signature(Bot.method).parameters) == ["self", "query"]
    assert inspect.iscoroutinefunction(Bot().coroutine)
    assert inspect.ismethod(Bot().method)


def test_results_are_handed_on_as_they_are(spans, strict):
    """The caller gets the identical object."""
    result = object()

    @llmtrace.chain
    def give() -> object:
        return result

    @llmtrace.chain
    async def give_later() -> object:
        return result

    assert give() is result
    assert asyncio.run(give_later()) is result


@pytest.mark.parametrize("asynchronous", [False, True])
def test_exceptions_are_handed_on_as_they_are(spans, strict, asynchronous):
    """The caller gets the identical exception, and the span has status ERROR."""
    boom = ValueError("no luck")

    @llmtrace.tool
    def fail() -> None:
        raise boom

    @llmtrace.tool
    async def fail_later() -> None:
        raise boom

    with pytest.raises(ValueError, match="no luck") as caught:
        asyncio.run(fail_later()) if asynchronous else fail()
    assert caught.value is boom
    assert spans[0].status.status_code is StatusCode.ERROR
    assert [event.name for event in spans[0].events] == ["exception"]


def test_a_coroutine_is_spanned_while_it_runs(spans, strict):
    """The span lasts as long as the awaited work, and spans made inside are its children."""

    @llmtrace.agent
    async def outer() -> str:
        return await think("a")

    async def main() -> str:
        coroutine = outer()
        assert inspect.iscoroutine(coroutine)
        assert spans == []
        return await coroutine

    assert asyncio.run(main()) == "A"
    inner, last = spans
    assert (inner.name, last.name) == ("think", "outer")
    assert inner.parent.span_id == last.context.span_id
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_cancelled_coroutine_is_no_error(spans, strict):
    """A task that is cancelled ends its span unset."""

    @llmtrace.chain
    async def wait() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert spans[0].status.status_code is StatusCode.UNSET
    assert not spans[0].events


def test_recursion_nests(spans, strict):
    """A decorated function that calls itself makes a span for each call."""

    @llmtrace.chain
    def count(number: int) -> int:
        return number and count(number - 1)

    count(2)
    assert [span.parent and span.parent.span_id for span in spans] == [
        spans[1].context.span_id,
        spans[2].context.span_id,
        None,
    ]


def test_a_wrong_call_fails_as_it_would_undecorated(spans, strict):
    """A missing argument is Python's own TypeError."""
    with pytest.raises(TypeError, match="query"):
        search()


def test_what_the_function_does_to_its_arguments_does_not_change_the_record(spans, strict):
    """The input is what the function was given."""

    @llmtrace.tool
    def empty(items: list[int]) -> None:
        items.clear()

    empty([1, 2])
    assert spans[0].attributes["input.value"] == '{"items":[1,2]}'


def test_decorated_functions_of_a_module_can_be_pickled():
    """Multiprocessing and task queues find a decorated function by its name."""
    try:
        copied = pickle.loads(pickle.dumps(search))  # noqa: S301 - our own bytes
    except NotImplementedError:
        pytest.fail("a decorated function cannot be pickled, the plain one could")
    assert copied("a", 1) == ["a"]


def test_without_tracing_a_call_is_the_plain_call():
    """Nothing is recorded, nothing is in the way."""
    assert search("a", 1) == ["a"]
    assert asyncio.run(think("a")) == "A"
    assert Bot().method("q") == "q"


def test_what_python_makes_class_methods_of_stays_one(spans, strict):
    """A class whose ``__init_subclass__`` or ``__class_getitem__`` is decorated is subclassed and indexed as before."""

    class Base:
        names: tuple[str, ...] = ()

        @llmtrace.tool
        def __init_subclass__(cls) -> None:
            Base.names += (cls.__name__,)

        @llmtrace.tool
        def __class_getitem__(cls, item: str) -> tuple[type, str]:
            return cls, item

    class Sub(Base):
        pass

    assert Base.names == ("Sub",)
    assert Sub["a"] == (Sub, "a")
    assert len(spans) == 2


def test_a_cached_property_gives_its_very_value(spans, strict):
    """Decorated above or below, a cached property is computed once, in a span, and is the value itself."""

    class Model:
        @llmtrace.tool
        @functools.cached_property
        def weights(self) -> list[int]:
            """Heavy."""
            return [1]

    model = Model()
    assert type(model.weights) is list
    assert model.weights is model.weights
    assert [span.name for span in spans] == ["tool.weights"]
    assert Model.__dict__["weights"].__doc__ == "Heavy."
