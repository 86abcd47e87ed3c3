"""Metrics from end to end: an application's spans in, OTLP metrics out, whatever the sampling."""

from __future__ import annotations

import re
import time
from pathlib import Path

import metric_points
import pytest
from opentelemetry import metrics as api
from opentelemetry import trace as trace_api
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode
from opentelemetry.util._once import Once
from otlp_sink import HANGS, TAKEN, Answer, free_port
from scripts import output_of, run_script
from waiting import wait_until

import llmtrace
from llmtrace._stats import stats
from llmtrace.semconv import metrics, trace
from llmtrace.semconv.metrics import Instrument, Kind

pytest_plugins = ("core_fixtures",)

PAGE = Path(llmtrace.__file__).parent.parent / "docs/reference/metrics.md"
ALL = (*metrics.OF_SPANS, *metrics.OF_OURSELVES)


class ToolError(Exception):
    """What a tool raises."""


def everything() -> None:
    """An application that does all that is measured."""
    with llmtrace.using(prompt=llmtrace.Prompt("t", version="v7")), llmtrace.agent_span("support"):
        with llmtrace.llm_span("gpt-4o", "hello", provider="openai") as span:
            span.set_attributes(
                {trace.LLM_PROVIDER: "openai", trace.LLM_TOKEN_COUNT_PROMPT: 900, trace.LLM_TOKEN_COUNT_COMPLETION: 200}
            )
            span.set_attribute(trace.LLM_COST_TOTAL, 0.25)
            list(span.record_stream(iter(["a", "b"])))
        with pytest.raises(TimeoutError), llmtrace.llm_span("gpt-4o", "hello"):
            raise TimeoutError
        for documents in ([{"content": "d", "score": 0.75}, {"content": "e", "score": 0.5}], []):
            with llmtrace.retrieval_span("q") as span:
                span.record_documents(documents)
        with pytest.raises(ToolError), llmtrace.tool_span("search", {}):
            raise ToolError
        with llmtrace.evaluator_span("judge") as span:
            span.record_evaluation(0.5, "partly", name="faithful")
            llmtrace.tag_alert("warning", key="low")
        with pytest.raises(ToolError), llmtrace.agent_span("broken"):
            raise ToolError


def table() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """The page's table: kind, unit and attributes of each metric."""
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+), `([^`]+)` \| ([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    return {name: (kind, unit, tuple(re.findall(r"`([^`]+)`", attributes))) for name, kind, unit, attributes in rows}


def test_the_table_is_the_list_of_metrics():
    """Name, kind, unit and attributes of each metric stand in docs/reference/metrics.md as they are in the code."""
    assert table() == {found.name: (found.kind.value, found.unit, found.attributes) for found in ALL}


def counted_ourselves(monkeypatch) -> None:
    """As if the sampling and the deliveries had had all that can happen to them."""
    for name in (
        "traces.kept.error",
        "traces.dropped",
        "traces.dropped.over_the_cap",
        "traces.evicted",
        "traces.partial",
        "spans.unobserved",
    ):
        stats.add(name)
    for name in ("lost.queue_full", "lost.rejected[honeycomb]", "delivered[honeycomb]"):
        stats.add(name, 3)
    monkeypatch.setitem(stats._levels, "buffer.spans", lambda: 7)


def test_the_table_is_what_is_sent(start, sink, router, monkeypatch):
    """Every metric of the table arrives over the wire, of its kind and unit and with exactly these attributes."""
    start(metrics=sink.url, alerts=router.url, hints=True)
    everything()
    counted_ourselves(monkeypatch)
    assert llmtrace.flush(10)
    sent = metric_points.latest(sink)
    kinds = {"histogram": "histogram", "sum": "counter", "gauge": "gauge"}
    found = {
        name: (kinds[metric.kind], metric.unit, {key for point in metric.points for key in point.attributes})
        for name, metric in sent.items()
    }
    assert found == {name: (kind, unit, set(attributes)) for name, (kind, unit, attributes) in table().items()}
    for instrument in metrics.OF_SPANS:
        assert sent[instrument.name].buckets == instrument.buckets
    resource = sent["llmtrace.llm.cost"].resource
    assert resource["service.name"] == "tested"
    assert len(resource["service.instance.id"]) == 36


def test_the_numbers_are_those_of_the_spans(start, sink):
    """Counts, sums and attributes are what the application did."""
    start(metrics=sink.url + "/v1/metrics")
    everything()
    assert llmtrace.flush(10)
    sent = metric_points.latest(sink)
    duration = sent["gen_ai.client.operation.duration"]
    assert duration.total() == 4
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4o", "gen_ai__prompt__version": "v7"}
    assert duration.total(**chat) == 2
    assert duration.total(**chat, error__type="TimeoutError") == 1
    assert duration.total(gen_ai__operation__name="retrieval") == 2
    tokens = {point.attributes["gen_ai.token.type"]: point.value for point in sent["gen_ai.client.token.usage"].points}
    assert tokens == {"input": 900, "output": 200}
    assert sent["gen_ai.client.operation.time_to_first_chunk"].total(gen_ai__provider__name="openai") == 1
    assert sent["llmtrace.llm.cost"].total() == 0.25
    assert sent["llmtrace.stream.outcomes"].total(llmtrace__stream__outcome="complete") == 1
    assert sent["llmtrace.tool.errors"].total(gen_ai__tool__name="search") == 1
    assert sent["gen_ai.invoke_agent.duration"].total(gen_ai__agent__name="support") == 1
    assert [point.value for point in sent["llmtrace.retrieval.documents"].points] == [2]
    assert sent["llmtrace.retrieval.documents"].total() == 2
    assert sent["llmtrace.retrieval.empty"].total() == 1
    assert [(point.value, point.count) for point in sent["llmtrace.retrieval.top_score"].points] == [(0.75, 1)]
    assert [(point.value, point.attributes) for point in sent["llmtrace.evaluation.score"].points] == [
        (0.5, {"gen_ai.evaluation.name": "faithful"})
    ]
    assert sent["llmtrace.evaluation.results"].total(gen_ai__evaluation__score__label="partly") == 1
    assert sent["llmtrace.alerts"].total(llmtrace__alert__severity="warning", llmtrace__alert__key="low") == 1


@pytest.mark.parametrize("sampling", ["development", "production:ratio=0"])
def test_a_cost_that_llmtrace_works_out_is_counted_and_told(start, sink, router, sampling):
    """It is a metric of every call, on the slim span at the router, and on the span where that is kept."""
    start(metrics=sink.url, alerts=router.url, sampling=sampling)
    for tagged in (True, False):
        with llmtrace.llm_span("gpt-4o", "hello") as span:
            span.set_attributes({trace.LLM_TOKEN_COUNT_PROMPT: 1_000_000, trace.LLM_TOKEN_COUNT_COMPLETION: 0})
            if tagged:
                llmtrace.tag_alert("info", key="k")
    assert llmtrace.flush(10)
    each = router.span("llm.chat").attributes["llm.cost.total"]
    assert each > 0
    assert metric_points.latest(sink)["llmtrace.llm.cost"].total() == pytest.approx(2 * each)
    assert {span.attributes["llm.cost.total"] for span in sink.spans} == {each}


def test_they_are_totals_and_an_exemplar_is_a_trace_that_is_exported(start, sink):
    """Each request carries the totals; a bucket's exemplar is a trace that the backend has."""
    start(metrics=sink.url)
    for _ in range(2):
        everything()
        assert llmtrace.flush(10)
    sent = metric_points.latest(sink)
    assert sent["gen_ai.client.operation.duration"].total() == 8
    exemplars = {trace_id for point in sent["gen_ai.client.operation.duration"].points for trace_id in point.exemplars}
    assert exemplars
    assert exemplars <= {span.trace_id for span in sink.spans}


def test_a_trace_that_may_be_dropped_is_no_exemplar(start, sink, monkeypatch):
    """Where the sampled flag is not set, the span is counted and named nowhere."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    start(metrics=sink.url)
    everything()
    assert llmtrace.flush(10)
    points = [point for metric in metric_points.latest(sink).values() for point in metric.points]
    assert not [point.exemplars for point in points if point.exemplars]


@pytest.mark.parametrize(
    ("sampling", "names"),
    [("development", True), ("production:ratio=1", True), ("production:ratio=0", False), ("collector", False)],
)
def test_a_trace_is_named_only_where_it_is_surely_exported(start, sink, sampling, names):
    """Not where chance may drop it, nor where a Collector decides later; what a rule keeps is not known yet."""
    start(metrics=sink.url, sampling=sampling)
    everything()
    assert llmtrace.flush(10)
    points = [point for metric in metric_points.latest(sink).values() for point in metric.points]
    assert any(point.exemplars for point in points) is names


def test_in_an_applications_provider_chance_decides_by_another_flag(start, sink, fresh_otel):
    """Its sampler sets the sampled flag, our policy the verdict: no trace is named."""
    provider = TracerProvider(shutdown_on_exit=False)
    trace_api.set_tracer_provider(provider)
    start(metrics=sink.url, sampling="production:ratio=0")
    everything()
    assert llmtrace.flush(10)
    points = [point for metric in metric_points.latest(sink).values() for point in metric.points]
    assert points
    assert not any(point.exemplars for point in points)


def test_they_go_to_the_router_where_it_is_said(start, sink, router):
    """metrics="alerts": to the router's /v1/metrics, with its headers."""
    start(alerts=router.url, alerts_headers={"x-key": "k"}, metrics="alerts")
    everything()
    assert llmtrace.flush(10)
    (request,) = [request for request in router.requests if request.path == "/v1/metrics"]
    assert request.headers["x-key"] == "k"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert "gen_ai.client.token.usage" in metric_points.decoded(request.body)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"metrics": "alerts"}, "metrics='alerts' without a router"),
        ({"metrics": "somewhere"}, "metrics='somewhere' is no address"),
        ({"metrics": True}, "metrics=True; allowed: None, False, 'alerts', or an http"),
        ({"metrics": "http://localhost:4317"}, "OTLP/gRPC"),
    ],
)
def test_a_wrong_setting_is_an_error_at_start(start, settings, told):
    """One line that names the setting, its value and what is allowed."""
    with pytest.raises(llmtrace.ConfigurationError, match=re.escape(told)):
        start(**settings)


@pytest.fixture
def reader(monkeypatch) -> InMemoryMetricReader:
    """A MeterProvider that the application has set, with one reader."""
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", None)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER_SET_ONCE", Once())
    made = InMemoryMetricReader()
    api.set_meter_provider(MeterProvider([made], shutdown_on_exit=False))
    return made


def read(reader: InMemoryMetricReader) -> dict[str, list]:
    """The points of each metric."""
    data = reader.get_metrics_data()
    groups = data.resource_metrics[0].scope_metrics if data else []
    return {metric.name: list(metric.data.data_points) for group in groups for metric in group.metrics}


def test_an_applications_own_provider_gets_the_same(start, sink, reader, monkeypatch):
    """Without a setting they go into the application's MeterProvider: names, buckets, attributes and exemplars."""
    start()
    everything()
    counted_ourselves(monkeypatch)
    assert llmtrace.flush(10)
    found = read(reader)
    expected = {instrument.name: instrument for instrument in ALL} | {"llmtrace.alerts.sent": None}
    assert set(found) == set(expected) - {"llmtrace.alerts.sent"}
    for name, points in found.items():
        seen = {key for point in points for key in point.attributes}
        assert seen == set(expected[name].attributes), name
        if expected[name].kind is Kind.HISTOGRAM:
            assert points[0].explicit_bounds == expected[name].buckets
    durations = found["gen_ai.client.operation.duration"]
    assert sum(point.count for point in durations) == 4
    traces = {int(span.trace_id, 16) for span in sink.spans}
    assert {exemplar.trace_id for point in durations for exemplar in point.exemplars} <= traces
    assert not [request for request in sink.requests if request.path == "/v1/metrics"]


def test_a_second_start_counts_on_in_the_same_provider(start, reader):
    """After shutdown and a new init_tracing nothing is counted twice, and nothing is said."""
    for _ in range(2):
        start()
        everything()
        assert llmtrace.shutdown(10)
    found = read(reader)
    assert sum(point.count for point in found["gen_ai.client.operation.duration"]) == 8
    assert len(found["llmtrace.spans.delivered"]) == 1


def test_metrics_can_be_off(start, reader):
    """metrics=False: the application's provider sees nothing of llmtrace."""
    start(metrics=False)
    everything()
    assert llmtrace.flush(10)
    assert read(reader) == {}


def test_without_a_provider_nothing_is_measured(start, sink):
    """No setting and no provider of the application's: spans are sent, and no metrics."""
    start()
    everything()
    assert llmtrace.flush(10)
    assert {request.path for request in sink.requests} == {"/v1/traces"}


@pytest.mark.parametrize("then", ["nobody", "hangs"])
def test_an_endpoint_that_is_away_does_not_hold_up_the_end(start, sink, router, lenient, caplog, then):
    """The end keeps to its time, the spans are delivered, and one line says that the metrics are not."""
    router.then = HANGS
    start(metrics=router.url if then == "hangs" else f"http://127.0.0.1:{free_port()}")
    everything()
    if then == "nobody":
        for _ in range(3):
            assert not llmtrace.flush(5)
    began = time.monotonic()
    llmtrace.shutdown(2)
    assert time.monotonic() - began < 6
    assert sink.names.count("llm.chat") == 2
    lines = [entry.getMessage() for entry in caplog.records if "does not take metrics" in entry.getMessage()]
    assert len(lines) == (1 if then == "nobody" else 0)
    router.release()


def test_an_endpoint_that_refuses_is_said_once_and_tried_again(start, sink, router, lenient, caplog):
    """A 404 is one line; when it takes them again it has all that was counted in between."""
    router.then = Answer(404)
    start(metrics=router.url)
    for _ in range(3):
        everything()
        assert not llmtrace.flush(10)
    lines = [entry.getMessage() for entry in caplog.records if "metrics" in entry.getMessage()]
    assert lines == [
        f"llmtrace: {router.url}/v1/metrics does not take metrics (HTTP 404); a later request carries the same totals"
    ]
    router.then = TAKEN
    assert llmtrace.flush(10)
    assert metric_points.latest(router)["gen_ai.client.operation.duration"].total() == 12


def test_they_are_compressed_as_the_spans_are(start, sink, monkeypatch):
    """The exporter's variable for compression counts for metrics too."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    start(metrics=sink.url)
    everything()
    assert llmtrace.flush(10)
    (request,) = [request for request in sink.requests if request.path == "/v1/metrics"]
    assert request.headers["content-encoding"] == "gzip"
    assert metric_points.decoded(request.body)


def test_they_are_sent_again_and_again(start, sink, monkeypatch):
    """Without a flush, once in an interval, which is OpenTelemetry's variable."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    start(metrics=sink.url)
    everything()
    wait_until(lambda: len([r for r in sink.requests if r.path == "/v1/metrics"]) > 2, "three requests")


def test_secrets_do_not_leave_in_attributes(start, sink):
    """A model's name that holds a key is redacted in metrics as it is in spans."""
    start(metrics=sink.url)
    with llmtrace.llm_span("sk-proj-" + "a1B2c3D4" * 6, "hello"):
        pass
    assert llmtrace.flush(10)
    (point,) = metric_points.latest(sink)["gen_ai.client.operation.duration"].points
    assert point.attributes["gen_ai.request.model"].startswith("[redacted:")
    assert all(b"a1B2c3D4" not in request.body for request in sink.requests)


FORKING = """
    import os, sys, llmtrace
    llmtrace.init_tracing(service_name="forks", endpoint="{url}", metrics="{url}")
    def work(times):
        for _ in range(times):
            with llmtrace.tool_span("t", {{}}): pass
        assert llmtrace.shutdown(10)
    with llmtrace.tool_span("t", {{}}): pass
    assert llmtrace.flush(10)
    child = os.fork()
    if child == 0:
        work(2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    work(3)
"""


def test_a_forked_child_counts_its_own(sink):
    """Parent and child send their own totals, and are told apart."""
    assert output_of(FORKING.format(url=sink.url)) == ""
    counts: dict[str, float] = {}
    for request in sink.requests:
        if request.path == "/v1/metrics":
            found = metric_points.decoded(request.body)
            if "gen_ai.execute_tool.duration" in found:
                metric = found["gen_ai.execute_tool.duration"]
                counts[metric.resource["service.instance.id"]] = metric.total()
    assert sorted(counts.values()) == [2, 4]


def test_a_process_that_just_ends_sends_its_last_totals(sink):
    """Without flush or shutdown the last request carries what was counted until the end."""
    code = f"""
        import llmtrace
        llmtrace.init_tracing(service_name="ends", endpoint="{sink.url}", metrics="{sink.url}")
        for _ in range(5):
            with llmtrace.tool_span("t", {{}}): pass
    """
    done = run_script(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert metric_points.latest(sink)["gen_ai.execute_tool.duration"].total() == 5


def test_the_instruments_are_sound():
    """Each name is there once, under gen_ai. or llmtrace., and buckets rise."""
    names = [instrument.name for instrument in ALL]
    assert len(set(names)) == len(names)
    for instrument in ALL:
        assert isinstance(instrument, Instrument)
        assert instrument.name.startswith(("gen_ai.", "llmtrace."))
        assert list(instrument.buckets) == sorted(set(instrument.buckets))
        assert bool(instrument.buckets) == (instrument.kind is Kind.HISTOGRAM)


def test_nothing_of_the_sdks_metrics_is_loaded_for_nothing():
    """Who sends no metrics does not load what it takes."""
    code = """
        import sys, llmtrace
        llmtrace.init_tracing(endpoint="http://127.0.0.1:9")
        with llmtrace.tool_span("t", {}): pass
        llmtrace.flush(0.5)
        print([name for name in sys.modules if name.startswith("opentelemetry.sdk.metrics")])
        llmtrace.shutdown(0.1)
    """
    assert run_script(code).stdout == "[]\n"


def test_the_client_is_quiet(start, sink, caplog):
    """No line of anybody's about requests of ours."""
    caplog.set_level("INFO")
    start(metrics=sink.url)
    everything()
    assert llmtrace.flush(10)
    assert [entry for entry in caplog.records if "http" in entry.getMessage()] == []


def test_what_the_sampling_did_is_told(start, sink):
    """Traces kept by the reason and dropped, beside metrics of all of them: ten calls, two traces sent."""
    start(metrics=sink.url, sampling="production:ratio=0")
    for number in range(10):
        with llmtrace.tool_span("t", {}) as span:
            if number < 2:
                span.set_status(StatusCode.ERROR)
    assert llmtrace.flush(10)
    sent = metric_points.latest(sink)
    assert sent["gen_ai.execute_tool.duration"].total() == 10
    assert sent["llmtrace.traces.kept"].total(llmtrace__reason="error") == 2
    assert sent["llmtrace.traces.dropped"].total() == 8
    assert sent["llmtrace.buffer.spans"].total() == 0
    assert len(sink.spans) == 2
