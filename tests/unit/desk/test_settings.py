"""A secret setting goes in and never comes out: not in lists, not in the audit trail, not in errors."""

from pathlib import Path

import pytest

from mlops_desk.desk.settings import HIDDEN, SettingsService, without_secrets
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AuditEntry

URL = "https://hooks.example/T0KEN-sparrow"


@pytest.fixture
def store(tmp_path: Path) -> SettingsStore:
    return SettingsStore(tmp_path / "settings.json")


def test_a_secret_is_masked_wherever_settings_are_shown(store):
    service = SettingsService(store, Bus())
    assert service.show("alerts.webhook").value == ""
    shown = service.set("alerts.webhook", URL)
    assert shown.value == HIDDEN
    assert shown.secret
    assert "sparrow" not in wire.dumps(service.list())
    assert store.text("alerts.webhook") == URL


def test_saving_the_mask_keeps_the_secret_and_empty_takes_it_away(store):
    service = SettingsService(store, Bus())
    service.set("alerts.webhook", URL)
    service.set("alerts.webhook", HIDDEN)
    assert store.text("alerts.webhook") == URL
    assert service.set("alerts.webhook", "").value == ""


def test_an_address_that_is_none_is_refused_without_repeating_it(store):
    with pytest.raises(Invalid) as refused:
        SettingsService(store, Bus()).set("alerts.webhook", "not a url sparrow")
    assert "sparrow" not in f"{refused.value.message}{refused.value.hint}"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9", "localhost", "a.localhost", "10.0.0.1", "192.168.1.5", "[::1]", "[fd00::1]", "0.0.0.0"]
)
def test_a_webhook_in_a_private_network_is_refused_at_once_with_the_setting_that_allows_it(store, host):
    service = SettingsService(store, Bus())
    with pytest.raises(Refused, match="private network") as refused:
        service.set("alerts.webhook", f"http://{host}/hook")
    assert "alerts.webhook_private on" in str(refused.value.hint)
    assert store.text("alerts.webhook") == ""
    store.set("alerts.webhook_private", "on")
    service.set("alerts.webhook", f"http://{host}/hook")
    assert store.text("alerts.webhook") == f"http://{host}/hook"


@pytest.mark.parametrize("host", ["hooks.example", "93.184.216.34", "[2606:2800::1]"])
def test_a_webhook_elsewhere_or_of_a_name_is_taken(store, host):
    SettingsService(store, Bus()).set("alerts.webhook", f"https://{host}/hook")
    assert store.text("alerts.webhook") == f"https://{host}/hook"


def entry(arguments: str, verb: str = "settings.set") -> AuditEntry:
    return AuditEntry(1.0, 1, "ada", verb, arguments, error="sparrow")


@pytest.mark.parametrize(
    "arguments",
    [
        wire.dumps({"key": "alerts.webhook", "value": URL}),
        wire.dumps({"key": "alerts.webhook", "value": URL + "x" * 5000})[:2000],
        "sparrow",
        "[1]",
    ],
)
def test_the_audit_trail_does_not_learn_it(arguments):
    kept = without_secrets(entry(arguments))
    assert "sparrow" not in wire.dumps(kept)


def test_other_entries_stay_as_they_are():
    for kept in (entry('{"key": "drift.window_rows", "value": "9"}'), entry("{}", "jobs.submit")):
        assert without_secrets(kept) == kept
