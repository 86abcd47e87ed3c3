"""The span attribute keys and kinds that llmtrace emits, each spelt once.

The OpenInference ones come from ``openinference-semantic-conventions``, which is their source; the names under
``llmtrace.`` are ours and stand in ``docs/reference/attributes.md``.
"""

from __future__ import annotations

from typing import Final

from openinference.semconv.resource import ResourceAttributes
from openinference.semconv.trace import (
    AudioAttributes,
    ChoiceAttributes,
    DocumentAttributes,
    EmbeddingAttributes,
    EvaluationAttributes,
    ImageAttributes,
    MessageAttributes,
    MessageContentAttributes,
    OpenInferenceMimeTypeValues,
    OpenInferenceSpanKindValues,
    PromptAttributes,
    RerankerAttributes,
    SpanAttributes,
    ToolAttributes,
    ToolCallAttributes,
    VideoAttributes,
)

# What a span is.
SPAN_KIND: Final = SpanAttributes.OPENINFERENCE_SPAN_KIND
KIND_AGENT: Final = OpenInferenceSpanKindValues.AGENT.value
KIND_CHAIN: Final = OpenInferenceSpanKindValues.CHAIN.value
KIND_LLM: Final = OpenInferenceSpanKindValues.LLM.value
KIND_TOOL: Final = OpenInferenceSpanKindValues.TOOL.value
KIND_RETRIEVER: Final = OpenInferenceSpanKindValues.RETRIEVER.value
KIND_EMBEDDING: Final = OpenInferenceSpanKindValues.EMBEDDING.value
KIND_RERANKER: Final = OpenInferenceSpanKindValues.RERANKER.value
KIND_GUARDRAIL: Final = OpenInferenceSpanKindValues.GUARDRAIL.value
KIND_EVALUATOR: Final = OpenInferenceSpanKindValues.EVALUATOR.value
KIND_PROMPT: Final = OpenInferenceSpanKindValues.PROMPT.value

# What went in and came out, as text.
INPUT_VALUE: Final = SpanAttributes.INPUT_VALUE
INPUT_MIME_TYPE: Final = SpanAttributes.INPUT_MIME_TYPE
OUTPUT_VALUE: Final = SpanAttributes.OUTPUT_VALUE
OUTPUT_MIME_TYPE: Final = SpanAttributes.OUTPUT_MIME_TYPE
MIME_TEXT: Final = OpenInferenceMimeTypeValues.TEXT.value
MIME_JSON: Final = OpenInferenceMimeTypeValues.JSON.value

# A model call.
LLM_INPUT_MESSAGES: Final = SpanAttributes.LLM_INPUT_MESSAGES
LLM_OUTPUT_MESSAGES: Final = SpanAttributes.LLM_OUTPUT_MESSAGES
LLM_MODEL_NAME: Final = SpanAttributes.LLM_MODEL_NAME
LLM_PROVIDER: Final = SpanAttributes.LLM_PROVIDER
LLM_SYSTEM: Final = SpanAttributes.LLM_SYSTEM
LLM_INVOCATION_PARAMETERS: Final = SpanAttributes.LLM_INVOCATION_PARAMETERS
LLM_TOOLS: Final = SpanAttributes.LLM_TOOLS
LLM_FINISH_REASON: Final = SpanAttributes.LLM_FINISH_REASON
LLM_TOKEN_COUNT_PROMPT: Final = SpanAttributes.LLM_TOKEN_COUNT_PROMPT
LLM_TOKEN_COUNT_COMPLETION: Final = SpanAttributes.LLM_TOKEN_COUNT_COMPLETION
LLM_TOKEN_COUNT_TOTAL: Final = SpanAttributes.LLM_TOKEN_COUNT_TOTAL
LLM_TOKEN_COUNT_CACHE_READ: Final = SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ
LLM_TOKEN_COUNT_CACHE_WRITE: Final = SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE
LLM_TOKEN_COUNT_PROMPT_AUDIO: Final = SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_AUDIO
LLM_TOKEN_COUNT_REASONING: Final = SpanAttributes.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING
LLM_TOKEN_COUNT_COMPLETION_AUDIO: Final = SpanAttributes.LLM_TOKEN_COUNT_COMPLETION_DETAILS_AUDIO

LLM_COST_PROMPT: Final = SpanAttributes.LLM_COST_PROMPT
LLM_COST_COMPLETION: Final = SpanAttributes.LLM_COST_COMPLETION
LLM_COST_TOTAL: Final = SpanAttributes.LLM_COST_TOTAL

# Inside a message: ``llm.input_messages.<i>.message.role`` and its siblings.
MESSAGE_ROLE: Final = MessageAttributes.MESSAGE_ROLE
MESSAGE_CONTENT: Final = MessageAttributes.MESSAGE_CONTENT
MESSAGE_CONTENTS: Final = MessageAttributes.MESSAGE_CONTENTS
MESSAGE_NAME: Final = MessageAttributes.MESSAGE_NAME
MESSAGE_TOOL_CALLS: Final = MessageAttributes.MESSAGE_TOOL_CALLS
MESSAGE_TOOL_CALL_ID: Final = MessageAttributes.MESSAGE_TOOL_CALL_ID
MESSAGE_FUNCTION_CALL_NAME: Final = MessageAttributes.MESSAGE_FUNCTION_CALL_NAME
MESSAGE_FUNCTION_CALL_ARGUMENTS: Final = MessageAttributes.MESSAGE_FUNCTION_CALL_ARGUMENTS_JSON
CONTENT_TYPE: Final = MessageContentAttributes.MESSAGE_CONTENT_TYPE
CONTENT_TEXT: Final = MessageContentAttributes.MESSAGE_CONTENT_TEXT
CONTENT_IMAGE: Final = MessageContentAttributes.MESSAGE_CONTENT_IMAGE
TOOL_CALL_ID: Final = ToolCallAttributes.TOOL_CALL_ID
TOOL_CALL_FUNCTION_NAME: Final = ToolCallAttributes.TOOL_CALL_FUNCTION_NAME
TOOL_CALL_FUNCTION_ARGUMENTS: Final = ToolCallAttributes.TOOL_CALL_FUNCTION_ARGUMENTS_JSON
CONTENT_AUDIO: Final = MessageContentAttributes.MESSAGE_CONTENT_AUDIO
CONTENT_VIDEO: Final = MessageContentAttributes.MESSAGE_CONTENT_VIDEO
CONTENT_DOCUMENT: Final = MessageContentAttributes.MESSAGE_CONTENT_DOCUMENT
CONTENT_ID: Final = MessageContentAttributes.MESSAGE_CONTENT_ID
CONTENT_SIGNATURE: Final = MessageContentAttributes.MESSAGE_CONTENT_SIGNATURE
CONTENT_DATA: Final = MessageContentAttributes.MESSAGE_CONTENT_DATA
CONTENT_ENCRYPTED: Final = MessageContentAttributes.MESSAGE_CONTENT_ENCRYPTED_CONTENT
TOOL_CALL_REASONING_SIGNATURE: Final = ToolCallAttributes.TOOL_CALL_REASONING_SIGNATURE

# Inside a medium: ``...message_content.image.image.url`` and its siblings.
IMAGE_URL: Final = ImageAttributes.IMAGE_URL
AUDIO_URL: Final = AudioAttributes.AUDIO_URL
AUDIO_MIME_TYPE: Final = AudioAttributes.AUDIO_MIME_TYPE
AUDIO_TRANSCRIPT: Final = AudioAttributes.AUDIO_TRANSCRIPT
VIDEO_URL: Final = VideoAttributes.VIDEO_URL
DOCUMENT_URL: Final = DocumentAttributes.DOCUMENT_URL
DOCUMENT_NAME: Final = DocumentAttributes.DOCUMENT_NAME
OUTPUT_IMAGES: Final = SpanAttributes.OUTPUT_IMAGES

# A call of a text completion, without messages.
LLM_PROMPTS: Final = SpanAttributes.LLM_PROMPTS
LLM_CHOICES: Final = SpanAttributes.LLM_CHOICES
PROMPT_TEXT: Final = PromptAttributes.PROMPT_TEXT
COMPLETION_TEXT: Final = ChoiceAttributes.COMPLETION_TEXT

# What the answer of a model call says beyond OpenInference's words.
LLM_REFUSED: Final = "llmtrace.llm.refused"
"""True where the model refused in the provider's own field for it, whatever the finish reason says."""
LLM_REQUEST_MODEL_NAME: Final = SpanAttributes.LLM_REQUEST_MODEL_NAME
LLM_RESPONSE_MODEL_NAME: Final = SpanAttributes.LLM_RESPONSE_MODEL_NAME
RESPONSE_ID: Final = "llmtrace.llm.response_id"
"""By which the provider knows the answer."""
CITATIONS: Final = "llmtrace.llm.citations"
"""What the answer refers to, as JSON: Anthropic's citations, OpenAI's annotations. Content."""
SERVER_TOOLS_PREFIX: Final = "llmtrace.llm.server_tools."
"""Before the name of a tool that the provider ran: how often."""
FINISH_REASONS: Final = "llmtrace.llm.finish_reasons"
"""Of an answer with several choices: why each of them ended, in their order."""
CACHE_WRITE_1H_TOKENS: Final = "llmtrace.llm.cache_write_1h_tokens"
"""Of the tokens written to a cache, those that stay for an hour: they cost more."""
ACCEPTED_PREDICTION_TOKENS: Final = "llmtrace.llm.accepted_prediction_tokens"
REJECTED_PREDICTION_TOKENS: Final = "llmtrace.llm.rejected_prediction_tokens"
TOTAL_SECONDS: Final = "llmtrace.llm.total_seconds"
LOAD_SECONDS: Final = "llmtrace.llm.load_seconds"
PROMPT_SECONDS: Final = "llmtrace.llm.prompt_seconds"
COMPLETION_SECONDS: Final = "llmtrace.llm.completion_seconds"
"""How long a model took, as the server itself says: in all, to load, to read the prompt, to write the answer."""

# A tool, offered to a model or called.
TOOL_NAME: Final = SpanAttributes.TOOL_NAME
TOOL_ID: Final = SpanAttributes.TOOL_ID
TOOL_DESCRIPTION: Final = SpanAttributes.TOOL_DESCRIPTION
TOOL_PARAMETERS: Final = SpanAttributes.TOOL_PARAMETERS
TOOL_JSON_SCHEMA: Final = ToolAttributes.TOOL_JSON_SCHEMA

# A retrieval: ``retrieval.documents.<i>.document.content`` and its siblings.
RETRIEVAL_DOCUMENTS: Final = SpanAttributes.RETRIEVAL_DOCUMENTS
RERANKER_INPUT_DOCUMENTS: Final = RerankerAttributes.RERANKER_INPUT_DOCUMENTS
RERANKER_OUTPUT_DOCUMENTS: Final = RerankerAttributes.RERANKER_OUTPUT_DOCUMENTS
RERANKER_QUERY: Final = RerankerAttributes.RERANKER_QUERY
RERANKER_MODEL_NAME: Final = RerankerAttributes.RERANKER_MODEL_NAME
RERANKER_TOP_K: Final = RerankerAttributes.RERANKER_TOP_K
DOCUMENT_ID: Final = DocumentAttributes.DOCUMENT_ID
DOCUMENT_SCORE: Final = DocumentAttributes.DOCUMENT_SCORE
DOCUMENT_CONTENT: Final = DocumentAttributes.DOCUMENT_CONTENT
DOCUMENT_METADATA: Final = DocumentAttributes.DOCUMENT_METADATA
RETRIEVAL_TOP_K: Final = "llmtrace.retrieval.top_k"
RETRIEVAL_COUNT: Final = "llmtrace.retrieval.documents"

# Who and what: carried to every span below.
AGENT_NAME: Final = SpanAttributes.AGENT_NAME
SESSION_ID: Final = SpanAttributes.SESSION_ID
USER_ID: Final = SpanAttributes.USER_ID
METADATA: Final = SpanAttributes.METADATA
TAGS: Final = SpanAttributes.TAG_TAGS
PROMPT_TEMPLATE: Final = SpanAttributes.LLM_PROMPT_TEMPLATE
PROMPT_VERSION: Final = SpanAttributes.LLM_PROMPT_TEMPLATE_VERSION
PROMPT_VARIABLES: Final = SpanAttributes.LLM_PROMPT_TEMPLATE_VARIABLES

# The resource.
PROJECT_NAME: Final = ResourceAttributes.PROJECT_NAME
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
ENVIRONMENT: Final = "deployment.environment.name"
ENVIRONMENT_LEGACY: Final = "deployment.environment"

# A stream of ours: how it went.
STREAM_OUTCOME: Final = "llmtrace.stream.outcome"
STREAM_CHUNKS: Final = "llmtrace.stream.chunks"
RETRY_EVENT: Final = "llmtrace.retry"
RETRY_ATTEMPT: Final = "llmtrace.retry.attempt"
TIME_TO_FIRST_TOKEN: Final = "llmtrace.llm.time_to_first_token"  # noqa: S105 - a key, no password
"""Seconds from the start of the span to the first chunk that brought a part of the answer."""
TOKENS_PER_SECOND: Final = "llmtrace.llm.tokens_per_second"
"""Completion tokens after the first token, by the seconds they took."""

# Why a trace was kept, and what it stands for.
KEEP: Final = "llmtrace.keep"
"""True on any span: its trace is kept, whatever chance says."""
KEEP_REASON: Final = "llmtrace.keep.reason"
SAMPLING_REASON: Final = "llmtrace.sampling.reason"
ADJUSTED_COUNT: Final = "llmtrace.sampling.adjusted_count"
"""How many traces this one stands for; not there where that is not known."""
SAMPLING_PARTIAL: Final = "llmtrace.sampling.partial"
"""True: other spans of this trace in this process are gone."""
KEPT_STATE: Final = "llmtrace"
"""Our key in ``tracestate``: ``k:<reason>`` says that the trace is kept already."""

# What was cut or left out, so that nothing is missing silently.
TRUNCATED_PREFIX: Final = "llmtrace.truncated."
"""Before the key of an attribute that was cut: the characters that it had."""
OMITTED_PREFIX: Final = "llmtrace.omitted."
"""Before the key of a list: how many of its middle entries were left out; ``llmtrace.omitted.attributes``: others."""
TOMBSTONE: Final = "llmtrace.tombstone"
"""On what stands in the place of a span that could not be sent as it was: why."""

# An embedding: ``embedding.embeddings.<i>.embedding.text`` and ``.vector``.
EMBEDDING_EMBEDDINGS: Final = SpanAttributes.EMBEDDING_EMBEDDINGS
EMBEDDING_MODEL_NAME: Final = SpanAttributes.EMBEDDING_MODEL_NAME
EMBEDDING_INVOCATION_PARAMETERS: Final = SpanAttributes.EMBEDDING_INVOCATION_PARAMETERS
EMBEDDING_TEXT: Final = EmbeddingAttributes.EMBEDDING_TEXT
EMBEDDING_VECTOR: Final = EmbeddingAttributes.EMBEDDING_VECTOR
EMBEDDING_COUNT: Final = "llmtrace.embedding.vectors"
EMBEDDING_DIMENSIONS: Final = "llmtrace.embedding.dimensions"

# What an evaluator found: ``evaluations.<i>.evaluation.score`` and its siblings.
EVALUATIONS: Final = SpanAttributes.EVALUATIONS
EVALUATION_NAME: Final = EvaluationAttributes.EVALUATION_NAME
EVALUATION_SCORE: Final = EvaluationAttributes.EVALUATION_SCORE
EVALUATION_LABEL: Final = EvaluationAttributes.EVALUATION_LABEL
EVALUATION_EXPLANATION: Final = EvaluationAttributes.EVALUATION_EXPLANATION

# What a guardrail decided.
GUARDRAIL_OUTCOME: Final = "llmtrace.guardrail.outcome"
"""``passed``, ``blocked``, or the guardrail's own word."""
GUARDRAIL_SCORE: Final = "llmtrace.guardrail.score"
