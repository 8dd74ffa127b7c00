"""The page on governance with changes that three people made."""

import pytest

from mlops_desk.kit.records.agent import AuditEntry, AuditState


@pytest.fixture
def page(start, double, qtbot):
    double.audited = [
        AuditEntry(100.0, 1000, "ana", "models.alias", '{"model": "digits"}', "moved", id="e1"),
        AuditEntry(90.0, 1001, "bo", "rules.remove", '{"name": "r"}', None, "refused", id="e2"),
        AuditEntry(80.0, 1001, "bo", "jobs.submit", "{}", id="e3", state=AuditState.UNKNOWN),
    ]
    shown = start(double, "governance").window.page()
    qtbot.waitUntil(lambda: shown.version.count() > 0)
    return shown
