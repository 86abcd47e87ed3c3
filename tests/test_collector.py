"""The Collector's YAML, held to the field names that the Collector publishes."""

from __future__ import annotations

import pytest
import yaml

from llmtrace import collector
from llmtrace.cli import main
from llmtrace.exceptions import ConfigurationError
from llmtrace.sampling import SamplingPolicy

# From open-telemetry/opentelemetry-collector-contrib, the schemas that its components publish:
# processor/tailsamplingprocessor/config.schema.yaml at 0dc068537436d87703462ae3dc7d36f535d3abcf and
# exporter/loadbalancingexporter/config.schema.yaml at 97b5b3ee9154784207c05720c040543974ef00f7.
TAIL_SAMPLING = {
    "block_on_overflow": bool,
    "decision_cache": {"non_sampled_cache_size": int, "sampled_cache_size": int},
    "decision_wait": "duration",
    "decision_wait_after_root_received": "duration",
    "drop_pending_traces_on_shutdown": bool,
    "expected_new_traces_per_sec": int,
    "maximum_trace_size_bytes": int,
    "num_traces": int,
    "policies": list,
    "sample_on_first_match": bool,
}
POLICIES = {
    "boolean_attribute": {"key": str, "value": bool, "invert_match": bool},
    "latency": {"threshold_ms": int, "upper_threshold_ms": int},
    "numeric_attribute": {"key": str, "min_value": int, "max_value": int, "invert_match": bool},
    "ottl_condition": {"error_mode": str, "span": list, "spanevent": list},
    "probabilistic": {"hash_salt": str, "sampling_percentage": float},
    "status_code": {"status_codes": list},
    "string_attribute": {
        "key": str,
        "values": list,
        "enabled_regex_matching": bool,
        "cache_max_size": int,
        "invert_match": bool,
    },
}
LOADBALANCING = {
    "protocol": {"otlp": dict},
    "resolver": {"static": {"hostnames": list}, "dns": dict, "k8s": dict, "aws_cloud_map": dict},
    "routing_key": str,
    "routing_attributes": list,
    "sending_queue": dict,
}
OTHERS = {
    "memory_limiter": {"check_interval": "duration", "limit_percentage": int, "spike_limit_percentage": int},
    "batch": {},
    "otlphttp": {"endpoint": str},
}


def check(value, schema, where):
    """Every field is known, and of its kind."""
    if schema == "duration":
        assert value.endswith("s"), where
        assert float(value[:-1]) > 0, where
    elif isinstance(schema, dict):
        assert set(value) <= set(schema), f"{where}: {set(value) - set(schema)}"
        for key, inner in value.items():
            check(inner, schema[key], f"{where}.{key}")
    else:
        assert type(value) is schema, where


def printed(capsys, *arguments):
    """What the command prints, read as YAML."""
    assert main(["collector-config", *arguments]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def check_service(config):
    """A pipeline names what is there, and nothing is there that no pipeline names."""
    (pipeline,) = config["service"]["pipelines"].values()
    for part in ("receivers", "processors", "exporters"):
        assert set(pipeline[part]) == set(config[part])
    assert set(config["receivers"]["otlp"]["protocols"]) == {"http", "grpc"}


def test_the_yaml_has_only_fields_that_the_collector_publishes(capsys):
    """Both tiers, and every policy with the settings of its type."""
    balancer, sampler = printed(capsys, "--sampling", "production:cost=0.5")
    for config in (balancer, sampler):
        check_service(config)
    check(balancer["exporters"]["loadbalancing"], LOADBALANCING, "loadbalancing")
    check(sampler["processors"]["tail_sampling"], TAIL_SAMPLING, "tail_sampling")
    for policy in sampler["processors"]["tail_sampling"]["policies"]:
        assert set(policy) == {"name", "type", policy["type"]}
        check(policy[policy["type"]], POLICIES[policy["type"]], policy["name"])
    for config, part in ((balancer, "processors"), (sampler, "processors"), (sampler, "exporters")):
        for name, settings in config[part].items():
            if name != "tail_sampling":
                check(settings, OTHERS[name], name)


def test_the_policies_are_those_of_the_preset(capsys):
    """Errors, exceptions, slow, alert tags, forced, costly, and the share that chance keeps."""
    (sampler,) = printed(capsys, "--tier", "sampler", "--sampling", "production:ratio=0.05,slow=2s,cost=0.5")
    policies = {policy["name"]: policy for policy in sampler["processors"]["tail_sampling"]["policies"]}
    assert policies["errors"]["status_code"] == {"status_codes": ["ERROR"]}
    assert "CancelledError" in policies["exceptions"]["ottl_condition"]["spanevent"][0]
    assert policies["slow"]["latency"] == {"threshold_ms": 2000}
    assert policies["alerts"]["string_attribute"]["key"] == "llmtrace.alert.severity"
    assert policies["forced"]["boolean_attribute"] == {"key": "llmtrace.keep", "value": True}
    assert 'attributes["llm.cost.total"] >= 0.5' in policies["cost"]["ottl_condition"]["span"][0]
    assert policies["chance"]["probabilistic"] == {"sampling_percentage": 5.0}
    rules_off = list(collector.policies(SamplingPolicy(errors=False, slow=None)))
    assert [policy["name"] for policy in rules_off] == ["alerts", "forced", "chance"]


def test_the_first_tier_balances_by_trace_over_the_second(capsys):
    """Each sampler that was named gets whole traces."""
    (balancer,) = printed(capsys, "--tier", "balancer", "--samplers", "a:4317, b:4317")
    exporter = balancer["exporters"]["loadbalancing"]
    assert exporter["routing_key"] == "traceID"
    assert exporter["resolver"]["static"]["hostnames"] == ["a:4317", "b:4317"]


def test_the_caches_of_verdicts_outlast_the_traces(capsys):
    """Ten times as many as traces that are held, so that late spans follow; and the wait is the one asked for."""
    (sampler,) = printed(capsys, "--tier", "sampler", "--wait", "90")
    settings = sampler["processors"]["tail_sampling"]
    assert settings["decision_wait"] == "90s"
    assert min(settings["decision_cache"].values()) >= 10 * settings["num_traces"]


@pytest.mark.parametrize(
    "arguments", [["--sampling", "off"], ["--sampling", "x"], ["--wait", "-1"], ["--wait", "inf"], ["--samplers", ","]]
)
def test_what_cannot_be_is_one_line_and_status_2(capsys, arguments):
    """Naming the argument and what is allowed."""
    assert main(["collector-config", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert arguments[0] in said
    assert "allowed" in said


def test_functions_cannot_be_written_for_a_collector():
    """A policy in code that has them is refused."""
    with pytest.raises(ConfigurationError, match="functions"):
        list(collector.policies(SamplingPolicy(ratio=lambda *_: 1.0)))
