"""The readable past, for the API: what was accepted, decided and delivered, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select

from llmtrace.router.ports import NoPage, Oldest, Row
from llmtrace.router.store.database import Database
from llmtrace.router.store.due import oldest
from llmtrace.router.store.explain import explain
from llmtrace.router.store.rollouts import every_rule
from llmtrace.router.store.schema import (
    about,
    alerts,
    decisions,
    deliveries,
    incidents,
    members,
    notifications,
    quarantine,
    silences,
)
from llmtrace.router.store.unpaged import no_page


class SqlRecords:
    """Reads beside the writer; each call sees one state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alerts(self, limit: int, before: int | None) -> list[Row]:
        """What was accepted."""
        return self._page(select(alerts), alerts.c.id, limit, before)

    def decisions(self, limit: int, before: int | None) -> list[Row]:
        """What was decided, and why, with the alert's labels."""
        query = select(decisions, alerts.c.fingerprint, alerts.c.labels).select_from(decisions.join(alerts))
        return self._page(query, decisions.c.id, limit, before)

    def deliveries(self, limit: int, before: int | None) -> list[Row]:
        """Who was told and what the destination answered, with the ids of the alerts in it."""
        query = select(
            deliveries,
            notifications.c.decision_id,
            notifications.c.incident_id,
            notifications.c.phase,
            notifications.c.step,
            notifications.c.tier,
            notifications.c.reason,
        )
        query = query.select_from(deliveries.join(notifications))
        rows = self._page(query, deliveries.c.id, limit, before)
        told = self._alert_ids({row["notification_id"] for row in rows})
        return [{**row, "alert_ids": told[row["notification_id"]]} for row in rows]

    def incidents(self, limit: int, before: int | None) -> list[Row]:
        """What is or was open, and who reacted."""
        return self._page(select(incidents), incidents.c.id, limit, before)

    def silences(self, limit: int, before: int | None) -> list[Row]:
        """What people silenced, the latest first; pages begin at a time, in microseconds."""
        rows = self._page(select(silences), silences.c.created_at, limit, None)
        return rows if before is None else []

    def explain(self, asked: str) -> list[str]:
        """Why somebody was told of an alert, or nobody; empty where there is no such alert."""
        with self._database.read() as connection:
            return explain(connection, asked)

    def no_page(self, asked: str) -> NoPage | None:
        """The alert that is asked about, where nobody was paged for it."""
        with self._database.read() as connection:
            return no_page(connection, asked)

    def rollout(self, limit: int) -> list[Row]:
        """What rules did that wake nobody yet: alerts and messages by rule, mode and would-be tier, and since when."""
        with self._database.read() as connection:
            rows = every_rule(connection, limit)
            return [{name: _plain(value) for name, value in row._asdict().items()} for row in rows]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many decisions there are by reason, deliveries and incidents by state, and what was set aside by kind."""
        columns = {
            "decisions": decisions.c.reason,
            "deliveries": deliveries.c.state,
            "incidents": incidents.c.state,
            "set_aside": quarantine.c.kind,
        }
        with self._database.read() as connection:
            return {name: _counts(connection, column) for name, column in columns.items()}

    def oldest(self, now: datetime) -> Oldest:
        """What has waited longest."""
        with self._database.read() as connection:
            return oldest(connection, now)

    def set_aside(self) -> dict[str, int]:
        """How much was set aside and is kept, by kind."""
        with self._database.read() as connection:
            return _counts(connection, quarantine.c.kind)

    def ping(self) -> None:
        """Read one row."""
        with self._database.read() as connection:
            connection.execute(select(about)).one()

    def _page(self, query: Select[Any], key: Any, limit: int, before: int | None) -> list[Row]:
        if before is not None:
            query = query.where(key < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(key.desc()).limit(limit)).mappings()
            return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def _alert_ids(self, notification_ids: set[Any]) -> dict[object, list[int]]:
        found: dict[object, list[int]] = {identifier: [] for identifier in notification_ids}
        query = select(members.c.notification_id, members.c.alert_id).order_by(members.c.id)
        with self._database.read() as connection:
            for row in connection.execute(query.where(members.c.notification_id.in_(notification_ids))):
                found[row.notification_id].append(row.alert_id)
        return found


def _counts(connection: Connection, column: Column[Any]) -> dict[str, int]:
    query = select(column, func.count()).group_by(column)
    return {str(key): int(number) for key, number in connection.execute(query)}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
