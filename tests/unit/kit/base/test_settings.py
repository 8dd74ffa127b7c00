"""Settings hold what was set, refuse what does not fit, and survive damage."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.base.setting import Setting
from mlops_desk.kit.base.settings import SETTINGS, SettingsStore


def test_a_value_is_kept_across_a_restart(tmp_path: Path) -> None:
    SettingsStore(tmp_path / "s.json").set("telemetry.interval_seconds", "2.5")
    assert SettingsStore(tmp_path / "s.json").number("telemetry.interval_seconds") == 2.5


@pytest.mark.parametrize("text", ["fast", "0.1", "61", "", "nan", "-nan", "inf", "-Infinity", "1e999"])
def test_a_value_outside_the_declaration_is_refused_and_the_old_one_stays(tmp_path: Path, text: str) -> None:
    store = SettingsStore(tmp_path / "s.json")
    with pytest.raises(Invalid):
        store.set("telemetry.interval_seconds", text)
    assert store.number("telemetry.interval_seconds") == 1.0


@given(st.sampled_from(SETTINGS), st.text(max_size=12) | st.floats().map(str) | st.integers().map(str))
def test_what_is_accepted_is_finite_and_within_its_limits(setting: Setting, text: str) -> None:
    try:
        value = setting.parse(text)
    except Invalid:
        return
    if isinstance(value, (int, float)):
        assert math.isfinite(value)
        assert setting.minimum is None or value >= setting.minimum
        assert setting.maximum is None or value <= setting.maximum


def test_a_number_that_is_none_is_told_in_english(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is not an integer"):
        SettingsStore(tmp_path / "s.json").set("drift.window_rows", "many")


def test_a_stored_number_that_is_none_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"telemetry.interval_seconds": NaN}')
    assert SettingsStore(tmp_path / "s.json").number("telemetry.interval_seconds") == 1.0


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


@pytest.mark.parametrize(
    "data",
    [b"- drift.window_rows: 500\n", b'["drift.window_rows", 500]', b'[["drift.window_rows", 500]]', b"[]", b"5", b'""',
     b"null", b"true", b"\xff\x00\x13garbage", b"", b'{"drift.window_rows": 5', b"[" * 100_000],
    ids=["yaml", "list", "pairs", "empty list", "number", "empty text", "null", "true", "garbage", "empty", "cut", "deep"],
)  # fmt: skip
def test_what_is_no_mapping_is_moved_aside_and_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(data)
    store = SettingsStore(path)
    assert store.number("drift.window_rows") == 1000
    assert not path.exists(), "the damaged file is out of the way"
    (kept,) = tmp_path.iterdir()
    assert (kept.read_bytes(), kept.name.startswith("s.json.damaged-")) == (data, True)
    assert str(kept) in (store.note or "")
    store.set("drift.window_rows", "500")
    again = SettingsStore(path)
    assert (again.number("drift.window_rows"), again.note) == (500, None)
    assert kept.read_bytes() == data


def test_two_damaged_files_within_a_second_are_both_kept(tmp_path: Path) -> None:
    for data in (b"one", b"two"):
        (tmp_path / "s.json").write_bytes(data)
        SettingsStore(tmp_path / "s.json")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"one", b"two"]


def test_a_folder_in_the_place_of_the_settings_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "s.json").mkdir()
    store = SettingsStore(tmp_path / "s.json")
    assert store.note is not None
    store.set("drift.window_rows", "500")
    assert SettingsStore(tmp_path / "s.json").number("drift.window_rows") == 500


def test_settings_that_may_not_be_read_are_told_and_left_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.json"
    path.write_text("{}")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Unavailable, match="Permission denied"):
        SettingsStore(path)
    assert path.exists()


def test_what_is_unknown_or_does_not_fit_is_named_and_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"ui.theme": "pink", "of.a.newer.program": [1], "drift.window_rows": 500}')
    store = SettingsStore(path)
    assert "ui.theme, of.a.newer.program" in (store.note or "")
    store.set("telemetry.interval_seconds", "2.5")
    assert json.loads(path.read_text()) == {
        "ui.theme": "pink", "of.a.newer.program": [1], "drift.window_rows": 500, "telemetry.interval_seconds": 2.5,
    }  # fmt: skip
    store.set("ui.theme", "dark")
    assert json.loads(path.read_text())["ui.theme"] == "dark"
    assert SettingsStore(path).text("ui.theme") == "dark"
    told = f"Settings that are unknown here or do not fit are ignored: of.a.newer.program. They stay in {path}."
    assert store.note == told, "what was set anew fits"


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


@pytest.mark.parametrize(
    ("kind", "default", "wrong"),
    [
        ("integer", 5, True), ("integer", 5, 5.0), ("integer", 5, "5"), ("number", 1.5, 1), ("number", 1.5, True),
        ("switch", True, 1), ("text", "a", 1), ("integer", 5, None),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_none_of_a_settings_though_python_takes_it_for_one(
    kind: str, default: bool | float | str, wrong: object
) -> None:
    setting = Setting("a.b", "a", "A", "What it is.", kind, default)
    assert setting.check(default) == default
    with pytest.raises(Invalid):
        setting.check(wrong)  # type: ignore[arg-type]  # as a damaged file has it
