"""Settings: argument > environment > default, each named once, checked at `init_tracing`, loudly.

The order for the endpoint and the headers is the settled one of the API: the argument, then Phoenix's variable, then
OpenTelemetry's.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from llmtrace._config.addresses import (
    HTTP_PORTS,
    METRICS_PATH,
    TRACES_PATH,
    Environment,
    checked,
    env_headers,
    given_headers,
    with_default_path,
)
from llmtrace._config.backends import FurtherBackend, resolve_backends, resolve_conventions
from llmtrace._config.span_limits import SpanLimits, span_limits
from llmtrace._config.spool import resolve_spool
from llmtrace.destinations import OPENINFERENCE, Spool
from llmtrace.exceptions import ConfigurationError
from llmtrace.hints import DEFAULTS, HintRule
from llmtrace.hints.file import distinct, load
from llmtrace.sampling import Preset, SamplingPolicy, read_sampling

DEFAULT_ENDPOINT: Final = "http://localhost:6006/v1/traces"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OTLP/HTTP address, and the setting that it came from."""

    url: str = field(repr=False)
    setting: str

    @property
    def is_phoenix(self) -> bool:
        """Whether Phoenix's API key may be sent there: not where the address was given for any OTLP backend."""
        return not self.setting.startswith("OTEL_")


@dataclass(frozen=True, slots=True)
class Transport:
    """How requests are made: OpenTelemetry's exporter variables."""

    timeout: float = 10.0
    compression: str | None = None
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Privacy:
    """What leaves the process of what was recorded."""

    capture_content: bool = True
    redacts: bool = True
    rules: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where metrics go."""

    url: str | None = field(default=None, repr=False)
    """An OTLP/HTTP address for them; None: the application's own MeterProvider, if it has set one."""
    is_on: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    interval: float = 60.0
    """Seconds between two requests."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `init_tracing` decides by."""

    service_name: str | None
    service_version: str | None
    environment: str | None
    endpoint: Endpoint
    headers: Mapping[str, str] = field(repr=False)
    project: str | None
    sampling: Preset | SamplingPolicy
    otel_sampler: bool
    alerts: str | None = field(repr=False)
    alerts_headers: Mapping[str, str] = field(repr=False)
    transport: Transport
    privacy: Privacy
    hints: tuple[HintRule, ...] = ()
    conventions: tuple[str, ...] = (OPENINFERENCE,)
    auto_instrument: bool | tuple[str, ...] = False
    console: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    backends: tuple[FurtherBackend, ...] = ()
    spool: Spool | None = None
    limits: SpanLimits = field(default_factory=SpanLimits)


def resolve(
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    environment: str | None = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    project: str | None = None,
    sampling: str | SamplingPolicy | None = None,
    alerts: str | None = None,
    alerts_headers: Mapping[str, str] | None = None,
    capture_content: bool = True,
    redaction: object = True,
    hints: object = None,
    conventions: object = (OPENINFERENCE,),
    auto_instrument: object = False,
    console: object = False,
    metrics: object = None,
    metrics_headers: Mapping[str, str] | None = None,
    backends: object = (),
    spool: object = None,
    env: Environment = os.environ,
) -> Settings:
    """Settle every setting.

    Raises:
        ConfigurationError: for a value that cannot be, naming the setting, the value and what is allowed.
    """
    _refuse_grpc(env)
    settled = _endpoint(endpoint, env)
    alerts_setting = "alerts" if alerts is not None else "LLMTRACE_ALERTS_ENDPOINT"
    alerts = alerts if alerts is not None else env.get("LLMTRACE_ALERTS_ENDPOINT") or None
    router = None if alerts is None else with_default_path(alerts_setting, alerts)
    router_headers = (
        given_headers("alerts_headers", alerts_headers)
        if alerts_headers is not None
        else env_headers("LLMTRACE_ALERTS_HEADERS", env)
    )
    return Settings(
        service_name=_text("service_name", service_name) or env.get("OTEL_SERVICE_NAME") or None,
        service_version=_text("service_version", service_version),
        environment=_text("environment", environment),
        endpoint=settled,
        headers=_headers(headers, settled, env),
        project=_text("project", project) or env.get("PHOENIX_PROJECT") or env.get("PHOENIX_PROJECT_NAME") or None,
        sampling=_sampling(sampling, env),
        otel_sampler=sampling is None and not env.get("LLMTRACE_SAMPLING") and bool(env.get("OTEL_TRACES_SAMPLER")),
        alerts=router,
        alerts_headers=router_headers,
        transport=_transport(env),
        privacy=_privacy(capture_content, redaction),
        conventions=resolve_conventions("conventions", conventions),
        auto_instrument=_auto_instrument(auto_instrument),
        console=_console(console),
        limits=span_limits(env),
        hints=_hints(hints, env, has_router=router is not None),
        metrics=_metrics(metrics, metrics_headers, router, router_headers, env),
        backends=resolve_backends(backends),
        spool=resolve_spool(spool, env),
    )


def _console(asked: object) -> bool:
    if not isinstance(asked, bool):
        msg = f"console={asked!r:.80}; allowed: True, False"
        raise ConfigurationError(msg)
    return asked


def _auto_instrument(asked: object) -> bool | tuple[str, ...]:
    if isinstance(asked, bool):
        return asked
    if isinstance(asked, list | tuple) and all(isinstance(name, str) for name in asked):
        return tuple(asked)
    msg = f"auto_instrument={asked!r:.80}; allowed: True, False, or a list of names"
    raise ConfigurationError(msg)


def _privacy(capture_content: object, redaction: object) -> Privacy:
    if not isinstance(capture_content, bool):
        msg = f"capture_content={capture_content!r:.80}; allowed: True, False"
        raise ConfigurationError(msg)
    if isinstance(redaction, bool):
        return Privacy(capture_content, redaction)
    rules = tuple(redaction) if isinstance(redaction, list | tuple) else (None,)
    for rule in rules:
        if not callable(getattr(rule, "compiled", None)):
            msg = f"redaction={redaction!r:.80}; allowed: True, False, or a list of rules"
            raise ConfigurationError(msg)
        rule.compiled()  # a pattern that cannot be fails now
    return Privacy(capture_content, redacts=True, rules=rules)


_SWITCHES: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


def _hints(asked: object, env: Environment, *, has_router: bool) -> tuple[HintRule, ...]:
    """The rules; by default llmtrace's own where there is a router, else none."""
    setting = "hints" if asked is not None else "LLMTRACE_HINTS"
    if asked is None:
        word = env.get("LLMTRACE_HINTS", "").strip()
        asked = _SWITCHES.get(word.lower(), Path(word)) if word else has_router
    if isinstance(asked, bool):
        return DEFAULTS if asked else ()
    if isinstance(asked, str | Path):
        return load(Path(asked), setting)
    rules = tuple(asked) if isinstance(asked, list | tuple) else (None,)
    if not all(isinstance(rule, HintRule) for rule in rules):
        msg = f"{setting}={asked!r:.80}; allowed: True, False, a file, or a list of HintRule"
        raise ConfigurationError(msg)
    return distinct([rule for rule in rules if isinstance(rule, HintRule)])


def _metrics(
    asked: object,
    headers: Mapping[str, str] | None,
    router: str | None,
    router_headers: Mapping[str, str],
    env: Environment,
) -> Metrics:
    setting = "metrics" if asked is not None else "LLMTRACE_METRICS"
    if asked is None:
        word = env.get("LLMTRACE_METRICS", "").strip()
        asked = False if word and _SWITCHES.get(word.lower()) is False else word or None
    if asked is None or asked is False:
        return Metrics(is_on=asked is None)
    if asked == "alerts":
        if router is None:
            msg = f"{setting}='alerts' without a router; allowed: 'alerts' together with alerts="
            raise ConfigurationError(msg)
        parts = urlsplit(router)
        url = parts._replace(path=parts.path.rstrip("/").removesuffix(TRACES_PATH) + METRICS_PATH).geturl()
        return Metrics(url, headers=router_headers, interval=_interval(env, 10.0))
    if not isinstance(asked, str):
        msg = f"{setting}={asked!r:.80}; allowed: None, False, 'alerts', or an http:// or https:// address"
        raise ConfigurationError(msg)
    merged = env_headers("OTEL_EXPORTER_OTLP_HEADERS", env) | env_headers("OTEL_EXPORTER_OTLP_METRICS_HEADERS", env)
    merged |= given_headers("metrics_headers", headers)
    return Metrics(with_default_path(setting, asked, METRICS_PATH), headers=merged, interval=_interval(env, 60.0))


def _interval(env: Environment, default: float) -> float:
    """OpenTelemetry's variable, in milliseconds there."""
    text = env.get("OTEL_METRIC_EXPORT_INTERVAL", "").strip()
    if not text:
        return default
    try:
        seconds = float(text) / 1000
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        msg = f"OTEL_METRIC_EXPORT_INTERVAL={text!r:.80} is no time; allowed: milliseconds above 0"
        raise ConfigurationError(msg)
    return seconds


def _text(setting: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        msg = f"{setting}={value!r:.80} is a {type(value).__name__}; allowed: a text"
        raise ConfigurationError(msg)
    return value


def _endpoint(argument: str | None, env: Environment) -> Endpoint:
    if argument is not None:
        return Endpoint(with_default_path("endpoint", argument), "endpoint")
    if url := env.get("PHOENIX_COLLECTOR_ENDPOINT"):
        return Endpoint(with_default_path("PHOENIX_COLLECTOR_ENDPOINT", url), "PHOENIX_COLLECTOR_ENDPOINT")
    if url := env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        setting = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        return Endpoint(checked(setting, url), setting)
    if url := env.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        setting = "OTEL_EXPORTER_OTLP_ENDPOINT"
        return Endpoint(checked(setting, url).rstrip("/") + TRACES_PATH, setting)
    return Endpoint(DEFAULT_ENDPOINT, "default")


def _refuse_grpc(env: Environment) -> None:
    for setting in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = env.get(setting, "").strip().lower()
        if protocol == "grpc":
            msg = f"{setting}=grpc: llmtrace speaks OTLP/HTTP only: {HTTP_PORTS}; allowed: http/protobuf"
            raise ConfigurationError(msg)
        if protocol:
            return  # the variable for traces wins over the general one


def _headers(argument: Mapping[str, str] | None, endpoint: Endpoint, env: Environment) -> dict[str, str]:
    merged = env_headers("PHOENIX_CLIENT_HEADERS", env) if endpoint.is_phoenix else {}
    merged |= env_headers("OTEL_EXPORTER_OTLP_HEADERS", env)
    merged |= env_headers("OTEL_EXPORTER_OTLP_TRACES_HEADERS", env)
    merged |= given_headers("headers", argument)
    api_key = env.get("PHOENIX_API_KEY")
    if api_key and endpoint.is_phoenix:
        merged.setdefault("authorization", f"Bearer {api_key}")
    return merged


def _sampling(argument: object, env: Environment) -> Preset | SamplingPolicy:
    if isinstance(argument, SamplingPolicy):
        return argument
    if argument is not None:
        return read_sampling("sampling", argument)
    word = env.get("LLMTRACE_SAMPLING", "").strip()
    return read_sampling("LLMTRACE_SAMPLING", word) if word else Preset.DEVELOPMENT


def _transport(env: Environment) -> Transport:
    certificate, client = _file("CERTIFICATE", env), _file("CLIENT_CERTIFICATE", env)
    key = _file("CLIENT_KEY", env)
    context = ssl.create_default_context() if certificate or client else None
    if context and certificate:
        _try_pem(lambda: context.load_verify_locations(certificate), *_otlp("CERTIFICATE", env))
    if context and client:
        _try_pem(lambda: context.load_cert_chain(client, key), *_otlp("CLIENT_CERTIFICATE", env))
    return Transport(
        timeout=_timeout(env),
        compression=_compression(env),
        certificate=certificate,
        client_certificate=client,
        client_key=key,
    )


def _try_pem(load: Callable[[], None], setting: str, path: str) -> None:
    """Load a certificate now: at the first request the error would be one of delivery, hours later."""
    try:
        load()
    except OSError as error:  # ssl.SSLError is one
        msg = f"{setting}={path!r:.200} cannot be used ({error.strerror or error}); allowed: a PEM file"
        raise ConfigurationError(msg) from None


def _otlp(name: str, env: Environment) -> tuple[str, str]:
    """An OTLP exporter variable and its value: the one for traces, else the general one."""
    for setting in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if value := env.get(setting, "").strip():
            return setting, value
    return "", ""


def _timeout(env: Environment) -> float:
    setting, text = _otlp("TIMEOUT", env)
    if not text:
        return 10.0
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        msg = f"{setting}={text!r:.80} is no time; allowed: seconds above 0"
        raise ConfigurationError(msg)
    return seconds


def _compression(env: Environment) -> str | None:
    setting, text = _otlp("COMPRESSION", env)
    if text.lower() not in ("", "none", "gzip"):
        msg = f"{setting}={text!r:.80} is not supported; allowed: none, gzip"
        raise ConfigurationError(msg)
    return text.lower() or None


def _file(name: str, env: Environment) -> str | None:
    setting, path = _otlp(name, env)
    if path and not Path(path).is_file():
        msg = f"{setting}={path!r:.200} is no file; allowed: the path of a PEM file"
        raise ConfigurationError(msg)
    return path or None
