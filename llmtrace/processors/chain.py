"""The steps between a span's end and the wire, in their order.

The order matters. A secret that is cut in half is no longer recognised, so the coarse cut, which keeps redaction from
reading megabytes, leaves a margin that the fine cut takes away. What is derived from messages comes after both where
nothing but the default rules looks at them: of what is redacted and cut it repeats texts as they are, and redaction
reads each of them once. A rule of the user's own, and whatever else reads the derived values, sees them first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from opentelemetry.sdk.resources import Resource

from llmtrace._config import Privacy
from llmtrace._config.span_limits import SpanLimits
from llmtrace._record import SpanRecord
from llmtrace.destinations import GEN_AI, OPENINFERENCE
from llmtrace.processors.adding import adding
from llmtrace.processors.bounds import Limits
from llmtrace.processors.content import without_content
from llmtrace.processors.cost import cost_adder, cost_step
from llmtrace.processors.gen_ai import add_gen_ai
from llmtrace.processors.json_strings import flatten_json_strings
from llmtrace.processors.limits import SizeLimits
from llmtrace.processors.llm_values import derive_llm_values
from llmtrace.processors.redaction import Redaction
from llmtrace.processors.service_metadata import service_metadata
from llmtrace.secrets import environment_secrets


def chain(
    resource: Resource,
    privacy: Privacy,
    conventions: Sequence[str] = (OPENINFERENCE,),
    limits: SpanLimits | None = None,
) -> tuple[Callable[[SpanRecord], SpanRecord], ...]:
    """The steps for the spans of one service."""
    sizes = SizeLimits(Limits.asked(limits or SpanLimits()))
    known = environment_secrets(os.environ)
    is_late = privacy.capture_content and not privacy.rules and GEN_AI not in conventions
    return (
        flatten_json_strings,
        *(() if is_late else (derive_llm_values,)),
        adding(*cost_adder(), service_metadata(resource)),
        *((add_gen_ai,) if GEN_AI in conventions else ()),
        *(() if privacy.capture_content else (without_content,)),
        sizes.coarse,
        *((Redaction(privacy.rules, known=known),) if privacy.redacts else ()),
        sizes.closing(derive_llm_values) if is_late else sizes.fine,
    )


def text_redaction(privacy: Privacy) -> Redaction:
    """Redaction of single texts and resources, for what leaves the process beside the spans: the metrics."""
    return Redaction(privacy.rules, defaults=privacy.redacts, known=environment_secrets(os.environ))


def slim_chain(privacy: Privacy) -> tuple[Callable[[SpanRecord], SpanRecord], ...]:
    """The steps for what goes to the router, which holds no content any more: cost, sizes, redaction of the rest."""
    sizes = SizeLimits()
    redaction = (Redaction(privacy.rules, known=environment_secrets(os.environ)),) if privacy.redacts else ()
    return (*cost_step(), sizes.coarse, *redaction, sizes.fine)
