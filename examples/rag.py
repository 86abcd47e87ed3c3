"""Retrieval with a reranker before the answer: what was found, in which order it was used, what was said.

python -m examples.rag
"""

from __future__ import annotations

import llmtrace

LIBRARY = {
    "weather.md": "Oslo is rainy in November.",
    "hotels.md": "Oslo has many hotels.",
    "bergen.md": "Bergen is rainier than Oslo.",
}


def found(question: str, top_k: int) -> list[dict[str, object]]:
    """The documents that share most words with the question."""
    words = set(question.lower().strip("?").split())
    scored = [
        {"id": name, "content": text, "score": len(words & set(text.lower().strip(".").split())) / len(words)}
        for name, text in LIBRARY.items()
    ]
    return sorted(scored, key=lambda document: -float(str(document["score"])))[:top_k]


@llmtrace.chain(name="answer")
def answer(question: str) -> str:
    """Find, put in order, answer."""
    with llmtrace.retrieval_span(question, top_k=3) as span:
        documents = found(question, 3)
        span.record_documents(documents)
    with llmtrace.reranker_span(question, documents, top_k=1, model="overlap-1") as span:
        best = [document for document in documents if "rainy" in str(document["content"])][:1]
        span.record_documents(best)
    prompt = llmtrace.Prompt(template="Answer from: {context}", version="v3", variables={"context": best})
    with llmtrace.using(prompt=prompt), llmtrace.llm_span("gpt-4o-mini", f"Answer from: {best}\n{question}") as span:
        said = str(best[0]["content"]) if best else "I do not know."
        span.record_output(said)
    return said


def main() -> None:
    """Ask once."""
    llmtrace.init_tracing(service_name="rag")
    print(answer("Is Oslo rainy in November?"))


if __name__ == "__main__":
    main()
