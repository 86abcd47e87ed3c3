"""A sampling policy as OpenTelemetry Collector YAML: for whole traces across services, which no single process can see.

Two tiers. The first balances by trace id, so that all spans of a trace reach the same Collector of the second, which
waits for the trace and decides by the same rules as ``production`` does in a process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmtrace.exceptions import ConfigurationError
from llmtrace.processors.tail.policies import INTERRUPTS
from llmtrace.sampling import SamplingPolicy
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

NUM_TRACES: Final = 50_000
"""Traces that a Collector holds; its caches of verdicts are ten times as large, as its documentation advises."""


def balancer(samplers: Sequence[str]) -> dict[str, Any]:
    """The first tier: takes spans from the services and hands each trace to one Collector of the second."""
    exporter = {
        "routing_key": "traceID",
        "protocol": {"otlp": {"tls": {"insecure": True}}},
        "resolver": {"static": {"hostnames": list(samplers)}},
    }
    return {
        "receivers": _receivers(),
        "processors": {"memory_limiter": _memory()},
        "exporters": {"loadbalancing": exporter},
        "service": _service(["memory_limiter"], "loadbalancing"),
    }


def sampler(policy: SamplingPolicy, backend: str, wait: float) -> dict[str, Any]:
    """The second tier: waits for a trace, decides, and sends what is kept to the backend."""
    tail_sampling = {
        "decision_wait": f"{wait:g}s",
        "decision_wait_after_root_received": f"{policy.grace:g}s",
        "num_traces": NUM_TRACES,
        "decision_cache": {"sampled_cache_size": 10 * NUM_TRACES, "non_sampled_cache_size": 10 * NUM_TRACES},
        "policies": list(policies(policy)),
    }
    return {
        "receivers": _receivers(),
        "processors": {"memory_limiter": _memory(), "tail_sampling": tail_sampling, "batch": {}},
        "exporters": {"otlphttp": {"endpoint": backend}},
        "service": _service(["memory_limiter", "tail_sampling", "batch"], "otlphttp"),
    }


def policies(policy: SamplingPolicy) -> Iterator[dict[str, Any]]:
    """The policies of the Collector's ``tail_sampling``, any of which keeps a trace.

    Raises:
        ConfigurationError: for a policy with functions, which a Collector cannot run.
    """
    if callable(policy.ratio) or policy.keep_if is not None:
        raise ConfigurationError("a policy with functions (ratio, keep_if) cannot be written for a Collector")
    if policy.errors:
        yield _policy("errors", "status_code", status_codes=["ERROR"])
        yield _policy("exceptions", "ottl_condition", error_mode="ignore", spanevent=[_exception(policy)])
    if policy.slow is not None:
        yield _policy("slow", "latency", threshold_ms=round(policy.slow * 1000))
    severities = [severity.value for severity in alert.Severity]
    yield _policy("alerts", "string_attribute", key=alert.SEVERITY, values=severities)
    yield _policy("forced", "boolean_attribute", key=keys.KEEP, value=True)
    if policy.cost is not None:
        # The Collector's numeric_attribute reads whole numbers only.
        condition = (
            f'attributes["{keys.LLM_COST_TOTAL}"] != nil and attributes["{keys.LLM_COST_TOTAL}"] >= {policy.cost}'
        )
        yield _policy("cost", "ottl_condition", error_mode="ignore", span=[condition])
    yield _policy("chance", "probabilistic", sampling_percentage=policy.ratio * 100)


def _policy(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, kind: settings}


def _exception(policy: SamplingPolicy) -> str:
    interrupts = [] if policy.cancelled else sorted(INTERRUPTS)
    return " and ".join(['name == "exception"', *(f'attributes["exception.type"] != "{kind}"' for kind in interrupts)])


def _receivers() -> dict[str, Any]:
    return {"otlp": {"protocols": {"http": {"endpoint": "0.0.0.0:4318"}, "grpc": {"endpoint": "0.0.0.0:4317"}}}}


def _memory() -> dict[str, Any]:
    return {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20}


def _service(processors: list[str], exporter: str) -> dict[str, Any]:
    return {"pipelines": {"traces": {"receivers": ["otlp"], "processors": processors, "exporters": [exporter]}}}


def to_yaml(value: Mapping[str, Any]) -> str:
    """The mapping as YAML; texts in quotes, as JSON writes them, which YAML reads alike."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    entries = (
        ((f"{key}:", item) for key, item in value.items())
        if isinstance(value, Mapping)
        else (("-", item) for item in value)
    )
    for start, item in entries:
        if not isinstance(item, Mapping | list) or not item:
            yield f"{start} {json.dumps(item)}"
            continue
        inner = list(_lines(item))
        if start == "-":
            yield f"- {inner[0]}"
            yield from (f"  {line}" for line in inner[1:])
        else:
            yield start
            yield from (f"  {line}" for line in inner)
