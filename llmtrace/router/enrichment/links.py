"""Links of an alert by its labels: its runbook where it names none, and those that the rules add. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from llmtrace.router.config.enrich import EnrichOptions
from llmtrace.router.model import LINK, Alert, Annotation

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def linked(alert: Alert, options: EnrichOptions) -> Alert:
    """The alert with its links; one whose label is missing is left out."""
    found = {f"{LINK}{name}": _filled(template, alert) for name, template in options.links.items()}
    if options.runbook is not None and not alert.annotations.get(Annotation.RUNBOOK_URL):
        found[Annotation.RUNBOOK_URL.value] = _filled(options.runbook, alert)
    new = {name: url for name, url in found.items() if url is not None}
    return replace(alert, annotations={**alert.annotations, **new}) if new else alert


def _filled(template: str, alert: Alert) -> str | None:
    values = {name: alert.labels.get(name) or alert.annotations.get(name) for name in _PLACEHOLDER.findall(template)}
    if not all(values.values()):
        return None
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]] or "", safe=""), template)
