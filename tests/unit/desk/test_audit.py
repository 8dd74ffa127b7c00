"""The audit trail on a disk that does not play along: in order, complete, without secrets."""

import json

from mlops_desk.base.errors import Unavailable
from mlops_desk.desk.audit import AuditTrail
from mlops_desk.desk.settings import HIDDEN, without_secrets
from mlops_desk.records.agent import AuditEntry


class Table:
    """Takes entries, or refuses them as a full disk does."""

    def __init__(self) -> None:
        self.full = False
        self.kept: list[AuditEntry] = []

    def put(self, entry: AuditEntry) -> None:
        if self.full:
            raise Unavailable("No space left on device.")
        self.kept.append(entry)


def entry(number: int, verb: str = "jobs.submit", arguments: str = "{}", error: str | None = None) -> AuditEntry:
    return AuditEntry(float(number), 1000, "ana", verb, arguments, error=error, id=f"e{number}")


def test_what_a_full_disk_refuses_is_written_in_order_with_the_next() -> None:
    table = Table()
    trail = AuditTrail(table)
    trail.put(entry(1))
    table.full = True
    trail.put(entry(2))
    trail.put(entry(3))
    trail.flush()
    assert [each.id for each in table.kept] == ["e1"]
    table.full = False
    trail.flush()
    assert [each.id for each in table.kept] == ["e1", "e2", "e3"]
    trail.flush()
    trail.put(entry(4))
    assert [each.id for each in table.kept] == ["e1", "e2", "e3", "e4"]


def test_of_very_many_that_wait_the_newest_are_kept() -> None:
    table = Table()
    trail = AuditTrail(table)
    table.full = True
    for number in range(10_003):
        trail._waiting.append(entry(number))
    table.full = False
    trail.flush()
    assert [table.kept[0].id, table.kept[-1].id, len(table.kept)] == ["e3", "e10002", 10_000]


def test_a_secret_never_reaches_the_trail() -> None:
    table = Table()
    trail = AuditTrail(table)
    secret = json.dumps({"key": "alerts.webhook", "value": "https://x.example/T0KEN"})
    trail.put(entry(1, "settings.set", secret, error="https://x.example/T0KEN is no address"))
    (kept,) = table.kept
    assert json.loads(kept.arguments) == {"key": "alerts.webhook", "value": HIDDEN}
    assert kept.error == HIDDEN


def test_an_open_setting_is_told_and_one_that_was_cut_is_not() -> None:
    opened = entry(1, "settings.set", json.dumps({"key": "ui.theme", "value": "dark"}))
    assert without_secrets(opened) == opened
    cut = entry(2, "settings.set", '{"key": "alerts.webhook", "value": "https://x.example/T0K')
    assert json.loads(without_secrets(cut).arguments) == {"key": "?", "value": HIDDEN}
    other = entry(3, "jobs.submit", '{"key": "alerts.webhook"}')
    assert without_secrets(other) == other
