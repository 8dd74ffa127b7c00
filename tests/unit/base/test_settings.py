"""Settings hold what was set, refuse what does not fit, and survive damage."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.settings import SETTINGS, SettingsStore


def test_a_value_is_kept_across_a_restart(tmp_path: Path) -> None:
    SettingsStore(tmp_path / "s.json").set("telemetry.interval_seconds", "2.5")
    assert SettingsStore(tmp_path / "s.json").number("telemetry.interval_seconds") == 2.5


@pytest.mark.parametrize("text", ["fast", "0.1", "61", ""])
def test_a_value_outside_the_declaration_is_refused_and_the_old_one_stays(tmp_path: Path, text: str) -> None:
    store = SettingsStore(tmp_path / "s.json")
    with pytest.raises(Invalid):
        store.set("telemetry.interval_seconds", text)
    assert store.number("telemetry.interval_seconds") == 1.0


def test_an_unknown_key_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        SettingsStore(tmp_path / "s.json").set("no.such", "1")


@given(st.binary(max_size=200))
def test_a_damaged_file_never_stops_the_program_and_is_kept(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("s") / "s.json"
    path.write_bytes(data)
    store = SettingsStore(path)
    for setting in SETTINGS:
        setting.check(store.get(setting.key))
    assert [p for p in path.parent.iterdir() if p.read_bytes() == data]


def test_a_stored_value_that_fits_no_more_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"ui.theme": "pink", "drift.window_rows": 500, "gone": 1}')
    store = SettingsStore(path)
    assert store.get("ui.theme") == "system"
    assert store.get("drift.window_rows") == 500


def test_every_default_fits_its_own_declaration() -> None:
    for setting in SETTINGS:
        assert setting.check(setting.default) == setting.default
        assert setting.title
        assert setting.help.endswith(".")
