"""The smallest: a script with one model call.

python -m examples.plain_script
"""

from __future__ import annotations

from typing import Any

import llmtrace


def model(messages: list[dict[str, str]]) -> dict[str, Any]:
    """In place of your client's `chat.completions.create`: an answer of the same shape."""
    return {
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris."}}],
        "usage": {"prompt_tokens": 9 * len(messages), "completion_tokens": 2, "total_tokens": 9 * len(messages) + 2},
    }


def main() -> None:
    """Ask once."""
    llmtrace.init_tracing(service_name="plain-script")
    messages = [{"role": "user", "content": "Capital of France?"}]
    with llmtrace.llm_span("gpt-4o-mini", messages, temperature=0.2) as span:
        answer = model(messages)
        span.record_output(answer)
    print(answer["choices"][0]["message"]["content"])


if __name__ == "__main__":
    main()
