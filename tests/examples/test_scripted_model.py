"""The scripted model server, spoken to with the real openai SDK."""

from __future__ import annotations

import json
import time

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from examples.support_bot.scripted_model import FAILS_ON, MODEL, SLOW_ON, SLOW_SECONDS

PASSAGE = {"page": "rye.md", "heading": "Rye", "text": "Rye needs water. It also needs time."}


@pytest.fixture
def client(model_server):
    """The SDK, pointed at the server, without retries."""
    with openai.OpenAI(base_url=model_server, api_key="none", max_retries=0) as client:
        yield client


def _ask(client, *messages):
    state = ChatCompletionStreamState()
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=list(messages), stream=True, stream_options={"include_usage": True}
        )
    )
    for chunk in chunks:
        state.handle_chunk(chunk)
    return chunks, state.get_final_completion()


def _user(text):
    return {"role": "user", "content": text}


def _tool(**result):
    return {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(result)}


def test_first_it_calls_the_search_tool(client):
    """A question is answered with a streamed call of search_docs, its arguments in several pieces."""
    chunks, completion = _ask(client, _user("How does rye rise?"))
    (call,) = completion.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("search_docs", {"query": "How does rye rise?"})
    assert completion.choices[0].finish_reason == "tool_calls"
    assert sum(bool(chunk.choices and chunk.choices[0].delta.tool_calls) for chunk in chunks) > 2


def test_it_quotes_what_the_tools_returned(client):
    """The answer is made of the passages, word by word, and names their page."""
    chunks, completion = _ask(client, _user("How does rye rise?"), _tool(passages=[PASSAGE]))
    assert completion.choices[0].message.content == "Rye needs water. (rye.md)"
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) == 4


def test_it_does_not_make_up_an_answer(client):
    """Where the tools returned nothing, it says that there is nothing."""
    _, completion = _ask(client, _user("How does rye rise?"), _tool(passages=[]))
    assert completion.choices[0].message.content == "The documentation says nothing about that."


def test_it_asks_for_the_settings(client):
    """A question about settings calls a second tool, whose result stands in the answer."""
    question = _user("Which settings are there?")
    _, completion = _ask(client, question, _tool(passages=[PASSAGE]))
    assert completion.choices[0].message.tool_calls[0].function.name == "list_settings"
    _, completion = _ask(client, question, _tool(passages=[PASSAGE]), _tool(settings={"heat": "220"}))
    assert completion.choices[0].message.content.startswith("The settings are heat.")


def test_it_counts_tokens(client):
    """The last chunk carries the usage, counted from the text: a longer question costs more."""
    chunks, short = _ask(client, _user("Rye?"))
    _, long = _ask(client, _user("Rye and wheat and spelt and barley?"))
    assert chunks[-1].choices == []
    assert chunks[-1].usage == short.usage
    assert short.usage.total_tokens == short.usage.prompt_tokens + short.usage.completion_tokens
    assert long.usage.prompt_tokens > short.usage.prompt_tokens > 0


def test_it_fails_on_cue(client):
    """One phrase makes it answer 500."""
    with pytest.raises(openai.InternalServerError, match="on cue"):
        _ask(client, _user(f"What if the {FAILS_ON}?"))


def test_it_is_slow_on_cue(client):
    """One phrase makes the answer take its time."""
    start = time.monotonic()
    _ask(client, _user(f"Please {SLOW_ON}."), _tool(passages=[PASSAGE]))
    assert time.monotonic() - start >= SLOW_SECONDS


def test_it_says_that_it_is_scripted(client):
    """The list of models names what it is."""
    assert [model.id for model in client.models.list()] == ["scripted-model"]


def test_it_refuses_what_it_cannot_do(client):
    """A request that does not ask for a stream is a client error, not a broken answer."""
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model=MODEL, messages=[_user("Rye?")])
