"""Reload in the real process: other rules hold at once, and a bad file changes nothing."""

from __future__ import annotations

import signal
import textwrap

from router_process import RouterProcess
from router_values import make_request, make_span, make_tag
from waiting import wait_until
from webhook_receiver import WebhookReceiver

RULES = """
    version: 1
    receivers:
      one: {{webhook: {{url: "{one}", allow_private: true}}}}
      two: {{webhook: {{url: "{two}", allow_private: true}}}}
    routes: [{{tier: page, group_by: ['...'], receivers: [{to}]}}]
"""


def test_other_rules_hold_at_once_and_bad_ones_never(tmp_path):
    """By POST and by SIGHUP; a bad file is a 400 in words, and the old rules go on."""
    file = tmp_path / "alerts.yaml"
    with WebhookReceiver() as one, WebhookReceiver() as two:

        def write(receiver: str) -> None:
            file.write_text(textwrap.dedent(RULES.format(one=one.url, two=two.url, to=receiver)))

        write("one")
        with RouterProcess(file) as router:
            router.post(make_request(make_span(make_tag(key="a"))))
            wait_until(lambda: one.accepted, "the first rules hold")
            write("two")
            assert router.client.post("/-/reload").json() == {"status": "ok"}
            router.post(make_request(make_span(make_tag(key="b"))))
            wait_until(lambda: two.accepted, "the second rules hold")
            write("three")
            answer = router.client.post("/-/reload")
            assert answer.status_code == 400
            assert "'three' is no receiver of this file" in answer.json()["error"]
            router.post(make_request(make_span(make_tag(key="c"))))
            wait_until(lambda: len(two.accepted) == 2, "the second rules still hold")
            write("one")
            router.process.send_signal(signal.SIGHUP)
            keys = iter(range(1000))
            wait_until(
                lambda: router.post(make_request(make_span(make_tag(key=f"d{next(keys)}")))) and len(one.accepted) > 1,
                "the first rules hold again",
            )
            file.write_text(file.read_text() + "store: sqlite:///other.db\n")
            assert "store: changed" in router.client.post("/-/reload").json()["error"]
