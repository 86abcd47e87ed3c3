"""How far the current span and the values of `using` reach: tasks, threads, executors, other libraries' spans."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio.to_thread
import httpx2
import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from quiet import quiet, run, small_heap
from trees import parents

import llmtrace
from llmtrace.context import carry

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]


def work(name: str = "work") -> str | None:
    """What a thread does: a span; returns the user that it carries."""
    with llmtrace.tool_span(name) as span:
        return span.attributes.get("user.id")


async def work_later(name: str = "work") -> str | None:
    """The same in a task."""
    await asyncio.sleep(0)
    return work(name)


async def _task() -> Any:
    return await asyncio.create_task(work_later())


async def _gather() -> Any:
    return (await asyncio.gather(work_later()))[0]


async def _task_group() -> Any:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work_later())
    return task.result()


async def _to_thread() -> Any:
    return await asyncio.to_thread(work)


async def _anyio_thread() -> Any:
    return await anyio.to_thread.run_sync(work)


async def _anyio_group() -> Any:
    found: list[Any] = []

    async def note() -> None:
        found.append(await work_later())

    async with anyio.create_task_group() as group:
        group.start_soon(note)
    return found[0]


async def _callback() -> Any:
    loop, found = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    loop.call_soon(lambda: found.set_result(work()))
    return await found


async def _wait_for() -> Any:
    return await asyncio.wait_for(work_later(), 5)


@pytest.mark.parametrize(
    "reach", [_task, _gather, _task_group, _to_thread, _anyio_thread, _anyio_group, _callback, _wait_for]
)
def test_automatic(spans: list[ReadableSpan], reach: Callable[[], Any]) -> None:
    """Tasks, callbacks, asyncio.to_thread and anyio's threads carry span and values by themselves."""

    async def main() -> None:
        with llmtrace.agent_span("root"), llmtrace.using(user_id="u"):
            assert await reach() == "u"

    run(main)
    assert parents(spans) == {"tool.work": "root", "root": None}


def test_a_task_that_outlives_its_span(spans: list[ReadableSpan]) -> None:
    """It stays below the span that it was started in."""

    async def main() -> None:
        with llmtrace.agent_span("root"):
            task = asyncio.create_task(work_later())
        assert [span.name for span in spans] == ["root"]
        await task

    run(main)
    assert parents(spans) == {"tool.work": "root", "root": None}


def in_thread(function: Callable[[], Any]) -> Any:
    """Call it in a plain thread."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def in_executor(function: Callable[[], Any]) -> Any:
    """Call it in an executor's thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def by_map(function: Callable[[], Any]) -> Any:
    """Call it by an executor's map, in two threads at once."""
    barrier = threading.Barrier(2, timeout=10)

    def together(_: int) -> Any:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(together, range(2))
    assert first == second
    return first


def by_loop(function: Callable[[], Any]) -> Any:
    """Call it by loop.run_in_executor, in a loop that knows nothing of us."""

    async def main() -> Any:
        with ThreadPoolExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, function)

    return contextvars.Context().run(run, main)


THREADS = [in_thread, in_executor, by_map, by_loop]


@pytest.mark.parametrize("call", THREADS)
def test_not_automatic(spans: list[ReadableSpan], call: Callable[[Callable[[], Any]], Any]) -> None:
    """A thread and an executor begin a trace of their own, as with any OpenTelemetry library."""
    with llmtrace.agent_span("root"), llmtrace.using(user_id="u"):
        assert call(work) is None
    assert parents(spans) == {"tool.work": None, "root": None}


@pytest.mark.parametrize("call", THREADS)
def test_carried(spans: list[ReadableSpan], call: Callable[[Callable[[], Any]], Any]) -> None:
    """`carry` binds a function to span and values of here and now."""
    with llmtrace.agent_span("root"), llmtrace.using(user_id="u"):
        carried = carry(work)
    assert call(carried) == "u"
    assert parents(spans) == {"tool.work": "root", "root": None}
    assert carried.__name__ == "work"
    assert work() is None


def test_arguments_and_results_pass_through_carry(spans: list[ReadableSpan]) -> None:
    """Positional and named arguments, the result, and the identical exception."""
    error = ValueError("x")

    def fail() -> None:
        raise error

    assert carry(work)(name="named") is None
    assert carry(partial(work, "partial"))() is None
    with pytest.raises(ValueError, match="x") as caught:
        carry(fail)()
    assert caught.value is error


def test_a_coroutine_function_is_carried_to_another_loop(spans: list[ReadableSpan]) -> None:
    """run_coroutine_threadsafe gets span and values by a carried coroutine function."""

    async def main() -> None:
        with llmtrace.agent_span("root"), llmtrace.using(user_id="u"):
            carried = carry(work_later)
        assert asyncio.iscoroutinefunction(carried)
        assert await asyncio.to_thread(contextvars.Context().run, run, carried) == "u"

    run(main)
    assert parents(spans) == {"tool.work": "root", "root": None}


def test_carried_from_between_two_items(spans: list[ReadableSpan]) -> None:
    """What a consumer carries is its own context, not that of the generator that it reads."""

    def generator() -> Iterator[int]:
        with llmtrace.chain_span("subject"):
            yield 1

    with llmtrace.agent_span("root"):
        for _ in generator():
            in_thread(carry(work))
    assert parents(spans) == {"tool.work": "root", "subject": "root", "root": None}


def test_submit_keeps_its_type(spans: list[ReadableSpan]) -> None:
    """`carry` fits where an executor wants a function of arguments."""

    def submit(pool: Executor, name: str) -> Any:
        return pool.submit(carry(work), name).result()

    with ThreadPoolExecutor(1) as pool, llmtrace.using(user_id="u"):
        assert submit(pool, "named") == "u"


# -- other libraries ------------------------------------------------------------------------------------------------

CHUNKS = [
    {"role": "assistant", "content": "Ra"},
    {"content": "in."},
]


def answer(request: httpx2.Request) -> httpx2.Response:
    """OpenAI's chat endpoint: whole, or as a stream."""
    base = {"id": "c", "created": 1, "model": "m"}
    if json.loads(request.content).get("stream"):
        lines = [
            {
                **base,
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
            }
            for delta in CHUNKS
        ]
        body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        return httpx2.Response(200, text=body, headers={"content-type": "text/event-stream"})
    message = {"role": "assistant", "content": "Rain."}
    choices = [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}]
    return httpx2.Response(200, json={**base, "object": "chat.completion", "choices": choices})


class Ended(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep one."""
        self.spans.append(span)


@pytest.fixture
def instrumented(spans: list[ReadableSpan]) -> Iterator[list[ReadableSpan]]:
    """The OpenAI SDK, instrumented by OpenInference with a provider of its own."""
    theirs = Ended()
    provider = TracerProvider()
    provider.add_span_processor(theirs)
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield theirs.spans
    instrumentor.uninstrument()
    provider.shutdown()


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    """An OpenAI client whose server is a function."""
    with openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=httpx2.MockTransport(answer))) as made:
        yield made


MESSAGES: Any = [{"role": "user", "content": "Weather?"}]


@pytest.mark.parametrize("stream", [False, True])
def test_using_reaches_openinferences_openai_spans(
    spans: list[ReadableSpan], instrumented: list[ReadableSpan], client: openai.OpenAI, stream: bool
) -> None:
    """User, session, tags, metadata and prompt are on the spans of openinference-instrumentation-openai, below ours."""
    prompt = llmtrace.Prompt(template="{q}?", version="v7", variables={"q": "Weather"})
    with (
        llmtrace.agent_span("root") as root,
        llmtrace.using(user_id="u", session_id="s", tags=["t"], metadata={"k": 1}, prompt=prompt),
    ):
        made: Any = client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
        if stream:
            assert "".join(chunk.choices[0].delta.content for chunk in made) == "Rain."
    (theirs,) = instrumented
    found = dict(theirs.attributes or {})
    assert (found["user.id"], found["session.id"], list(found["tag.tags"])) == ("u", "s", ["t"])
    assert json.loads(found["metadata"]) == {"k": 1}
    assert found["llm.prompt_template.template"] == "{q}?"
    assert found["llm.prompt_template.version"] == "v7"
    assert json.loads(found["llm.prompt_template.variables"]) == {"q": "Weather"}
    assert theirs.parent is not None
    assert theirs.parent.span_id == root.context.span_id


def test_an_instrumented_stream_in_a_generator(
    spans: list[ReadableSpan], instrumented: list[ReadableSpan], client: openai.OpenAI
) -> None:
    """A generator that holds our span and reads their stream: theirs is below ours, the consumer's is not."""

    def tell() -> Iterator[str]:
        with llmtrace.chain_span("subject"):
            for chunk in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
                yield chunk.choices[0].delta.content or ""

    with llmtrace.agent_span("root"):
        for _ in tell():
            work()
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert parents(spans) == {"tool.work": "root", "subject": "root", "root": None}
    ids = {span.context.span_id: span.name for span in spans}
    assert [ids[span.parent.span_id] for span in instrumented if span.parent] == ["subject", "root"]


def test_record_stream_of_the_real_sdk(spans: list[ReadableSpan], client: openai.OpenAI) -> None:
    """OpenAI's own Stream object: recorded, closed early, and still an OpenAI Stream."""
    with llmtrace.llm_span("m", MESSAGES) as llm:
        stream = llm.record_stream(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert isinstance(stream, openai.Stream)
    with stream as entered:
        assert entered is stream
        assert next(entered).choices[0].delta.content == "Ra"
    assert spans[0].attributes is not None
    assert spans[0].attributes["llm.output_messages.0.message.content"] == "Ra"
    assert spans[0].attributes["llmtrace.stream.outcome"] == "abandoned"


def test_record_stream_of_the_real_asynchronous_sdk(spans: list[ReadableSpan]) -> None:
    """OpenAI's AsyncStream, behind an async generator of the app, as in a streaming endpoint."""

    async def main() -> None:
        transport = httpx2.MockTransport(answer)
        async with openai.AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=transport)) as client:

            async def tell() -> AsyncIterator[str]:
                with llmtrace.llm_span("m", MESSAGES) as llm:
                    made = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                    async for chunk in llm.record_stream(made):
                        yield chunk.choices[0].delta.content or ""

            with llmtrace.agent_span("root"):
                async for _ in tell():
                    work()

    run(main)
    assert parents(spans) == {"tool.work": "root", "llm.chat": "root", "root": None}
    recorded = next(span for span in spans if span.name == "llm.chat").attributes
    assert recorded is not None
    assert recorded["llm.output_messages.0.message.content"] == "Rain."
    assert recorded["llmtrace.stream.outcome"] == "complete"
