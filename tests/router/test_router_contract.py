"""What every notifier is held to, whatever it speaks to: limits, failures, nonsense, repetition, ends, secrets."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from contracts import CONTRACTS, HTML, NONSENSE, OTHERS, SECRET, about, reach, without_network
from hypothesis import given, settings
from hypothesis import strategies as st
from router_values import make_alert
from test_router_notifiers import ANNOTATIONS

from llmtrace.router.model import Alert, Annotation, Outcome, Phase, plain
from llmtrace.router.notifiers import KINDS
from llmtrace.semconv.alert import Severity

EVERY = pytest.mark.parametrize("name", CONTRACTS)
HOSTILE = "<!channel> <at>all</at> [x](http://evil.example) & {{DATE(now)}} @here \u202e\x00 "


def test_every_notifier_has_its_contract():
    """A new notifier without a line in the table fails here."""
    assert set(CONTRACTS) | OTHERS == set(KINDS)


@EVERY
@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_taken(name, phase):
    """Firing, acknowledged and resolved are in the destination's published format."""
    with CONTRACTS[name].serve() as service:
        (receipt,) = reach(name, service, about(phase))
    assert receipt.outcome is Outcome.DELIVERED


@EVERY
def test_a_whole_life_is_taken_and_is_one_thing_there(name):
    """Told twice, acknowledged, told again, resolved: the destination sees one key, or makes one ticket."""
    phases = [Phase.FIRING, Phase.FIRING, Phase.ACKNOWLEDGED, Phase.FIRING, Phase.RESOLVED]
    contract = CONTRACTS[name]
    with contract.serve() as service:
        receipts = reach(name, service, *(about(phase, acted_by="mina") for phase in phases), remember=True)
        made = contract.made(service) if contract.made is not None else 1
    assert [receipt.outcome for receipt in receipts] == [Outcome.DELIVERED] * len(phases)
    assert made == 1


@EVERY
def test_a_repeated_attempt_is_the_same(name):
    """The answer to the first attempt is lost: the second has the same key, or is the same to the byte."""
    contract = CONTRACTS[name]
    with contract.serve() as service:
        reach(name, service, about(), about())
        if contract.made is not None and not contract.forgets:
            assert contract.made(service) == 1
        elif hasattr(service, "calls"):
            first, second = service.calls
            assert (first.path, first.body) == (second.path, second.body)
        else:
            first, second = service.received
            assert (first.raw, first.headers["webhook-id"]) == (second.raw, second.headers["webhook-id"])


@EVERY
@pytest.mark.parametrize("phase", Phase)
def test_huge_and_hostile_alerts_fit_the_limits(name, phase):
    """Thousands of alerts with long texts and markup stay within what the destination takes."""
    nasty = dict.fromkeys(ANNOTATIONS, HOSTILE + "\N{PILE OF POO}" * 4000)
    alerts = [make_alert(annotations=nasty, model=f"{number}{HOSTILE}" * 20) for number in range(300)]
    with CONTRACTS[name].serve() as service:
        (receipt,) = reach(name, service, about(phase, *alerts, acted_by="mina" * 500))
    assert receipt.outcome is Outcome.DELIVERED


@EVERY
def test_a_plain_message_and_one_of_a_thousand_labels_are_taken(name):
    """What is told where the particulars cannot be is in the destination's format; so is an alert without a name."""
    many = make_alert(annotations={f"a{n}": "x" for n in range(1000)}, **{f"l{n}": "y" for n in range(1000)})
    nameless = Alert({"severity": "critical"}, {}, datetime.max.replace(tzinfo=UTC))
    messages = [about(Phase.FIRING, many), about(Phase.FIRING, nameless)]
    messages += [replace(each, notification=plain(each.notification, "odd")) for each in messages]
    with CONTRACTS[name].serve() as service:
        receipts = reach(name, service, *messages)
    assert {receipt.outcome for receipt in receipts} == {Outcome.DELIVERED}


@EVERY
@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, Outcome.RETRY), (500, Outcome.RETRY), (401, Outcome.RETRY), (302, Outcome.RETRY), (400, Outcome.REFUSED)],
)
def test_failures_mean_the_same_everywhere(name, status, outcome):
    """A 429, a 500 and a lost login are tried again after their Retry-After; a 400 is not; no redirect is followed."""
    with CONTRACTS[name].serve() as service:
        service.scripted.append((status, {"retry-after": "7", "location": service.url}))
        (receipt,) = reach(name, service, about())
        assert len(service.calls if hasattr(service, "calls") else service.received) == 1
    assert receipt.outcome is outcome
    waits = status not in (302, 400)
    assert receipt.retry_after == (timedelta(seconds=7) if waits else None)


@EVERY
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_destination_that_answers_nonsense_loses_nothing(name, nonsense):
    """Whichever of its requests it is: what does not say that the message was taken is tried again, and says so."""
    contract, (status, body) = CONTRACTS[name], NONSENSE[nonsense]
    for position in range(contract.requests):
        with contract.serve() as service:
            service.scripted.extend([*[None] * position, (status, {}, body)])
            started = monotonic()
            (receipt,) = reach(name, service, about())
        if nonsense in contract.believes:
            assert receipt.outcome is Outcome.DELIVERED
            continue
        assert receipt.outcome is Outcome.RETRY
        assert receipt.detail.startswith(f"HTTP {status}, but ")
        assert len(receipt.detail) < 200
        assert HTML not in receipt.detail
        assert monotonic() - started < 20


@EVERY
def test_no_secret_is_shown(name, caplog):
    """Neither a repr of the settings nor a receipt nor the log, however loud, holds what lets one in."""
    caplog.set_level(logging.DEBUG)
    with CONTRACTS[name].serve() as service:
        settings = KINDS[name].settings.model_validate({**CONTRACTS[name].settings(service), "allow_private": True})
        service.scripted.append((500, {}))
        (receipt,) = reach(name, service, about())
    shown = f"{settings!r} {settings} {receipt!r} {caplog.text}"
    assert SECRET not in shown
    assert "A" * 32 not in shown


@EVERY
def test_private_addresses_must_be_allowed(name):
    """Without `allow_private` an address inside is refused when the file is read."""
    with CONTRACTS[name].serve() as service:
        given = CONTRACTS[name].settings(service)
    with pytest.raises(ValueError, match="a private address; allowed: a public one, or allow_private"):
        KINDS[name].settings.model_validate(given)


@EVERY
def test_what_a_person_must_know_is_told(name):
    """What, how bad, which model, prompt version and segment, and where to look: in every destination."""
    with CONTRACTS[name].serve() as service:
        reach(name, service, about())
    calls = service.calls if hasattr(service, "calls") else service.received
    told = json.dumps([call.body for call in calls], ensure_ascii=False)
    for text in (
        "retriever-down",
        "nothing found",
        "0.4",
        "0.3",
        "gpt-x",
        "v7",
        "premium",
        "traces/abc",
        "/r",
        "monitors.example.org/m/1",
    ):
        assert text in told


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300)
ANY_ALERT = st.builds(
    lambda severity, name, labels, annotations: make_alert(severity, annotations, **labels, alertname=name),
    st.sampled_from(list(Severity)),
    WORDS,
    st.dictionaries(st.sampled_from(["service", "model", "team", "priority", "segment_plan", "environment"]), WORDS),
    st.dictionaries(st.sampled_from(list(Annotation)), WORDS | WORDS.map("https://example.org/{}".format)),
)


@pytest.mark.parametrize("name", sorted(set(CONTRACTS) - {"webhook"}))
@settings(max_examples=15)
@given(st.lists(ANY_ALERT, min_size=1, max_size=3), st.sampled_from(Phase), WORDS)
def test_any_alert_is_told_within_the_published_format(name, alerts, phase, who):
    """Whatever text stands in names, labels, annotations and the name of who reacted."""
    service = CONTRACTS[name].serve()
    (receipt,) = without_network(name, service, about(phase, *alerts, acted_by=who))
    assert service.faults == []
    assert receipt.outcome is Outcome.DELIVERED
