"""Whom we believe, and whom we tell: trace headers come in from trusted peers only, and go out to allowed hosts only.

A client that may choose the trace of a request may also force its sampling, join it to a trace of his own, and send
baggage that every call behind would carry on. So a stranger gets a new trace; his own is linked, nothing else of it
stays. The rule is one for the process, and it also holds where OpenTelemetry's instrumentation reads the headers.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from types import FrameType
from typing import Any, Final

from opentelemetry import baggage, propagate
from opentelemetry.context import Context, create_key, get_current
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import SpanContext, TraceFlags, get_current_span

from llmtrace._guard import guarded
from llmtrace._head import trusting
from llmtrace._tracer import active
from llmtrace.exceptions import ConfigurationError

Scope = MutableMapping[str, Any]
"""ASGI's description of a connection."""
Believes = Callable[[Scope], bool]
"""Says of a request whether its trace headers count."""
Trust = str | Iterable[str] | Believes
"""What may be given for a rule: "all", "none", networks, or a rule of your own."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CONNECTIONS: Final = ("http", "websocket")
"""The kinds of ASGI scope that have headers."""
_EDGES: Final = frozenset({b"forwarded", b"x-forwarded-for", b"via"})
"""Headers that a proxy at the edge adds: the peer is the proxy then, and the request is a stranger's."""
_OWN_NETWORKS: Final = ("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
_CALLERS: Final = 6
"""How far up the scope is looked for: OpenTelemetry's own functions, then the framework's."""
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def trust_rule(trust: Trust | None) -> Believes:
    """Make the rule that `trust` stands for; None is loopback and private peers.

    Raises:
        ConfigurationError: for what can be no rule.
    """
    if trust is None:
        return _PeerIn([ipaddress.ip_network(network) for network in _OWN_NETWORKS])
    if trust == "all":
        return _everybody
    if trust == "none":
        return _nobody
    if callable(trust):
        return trust
    try:
        return _PeerIn([ipaddress.ip_network(network) for network in _networks(trust)])
    except ValueError:
        msg = (
            f'trust={trust!r:.120}; allowed: "all", "none", a list of networks such as "10.0.0.0/8", a callable(scope)'
        )
        raise ConfigurationError(msg) from None


def _networks(trust: object) -> list[str]:
    networks = list(trust) if isinstance(trust, Iterable) and not isinstance(trust, str | bytes) else []
    if not networks or not all(isinstance(network, str) for network in networks):
        raise ValueError
    return networks


def _everybody(_: Scope) -> bool:
    return True


def _nobody(_: Scope) -> bool:
    return False


class _PeerIn:
    """Believes who connects from one of the networks himself, and not through an edge.

    Where an edge has added its header the peer's address may be what that header claims: servers rewrite it. So not
    even the address counts then.
    """

    def __init__(self, networks: list[Network]) -> None:
        self._is_inside = lru_cache(maxsize=1024)(lambda host: _is_in(networks, host))

    def __call__(self, scope: Scope) -> bool:
        client = scope.get("client")
        if not client or any(bytes(name).lower() in _EDGES for name, _ in scope.get("headers") or ()):
            return False
        return self._is_inside(str(client[0]))


def _is_in(networks: list[Network], host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


class AsgiGetter(Getter[Scope]):
    """Reads the headers of an ASGI scope, whatever bytes they are."""

    def get(self, carrier: Scope, key: str) -> list[str] | None:
        """The values of one header."""
        wanted = key.lower().encode("latin-1")
        found = [bytes(value).decode("latin-1") for name, value in _headers(carrier) if bytes(name).lower() == wanted]
        return found or None

    def keys(self, carrier: Scope) -> list[str]:
        """The names of all headers."""
        return [bytes(name).decode("latin-1").lower() for name, _ in _headers(carrier)]


def _headers(scope: Scope) -> Iterable[tuple[bytes, bytes]]:
    return scope.get("headers") or ()


_GETTER: Final = AsgiGetter()


class TrustingPropagator(TextMapPropagator):
    """The application's own propagators, which are not asked about a request whose sender is not believed."""

    def __init__(self, inner: TextMapPropagator) -> None:
        self.inner = inner
        self.names = frozenset(name.lower().encode("latin-1") for name in inner.fields) | {b"traceparent"}

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Read the context that `carrier` brings, unless it is a request of somebody who is not believed."""
        if active.has_started:
            request = carrier if _is_request(carrier) else self._request_of(carrier, getter)
            if request is not None:
                if not _believes(request):
                    return Context() if context is None else context
                return trusting(self.inner.extract(carrier, context, getter))
        return self.inner.extract(carrier, context, getter)

    def _request_of(self, carrier: CarrierT, getter: Getter[CarrierT]) -> object:
        """The request whose headers `carrier` is, where a framework hands us those without the scope; else None."""
        with guarded("looking for a request"):
            for name in self.names:
                values = getter.get(carrier, name.decode("latin-1"))
                if values:
                    return _scope_with(sys._getframe(2), name, list(values))  # noqa: SLF001 - who is asking?
        return None

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """As the application's propagators do, unless the request at hand is for a host that is not to be told."""
        here = get_current() if context is None else context
        told = here.get(_TOLD)
        if told is None:
            self.inner.inject(carrier, context, setter)
        elif told:
            self.inner.inject(carrier, baggage.clear(here), setter)

    @property
    def fields(self) -> set[str]:
        """As the application's propagators say."""
        return self.inner.fields


def _is_request(carrier: object) -> bool:
    return isinstance(carrier, Mapping) and carrier.get("type") in CONNECTIONS and "headers" in carrier


def _scope_with(frame: FrameType | None, name: bytes, values: list[str]) -> object:
    """The ASGI scope with these values of a header, in the hands of whoever called.

    FastAPI and Starlette read the headers in functions that have the scope as `scope`, as every ASGI application does;
    what they hand on is a plain mapping of headers, which does not say who sent them.
    """
    for _ in range(_CALLERS):
        if frame is None:
            break
        scope: Any = frame.f_locals.get("scope")
        if _is_request(scope):
            found = _GETTER.get(scope, name.decode("latin-1"))
            if found is not None and ",".join(found) == ",".join(values):
                return scope
        frame = frame.f_back
    return None


@dataclass(slots=True)
class _Settled:
    """What the process has settled on."""

    rule: Believes
    hosts: tuple[str, ...] | None = None


_settled: Final = _Settled(trust_rule(None))


def _believes(scope: Any) -> bool:
    with guarded("asking whom to trust"):
        return bool(_settled.rule(scope))
    return False  # a rule that fails believes nobody


def install(rule: Believes) -> None:
    """Let `rule` count in this process, and put it before the propagators that are in use."""
    _settled.rule = rule
    installed()


def installed() -> TrustingPropagator:
    """Our propagator, put in use again where the application has set others since."""
    present = propagate.get_global_textmap()
    if isinstance(present, TrustingPropagator):
        return present
    ours = TrustingPropagator(present)
    propagate.set_global_textmap(ours)
    return ours


@dataclass(frozen=True, slots=True)
class Caller:
    """What the trace headers of a request come to.

    Attributes:
        context: the context to go on from, with the caller's span in it where he is believed.
        stranger: the span that a caller who is not believed names, to be linked.
    """

    context: Context
    stranger: SpanContext | None = None


def caller(scope: Scope, names: Iterable[bytes], context: Context) -> Caller:
    """Find out who calls.

    Args:
        scope: the request.
        names: the names of its headers, in lower case.
        context: the context to go on from.
    """
    propagator = installed()
    if propagator.names.isdisjoint(names):
        return Caller(context)
    if not _believes(scope):
        return Caller(context, _named_by(scope))
    if get_current_span(context).get_span_context().is_valid:
        return Caller(context)  # whoever began that span has read them
    with guarded("reading trace headers"):
        return Caller(trusting(propagator.inner.extract(scope, context, _GETTER)))
    return Caller(context)


def _named_by(scope: Scope) -> SpanContext | None:
    """The span that a W3C traceparent names; nothing of its flags, its state or its baggage."""
    given = [bytes(value) for name, value in _headers(scope) if bytes(name).lower() == b"traceparent"]
    match = _TRACEPARENT.fullmatch(given[0].strip()) if len(given) == 1 else None
    if match is None:
        return None
    found = SpanContext(int(match[1], 16), int(match[2], 16), True, TraceFlags(0))
    return found if found.is_valid else None


# The way out.

_TOLD: Final = create_key("llmtrace-told")
"""In the context of an outgoing request: whether its host may see our trace. Not there: nothing is decided here."""
_OWN_NAMES: Final = (".local", ".internal", ".svc", ".localhost")


def allow(hosts: Iterable[str] | None) -> None:
    """Settle which hosts may see our trace: their names, `*` for any part of one; None: our own networks."""
    if hosts is None:
        _settled.hosts = None
        return
    given = tuple(hosts) if not isinstance(hosts, str | bytes) else ()
    if (hosts and not given) or not all(isinstance(host, str) for host in given):
        msg = f'propagate_to={hosts!r:.120}; allowed: a list of hosts such as "gateway.example.org" or "*.internal"'
        raise ConfigurationError(msg)
    _settled.hosts = tuple(host.lower() for host in given)


def is_allowed(host: str) -> bool:
    """Whether a host may see our trace."""
    host = host.lower().strip("[]")
    if _settled.hosts is not None:
        return any(fnmatchcase(host, allowed) for allowed in _settled.hosts)
    return _is_own(host)


@lru_cache(maxsize=1024)
def _is_own(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_OWN_NAMES)
    return _is_in([ipaddress.ip_network(network) for network in _OWN_NETWORKS], host)


def decides_everywhere() -> bool:
    """Whether the hosts were named, so that they count for every request."""
    return _settled.hosts is not None


def telling(context: Context, host: str, headers: MutableMapping[str, str] | None) -> Context:
    """The context for a request to `host`: what may be told is put into `headers`, where given, and nothing else."""
    installed()
    told = Context({**context, _TOLD: is_allowed(host)})
    if headers is not None:
        propagate.inject(headers, told)
    return told
