"""Settings: argument, environment, default, and what is said of a wrong one."""

from __future__ import annotations

import logging
import re
import subprocess

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmtrace._config import DEFAULT_ENDPOINT, Settings, resolve
from llmtrace.exceptions import ConfigurationError, LlmtraceError
from llmtrace.sampling import Preset

PHOENIX = "PHOENIX_COLLECTOR_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
GENERAL = "OTEL_EXPORTER_OTLP_ENDPOINT"
SECRET = "s3cr3t-c4n4ry"


def endpoint(argument: str | None = None, **env: str) -> str:
    """The address that is settled on."""
    return resolve(endpoint=argument, env=env).endpoint.url


def test_the_default_endpoint_is_a_local_phoenix():
    """With nothing set, spans go to the Phoenix on this machine."""
    assert endpoint() == DEFAULT_ENDPOINT == "http://localhost:6006/v1/traces"


@pytest.mark.parametrize("given_ones", [4, 3, 2, 1])
def test_the_endpoint_comes_from_the_first_place_that_names_one(given_ones):
    """Argument, then Phoenix's variable, then OpenTelemetry's for traces, then its general one."""
    sources = [(GENERAL, "http://general/v1/traces"), (TRACES, "http://traces/"), (PHOENIX, "http://phoenix/v1/traces")]
    env = {name: url.removesuffix("/v1/traces") for name, url in sources[:given_ones]}
    argument = "http://argument" if given_ones == 4 else None
    expected = "http://argument/v1/traces" if argument else sources[given_ones - 1][1]
    assert endpoint(argument, **env) == expected


@pytest.mark.parametrize("name", [PHOENIX, TRACES, GENERAL])
def test_an_empty_variable_is_no_setting(name):
    """An empty environment variable counts as unset, as OpenTelemetry has it."""
    assert endpoint(**{name: ""}) == DEFAULT_ENDPOINT


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("http://host:6006", "http://host:6006/v1/traces"),
        ("http://host:6006/", "http://host:6006/v1/traces"),
        (" http://host:6006 ", "http://host:6006/v1/traces"),
        ("https://host/v1/traces", "https://host/v1/traces"),
        ("https://host/s/space", "https://host/s/space"),
        ("https://host?tenant=a", "https://host/v1/traces?tenant=a"),
        ("http://[::1]:6006", "http://[::1]:6006/v1/traces"),
    ],
)
def test_argument_and_phoenix_variable_are_a_base_or_a_full_url(given_url, used):
    """An empty path gets /v1/traces, any other path is kept."""
    assert endpoint(given_url) == used
    assert endpoint(**{PHOENIX: given_url}) == used


@pytest.mark.parametrize("base", ["http://host", "http://host/", "http://host/otel", "http://host/v1/traces"])
def test_the_general_variable_always_gets_the_path(base):
    """OTEL_EXPORTER_OTLP_ENDPOINT is a base URL, whatever its path."""
    assert endpoint(**{GENERAL: base}) == base.rstrip("/") + "/v1/traces"


@pytest.mark.parametrize("full", ["http://host", "http://host/", "http://host/otel"])
def test_the_traces_variable_never_gets_the_path(full):
    """OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it is."""
    assert endpoint(**{TRACES: full}) == full


def refused(**arguments) -> str:
    """The one line with which the settings are refused."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(**{"env": {}, **arguments})
    message = str(caught.value)
    assert message.splitlines() == [message]
    assert isinstance(caught.value, LlmtraceError)
    assert isinstance(caught.value, ValueError)
    return message


@pytest.mark.parametrize("url", ["http://host:4317", "http://host:4317/v1/traces", "grpc://host:6006", "grpcs://host"])
def test_a_grpc_address_is_an_error_that_names_the_http_port(url):
    """Port 4317 and gRPC schemes are refused with the ports that work instead."""
    for setting, message in (
        ("endpoint", refused(endpoint=url)),
        ("alerts", refused(alerts=url)),
        *((name, refused(env={name: url})) for name in (PHOENIX, TRACES, GENERAL, "LLMTRACE_ALERTS_ENDPOINT")),
    ):
        assert message.startswith(f"{setting}=")
        assert "6006" in message
        assert "4318" in message


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_the_grpc_protocol_is_an_error_that_names_the_http_port(name):
    """A protocol of grpc is refused, by whichever variable it is asked for."""
    message = refused(env={name: "grpc"})
    assert name in message
    assert "6006" in message


def test_the_protocol_for_traces_wins_over_the_general_one():
    """Grpc for metrics and logs does not matter to traces over HTTP."""
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert endpoint(**env) == DEFAULT_ENDPOINT


BAD_ADDRESSES = [
    "",
    "localhost:6006",
    "ftp://host/",
    "http://",
    "http://host:port",
    "http://[::1",
    "http://host:99999",
    "http://two hosts/v1/traces",
    "http://host\n:6006/v1/traces",
    "line\nbreak",
    "http://host/\x00",
]


@pytest.mark.parametrize("url", [*BAD_ADDRESSES, 6006, b"http://host", object()])
def test_what_is_no_address_is_refused_with_an_example(url):
    """A wrong endpoint is one line: the setting and what is allowed."""
    message = refused(endpoint=url)
    assert message.startswith("endpoint=")
    assert "http://localhost:6006" in message or "6006 for Phoenix" in message


@given(
    st.one_of(
        st.text(),
        st.text(max_size=30).map("http://".__add__),
        st.from_regex(r"https?://[a-zA-Z0-9.\[\]:@ \n%-]{1,20}(/[ -~\n]{0,10})?", fullmatch=True),
    )
)
@example(url="HTTP://0/.")
def test_any_text_becomes_a_usable_address_or_a_configuration_error(url):
    """What `init_tracing` accepts, the HTTP client accepts too; everything else is a one-line error."""
    try:
        settled = endpoint(url)
    except ConfigurationError as error:
        assert str(error).splitlines() == [str(error)]  # noqa: PT017 - an error is one of the two right outcomes
        return
    parsed = httpx.URL(settled)
    assert parsed.scheme in ("http", "https")
    assert parsed.host
    assert parsed.port != 4317
    assert parsed.path not in ("", "/")
    assert endpoint(settled) == settled


def headers(argument: dict[str, str] | None = None, address: str | None = None, **env: str) -> dict[str, str]:
    """The headers that are settled on."""
    return dict(resolve(headers=argument, endpoint=address, env=env).headers)


def test_headers_merge_the_argument_over_opentelemetry_over_phoenix():
    """Each place adds its headers, and of the same header the nearer place wins."""
    merged = headers(
        {"X-A": "argument"},
        PHOENIX_CLIENT_HEADERS="x-a=phoenix,x-b=phoenix,x-c=phoenix,x-d=phoenix",
        OTEL_EXPORTER_OTLP_HEADERS="x-a=general,x-b=general,x-c=general",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="x-a=traces,x-b=traces",
    )
    assert merged == {"x-a": "argument", "x-b": "traces", "x-c": "general", "x-d": "phoenix"}


def test_header_variables_are_url_decoded():
    """OpenTelemetry's variables carry url-encoded values."""
    assert headers(OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20abc") == {"authorization": "Basic abc"}


@pytest.mark.parametrize("address", [None, "http://phoenix.example"])
def test_the_phoenix_key_becomes_a_bearer_token(address):
    """PHOENIX_API_KEY is sent as authorization to a Phoenix."""
    assert headers(address=address, PHOENIX_API_KEY=SECRET) == {"authorization": f"Bearer {SECRET}"}
    assert headers(PHOENIX_API_KEY=SECRET, PHOENIX_COLLECTOR_ENDPOINT="http://p")["authorization"]


@pytest.mark.parametrize("name", [TRACES, GENERAL])
def test_the_phoenix_key_goes_to_nobody_else(name):
    """A backend that OpenTelemetry's variables name gets neither Phoenix's key nor Phoenix's headers."""
    env = {name: "http://collector", "PHOENIX_API_KEY": SECRET, "PHOENIX_CLIENT_HEADERS": f"x-key={SECRET}"}
    assert headers(**env) == {}


def test_an_authorization_of_ones_own_is_not_replaced_by_the_phoenix_key():
    """The argument's authorization wins over PHOENIX_API_KEY, in whatever case it is spelt."""
    assert headers({"Authorization": "mine"}, PHOENIX_API_KEY=SECRET) == {"authorization": "mine"}


def test_the_router_gets_its_own_headers_only():
    """The backend's headers and the Phoenix key do not go to the router."""
    env = {"PHOENIX_API_KEY": SECRET, "LLMTRACE_ALERTS_HEADERS": "x-router=1", "OTEL_EXPORTER_OTLP_HEADERS": "x=2"}
    assert resolve(alerts="http://router", env=env).alerts_headers == {"x-router": "1"}
    chosen = resolve(alerts="http://router", alerts_headers={"X-Mine": "3"}, env=env)
    assert chosen.alerts_headers == {"x-mine": "3"}


BAD_HEADERS = [
    "authorization=x",
    [("a", "b")],
    {"a": 1},
    {1: "a"},
    {"two words": SECRET},
    {"": SECRET},
    {"x-key": f"{SECRET}\r\nx-evil: 1"},
    {"x-key": f"{SECRET}\0"},
    {"x-key": f"{SECRET}\u20ac"},
    {"x-kéy": SECRET},
    {"Content-Length": SECRET},
    {"transfer-encoding": SECRET},
]


@pytest.mark.parametrize("setting", ["headers", "alerts_headers"])
@pytest.mark.parametrize("wrong", BAD_HEADERS)
def test_what_cannot_be_a_header_is_refused_without_its_value(setting, wrong):
    """A header that HTTP cannot carry is an error at start; its value, often a secret, is not in the message."""
    message = refused(**{setting: wrong})
    assert message.startswith(setting)
    assert SECRET not in message


@pytest.mark.parametrize("value", ["x-key=a%0Ab", "x-key=a%0D%0Ax-evil:1", "x-key=%E2%82%AC", "x-key=%00"])
@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_HEADERS", "PHOENIX_CLIENT_HEADERS", "LLMTRACE_ALERTS_HEADERS"])
def test_header_variables_are_checked_like_arguments(name, value):
    """An encoded line break or a sign that HTTP cannot carry is refused at start, not at the first request."""
    assert name in refused(env={name: value}, alerts="http://router")


def test_a_malformed_header_variable_does_not_show_its_secret(caplog):
    """Whatever is said of a variable that cannot be read, the secret in it is not."""
    caplog.set_level(logging.DEBUG)
    try:
        resolve(env={"OTEL_EXPORTER_OTLP_HEADERS": f"authorization: Bearer {SECRET}"})
    except ConfigurationError as error:
        assert SECRET not in str(error)  # noqa: PT017 - an error is one of the two right outcomes
    assert SECRET not in caplog.text


def settings_full_of_secrets() -> Settings:
    """Settings with a canary wherever a secret can stand."""
    return resolve(
        endpoint=f"http://user:{SECRET}@host/v1/traces?token={SECRET}",
        headers={"authorization": SECRET},
        alerts=f"http://user:{SECRET}@router",
        alerts_headers={"authorization": SECRET},
        env={"PHOENIX_API_KEY": SECRET},
    )


def test_no_secret_is_in_the_repr_of_the_settings():
    """Headers, keys and credentials in addresses stay out of what a debugger or a log shows."""
    settings = settings_full_of_secrets()
    assert SECRET not in repr(settings)
    assert SECRET not in repr(settings.endpoint)


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://user:{SECRET}@host",
        f"http://user:{SECRET}@host:4317",
        f"http://user:{SECRET}@[::1",
        f"ftp://host/?token={SECRET}",
        f"http://host:4317/v1/traces?api_key={SECRET}",
        f"http://user:{SECRET}@:x@host:port",
    ],
)
def test_no_secret_is_in_the_message_about_a_wrong_address(url):
    """Credentials before the @ and in the query are not repeated."""
    assert SECRET not in refused(endpoint=url)


def test_the_service_name_is_the_argument_or_opentelemetrys_variable():
    """service_name wins over OTEL_SERVICE_NAME; without both it is left to the resource."""
    env = {"OTEL_SERVICE_NAME": "from-env"}
    assert resolve(service_name="given", env=env).service_name == "given"
    assert resolve(env=env).service_name == "from-env"
    assert resolve(env={}).service_name is None


def test_the_project_is_the_argument_or_a_phoenix_variable():
    """Project wins over PHOENIX_PROJECT, which wins over PHOENIX_PROJECT_NAME."""
    env = {"PHOENIX_PROJECT": "short", "PHOENIX_PROJECT_NAME": "long"}
    assert resolve(project="given", env=env).project == "given"
    assert resolve(env=env).project == "short"
    del env["PHOENIX_PROJECT"]
    assert resolve(env=env).project == "long"
    assert resolve(env={}).project is None


@pytest.mark.parametrize("setting", ["service_name", "service_version", "environment", "project"])
@pytest.mark.parametrize("wrong", [7, b"x", ["a"]])
def test_what_must_be_a_text_is_refused_if_it_is_none(setting, wrong):
    """A number or a list as a name is an error that names the setting."""
    assert refused(**{setting: wrong}).startswith(f"{setting}=")


def test_sampling_is_the_argument_or_the_variable_or_development():
    """Sampling wins over LLMTRACE_SAMPLING; the default keeps everything."""
    env = {"LLMTRACE_SAMPLING": "off"}
    assert resolve(sampling="collector", env=env).sampling is Preset.COLLECTOR
    assert resolve(env=env).sampling is Preset.OFF
    assert resolve(env={}).sampling is Preset.DEVELOPMENT
    assert resolve(env={"LLMTRACE_SAMPLING": ""}).sampling is Preset.DEVELOPMENT
    assert resolve(sampling=" OFF ", env={}).sampling is Preset.OFF


@pytest.mark.parametrize("wrong", ["everything", "", 0.5, "line\nbreak"])
def test_an_unknown_preset_is_refused_with_the_known_ones(wrong):
    """A wrong sampling name is one line: the setting, the value, the presets."""
    message = refused(sampling=wrong)
    assert message.startswith(f"sampling={wrong!r}")
    assert all(preset in message for preset in Preset)
    assert refused(env={"LLMTRACE_SAMPLING": "everything"}).startswith("LLMTRACE_SAMPLING='everything'")


def test_opentelemetrys_sampler_counts_only_where_nothing_else_is_said():
    """OTEL_TRACES_SAMPLER is asked only without sampling= and LLMTRACE_SAMPLING."""
    env = {"OTEL_TRACES_SAMPLER": "always_off"}
    assert resolve(env=env).otel_sampler
    assert not resolve(env={}).otel_sampler
    assert not resolve(sampling="development", env=env).otel_sampler
    assert not resolve(env={**env, "LLMTRACE_SAMPLING": "development"}).otel_sampler


def test_alerts_are_the_argument_or_the_variable_or_off():
    """Alerts wins over LLMTRACE_ALERTS_ENDPOINT, each a base or a full URL; without both nobody is told."""
    env = {"LLMTRACE_ALERTS_ENDPOINT": "http://from-env:4319"}
    assert resolve(alerts="http://given:4319/v1/traces", env=env).alerts == "http://given:4319/v1/traces"
    assert resolve(env=env).alerts == "http://from-env:4319/v1/traces"
    assert resolve(env={}).alerts is None
    assert refused(alerts="router:4319").startswith("alerts=")
    assert refused(env={"LLMTRACE_ALERTS_ENDPOINT": "router:4319"}).startswith("LLMTRACE_ALERTS_ENDPOINT=")


@pytest.mark.parametrize("infix", ["TRACES_", ""])
def test_opentelemetrys_transport_variables_are_honoured(infix, tmp_path):
    """Timeout, compression and certificates come from OpenTelemetry's variables, those for traces first."""
    pem = tmp_path / "ca.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
    ]
    subprocess.run(
        [*made, "-subj", "/CN=x", "-keyout", pem.with_suffix(".key"), "-out", pem], check=True, capture_output=True
    )
    pem.write_text(pem.with_suffix(".key").read_text() + pem.read_text())
    prefix = f"OTEL_EXPORTER_OTLP_{infix}"
    names = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
    env = {f"{prefix}TIMEOUT": "2.5", f"{prefix}COMPRESSION": "gzip", **{prefix + name: str(pem) for name in names}}
    if infix:
        env |= {"OTEL_EXPORTER_OTLP_TIMEOUT": "9", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    transport = resolve(env=env).transport
    assert (transport.timeout, transport.compression) == (2.5, "gzip")
    assert (transport.certificate, transport.client_certificate, transport.client_key) == (str(pem),) * 3


def test_without_transport_variables_the_defaults_are_opentelemetrys():
    """Ten seconds, no compression, the system's certificates."""
    transport = resolve(env={}).transport
    assert (transport.timeout, transport.compression, transport.certificate) == (10.0, None, None)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "seconds above 0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "seconds above 0"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "inf", "seconds above 0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "nan", "seconds above 0"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none, gzip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "PEM"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/nowhere/key.pem", "PEM"),
    ],
)
def test_a_wrong_transport_variable_is_refused(name, value, allowed):
    """A wrong value is one line: the variable, the value, what is allowed."""
    message = refused(env={name: value})
    assert message.startswith(f"{name}={value!r}")
    assert allowed in message


@given(
    st.dictionaries(st.sampled_from(["OTEL_EXPORTER_OTLP_TIMEOUT", "LLMTRACE_SAMPLING", PHOENIX, GENERAL]), st.text())
)
def test_no_environment_makes_anything_but_settings_or_a_configuration_error(env):
    """Whatever the environment holds, the answer is settings or a one-line error."""
    try:
        assert isinstance(resolve(env=env), Settings)
    except ConfigurationError as error:
        assert re.fullmatch(r".+", str(error))  # noqa: PT017 - an error is one of the two right outcomes


@pytest.mark.parametrize(
    ("alerts", "url"),
    [
        ("http://router:4319", "http://router:4319/v1/metrics"),
        ("http://router:4319/v1/traces", "http://router:4319/v1/metrics"),
        ("https://gate/router/v1/traces/", "https://gate/router/v1/metrics"),
        ("https://gate/router", "https://gate/router/v1/metrics"),
    ],
)
def test_metrics_for_the_router_go_beside_the_spans(alerts, url):
    """Under the same path, with the router's headers, every ten seconds."""
    found = resolve(alerts=alerts, alerts_headers={"x": "y"}, metrics="alerts", env={}).metrics
    assert (found.url, found.headers, found.interval) == (url, {"x": "y"}, 10.0)


def test_metrics_for_a_backend_have_headers_and_an_interval_of_their_own():
    """OpenTelemetry's variables, and the argument over them."""
    env = {
        "LLMTRACE_METRICS": "http://collector:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=1,b=1",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "b=2,c=2",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
    }
    found = resolve(metrics_headers={"c": "3"}, env=env).metrics
    assert found.url == "http://collector:4318/v1/metrics"
    assert found.headers == {"a": "1", "b": "2", "c": "3"}
    assert found.interval == 5.0
    assert "collector" not in repr(found)
    assert resolve(env={"LLMTRACE_METRICS": "off"}).metrics.is_on is False


@pytest.mark.parametrize("interval", ["soon", "-1", "0", "inf"])
def test_an_interval_that_is_none_is_refused(interval):
    """One line that names the variable, its value and what is allowed."""
    with pytest.raises(ConfigurationError, match=r"OTEL_METRIC_EXPORT_INTERVAL=.*allowed: milliseconds above 0"):
        resolve(metrics="http://c", env={"OTEL_METRIC_EXPORT_INTERVAL": interval})
