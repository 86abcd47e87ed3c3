"""``llmtrace collector-config``: the Collector's YAML for a sampling policy, on stdout."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from llmtrace import collector
from llmtrace.exceptions import ConfigurationError
from llmtrace.sampling import policy_of, read_sampling

_BALANCER: Final = """\
# Tier 1 of llmtrace's Collectors: balances by trace id. Services send here with sampling="collector".
# Needs the distribution otelcol-contrib. Run as many as you like behind one address.
"""
_SAMPLER: Final = """\
# Tier 2 of llmtrace's Collectors: waits for whole traces and decides. Needs otelcol-contrib. Each one is named in
# tier 1; a change of their number moves some open traces to another one, which then sees them in parts.
# decision_wait must be longer than your longest stream, or a late error comes after the verdict. What one process sums
# up (trace_cost) and caps (rule_cap) has no counterpart here.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "collector-config",
        help="the Collector's YAML for a sampling policy",
        description="Print OpenTelemetry Collector YAML that keeps what the sampling policy keeps, across services.",
    )
    parser.add_argument("--tier", choices=("both", "balancer", "sampler"), default="both", help="default: %(default)s")
    parser.add_argument(
        "--sampling",
        default="production",
        metavar="POLICY",
        help="as in LLMTRACE_SAMPLING, e.g. production:ratio=0.05,slow=5s (default: %(default)s)",
    )
    parser.add_argument(
        "--samplers",
        default="sampler-1:4317,sampler-2:4317",
        metavar="HOST:PORT,...",
        help="the Collectors of tier 2 (default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        default="http://localhost:6006",
        metavar="URL",
        help="where tier 2 sends what is kept, without /v1/traces (default: %(default)s)",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="longer than your longest stream (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the YAML of the tiers that were asked for."""
    policy = policy_of(read_sampling("--sampling", arguments.sampling))
    if policy is None:
        msg = f"--sampling={arguments.sampling!r:.80} decides nothing; allowed: production, also with values"
        raise ConfigurationError(msg)
    if not 0 < arguments.wait < float("inf"):
        msg = f"--wait={arguments.wait} is no time; allowed: seconds above 0"
        raise ConfigurationError(msg)
    samplers = [name.strip() for name in arguments.samplers.split(",") if name.strip()]
    if not samplers:
        raise ConfigurationError("--samplers names nobody; allowed: HOST:PORT,HOST:PORT")
    tiers = []
    if arguments.tier != "sampler":
        tiers.append(_BALANCER + collector.to_yaml(collector.balancer(samplers)))
    if arguments.tier != "balancer":
        tiers.append(_SAMPLER + collector.to_yaml(collector.sampler(policy, arguments.backend, arguments.wait)))
    sys.stdout.write("---\n".join(tiers))
    return 0
