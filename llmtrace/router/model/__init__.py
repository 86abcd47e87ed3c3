"""The values that flow through the router, one file each family: Alert, Change, Policy, Decision, Incident, Delivery.

Each is frozen; a step takes one and hands on a new one. Nothing here does I/O or knows the time.
"""

from __future__ import annotations

from llmtrace.router.model.alert import (
    ALERTNAME,
    LINK,
    REGULATED,
    SEVERITIES,
    SEVERITY,
    SOURCE,
    Alert,
    Annotation,
    Status,
    digest,
    fingerprint,
    latest_of_each,
)
from llmtrace.router.model.change import Change
from llmtrace.router.model.decision import (
    UNROUTED,
    AlertState,
    Candidate,
    Decision,
    Group,
    GroupState,
    Hold,
    Place,
    Reason,
    Turn,
)
from llmtrace.router.model.delivery import Attempt, Delivery, Destination, Notification, Outcome, Phase, Receipt
from llmtrace.router.model.incident import Act, Incident, IncidentState, Step, first_at
from llmtrace.router.model.plain import UNDECIDABLE, plain, plain_labels
from llmtrace.router.model.policy import GROUP_BY_ALL, Escalation, Policy, Rollout, Tier, rollout_of

__all__ = [
    "ALERTNAME",
    "GROUP_BY_ALL",
    "LINK",
    "REGULATED",
    "SEVERITIES",
    "SEVERITY",
    "SOURCE",
    "UNDECIDABLE",
    "UNROUTED",
    "Act",
    "Alert",
    "AlertState",
    "Annotation",
    "Attempt",
    "Candidate",
    "Change",
    "Decision",
    "Delivery",
    "Destination",
    "Escalation",
    "Group",
    "GroupState",
    "Hold",
    "Incident",
    "IncidentState",
    "Notification",
    "Outcome",
    "Phase",
    "Place",
    "Policy",
    "Reason",
    "Receipt",
    "Rollout",
    "Status",
    "Step",
    "Tier",
    "Turn",
    "digest",
    "fingerprint",
    "first_at",
    "latest_of_each",
    "plain",
    "plain_labels",
    "rollout_of",
]
