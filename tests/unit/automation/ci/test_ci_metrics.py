"""A stage's metrics file is whatever its container left: only plain files with finite numbers count."""

import json
from pathlib import Path

import pytest

from mlops_desk.automation.ci.metrics import answer
from mlops_desk.kit.base.errors import Invalid, Refused


def read(folder: Path, text: str | bytes) -> dict[str, float]:
    (folder / "m.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return answer({"folder": str(folder), "path": "m.json"})


def test_numbers_by_name_are_taken_and_all_else_is_left_out(tmp_path: Path) -> None:
    big = "9" * 400
    text = f'{{"a": 0.5, "b": 3, "c": "x", "d": true, "e": null, "f": NaN, "g": 1e999, "h": {big}, "i": -0.0}}'
    assert read(tmp_path, text) == {"a": 0.5, "b": 3.0, "i": -0.0}


def test_no_name_without_end_and_no_more_numbers_than_a_record_holds_are_taken(tmp_path: Path) -> None:
    assert read(tmp_path, json.dumps({"n" * 201: 1, "n" * 200: 2})) == {"n" * 200: 2.0}
    assert len(read(tmp_path, json.dumps({f"m{at}": at for at in range(1001)}))) == 1000


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, b"\xff\xfe", json.dumps("a")])
def test_what_is_no_table_of_numbers_is_the_one_error(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(Invalid):
        read(tmp_path, text)


def test_a_link_leads_nowhere_and_a_folder_or_a_huge_file_is_none(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"a": 1}')
    out = tmp_path / "out"
    out.mkdir()
    (out / "m.json").symlink_to(secret)
    (out / "up").symlink_to(tmp_path)
    (out / "folder").mkdir()
    (out / "huge").write_text("{" + " " * (1 << 20) + "}")
    for path, error in (("m.json", Refused), ("up/secret.json", Refused), ("folder", Refused), ("huge", Invalid)):
        with pytest.raises(error):
            answer({"folder": str(out), "path": path})
    with pytest.raises(Refused):
        answer({"folder": str(out), "path": "nothing"})
