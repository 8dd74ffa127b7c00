"""Rules applied to what is logged already: what they forbid is nowhere any more, all else is as it was."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.storage.request_log import rewrite_worker
from mlops_desk.kit.storage.request_log.feedback import Feedback, feedback_files, import_feedback, write_feedback
from mlops_desk.kit.storage.request_log.layout import part_path, parts
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.kit.storage.request_log.redaction import HASHED, MASKED, RedactionRules, rules_of
from mlops_desk.kit.storage.request_log.rewrite_worker import forbidden, rewrite
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow

HOUR = 1_767_322_800
KEY = "cd" * 32
SECRET = "zw9secret"
FEATURES = (LoggedFeature("age", "long"), LoggedFeature("ssn", "text"), LoggedFeature("more", "json"))


def row(
    number: int, values: dict[str, Any], outputs: dict[str, Any] | None = None, prediction: str | None = None
) -> LoggedRow:
    return LoggedRow(f"id{number}", HOUR + number, 1, 200, 0.1, 0, prediction, values, outputs or {"": 1})


def fill(folder: Path, *rows: LoggedRow) -> Path:
    path = part_path(folder, HOUR * 1000, HOUR)
    write_part(rows, FEATURES, path)
    return path


def is_anywhere(folder: Path, secret: str = SECRET) -> bool:
    for path in [*(part.path for part in parts(folder)), *feedback_files(folder)]:
        rows = duckdb.connect(":memory:").execute(f"SELECT * FROM read_parquet('{path}')").fetchall()
        if secret in str(rows):
            return True
    return False


def everything(folder: Path, rules: RedactionRules) -> int:
    files = forbidden(folder, rules)
    for one in files:
        rewrite(one.path, rules)
    return len(files)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [rules_of(["ssn"]), rules_of(masked=["ssn"]), rules_of(hashed=["ssn"], key=KEY)])
def test_what_a_rule_forbids_is_nowhere_any_more_and_all_else_is_as_it_was(
    tmp_path: Path, rules: RedactionRules
) -> None:
    fill(
        tmp_path,
        row(
            1, {"age": 30, "ssn": SECRET, "more": {"deep": [{"SSN": SECRET, "city": "Bonn"}]}}, {"y": 1, "ssn": SECRET}
        ),
        row(2, {"age": "old", "ssn": SECRET, "extra": 5, "Ssn": SECRET}),
        row(3, {"age": None, "ssn": None}, prediction=json.dumps({"ssn": SECRET, "text": "fine"})),
        row(4, {"age": 2, "ssn": ""}, prediction="no document"),
    )
    write_feedback(tmp_path, [Feedback("id1", None, 5.0, {"truth": True, "ssn": SECRET})], HOUR * 1000)
    before = {one.request_id: one for one in find(tmp_path, RequestQuery(10))}
    (found, labels) = forbidden(tmp_path, rules)
    assert (found.rows, labels.rows, labels.values) == (4, 1, {"ssn": 1})
    assert everything(tmp_path, rules) == 2
    assert not is_anywhere(tmp_path)
    after = {one.request_id: one for one in find(tmp_path, RequestQuery(10))}
    assert list(after) == list(before)
    assert [one.inputs.get("age") for one in after.values()] == [one.inputs.get("age") for one in before.values()]
    assert after["id2"].inputs["extra"] == 5
    assert json.loads(after["id1"].inputs["more"])["deep"][0]["city"] == "Bonn"
    assert json.loads(after["id3"].answer or "")["text"] == "fine"
    assert (after["id4"].answer, after["id1"].outputs["y"], after["id1"].feedback["truth"]) == ("no document", 1, True)
    assert forbidden(tmp_path, rules) == [], "twice changes nothing"


def test_what_is_hashed_afterwards_is_the_word_that_the_gateway_logs(tmp_path: Path) -> None:
    rules = rules_of(hashed=["age", "score"], key=KEY)
    path = part_path(tmp_path, HOUR * 1000, HOUR)
    write_part([row(1, {"age": 30, "score": 2.0}), row(2, {"age": 31, "score": 0.5})],
               [LoggedFeature("age", "long"), LoggedFeature("score", "double")], path)  # fmt: skip
    everything(tmp_path, rules)
    second, first = find(tmp_path, RequestQuery(10))
    assert first.inputs == {"age": rules.value("age", 30), "score": rules.value("score", 2)}
    assert second.inputs["score"] == rules.value("score", 0.5)
    assert first.inputs["age"] != rules.value("score", 30), "what is the same in two columns is not told"


def test_a_log_without_forbidden_values_is_left_alone(tmp_path: Path) -> None:
    path = fill(tmp_path, row(1, {"age": 30, "ssn": None}))
    before = path.read_bytes()
    assert forbidden(tmp_path, rules_of(["ssn", "other"], ["x"], ["y"], KEY)) == []
    assert path.read_bytes() == before


def test_a_document_that_was_cut_could_hold_anything(tmp_path: Path) -> None:
    path = fill(tmp_path, row(1, {"age": 30, "extra": SECRET}))
    connection = duckdb.connect(":memory:")
    connection.execute(
        f"COPY (SELECT * REPLACE ('{{\"ssn\": \"{SECRET}' AS _extra) FROM read_parquet('{path}')) TO '{path}.x' (FORMAT parquet)"
    )
    Path(f"{path}.x").replace(path)
    assert everything(tmp_path, rules_of(["ssn"])) == 1
    assert not is_anywhere(tmp_path)


def worker(folder: Path, token: str | None, **more: Any) -> dict[str, Any]:
    told = {"dropped": ["ssn"], "masked": [], "hashed": [], "key": "", **more}
    found: dict[str, Any] = rewrite_worker.answer({"folder": str(folder), "token": token, **told})
    return found


@pytest.mark.slow
def test_only_what_was_shown_is_rewritten(tmp_path: Path) -> None:
    fill(tmp_path, row(1, {"age": 30, "ssn": SECRET}))
    shown = worker(tmp_path, None)
    assert (shown["files"], shown["rows"], shown["values"]) == (1, 1, {"ssn": 1})
    with pytest.raises(Refused):
        worker(tmp_path, shown["token"], masked=["age"])
    fill(tmp_path, row(1, {"age": 30, "ssn": SECRET}), row(2, {"age": 1, "ssn": SECRET}))
    with pytest.raises(Refused):
        worker(tmp_path, shown["token"])
    assert is_anywhere(tmp_path)
    done = worker(tmp_path, worker(tmp_path, None)["token"])
    assert (done["files"], done["rows"], done["left"]) == (1, 2, [])
    assert not is_anywhere(tmp_path)


@pytest.mark.slow
def test_a_file_that_can_t_be_written_is_named_and_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path, row(1, {"age": 30, "ssn": SECRET}))
    before = path.read_bytes()

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlops_desk.kit.storage.request_log.rewrite_worker._synced", full)
    done = worker(tmp_path, worker(tmp_path, None)["token"])
    assert (done["files"], done["left"]) == (0, [f"{path.name}: [Errno 28] No space left on device"])
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_without_a_log_there_is_nothing(tmp_path: Path) -> None:
    assert worker(tmp_path / "none", None)["files"] == 0


def test_labels_of_a_file_are_kept_as_the_rules_have_them(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"request_id,truth,ssn,who\nid1,1,{SECRET},{SECRET}\nid1,0,{SECRET},{SECRET}\nid2,1,,\n")
    taken = import_feedback(tmp_path / "log", file, 5.0, 5000, rules_of(["ssn"], hashed=["who"], key=KEY))
    assert taken.rows == 3
    assert not is_anywhere(tmp_path / "log")
    (path,) = feedback_files(tmp_path / "log")
    rows = (
        duckdb.connect(":memory:")
        .execute(f"SELECT _request_id, truth, who FROM read_parquet('{path}') ORDER BY 1")
        .fetchall()
    )
    assert [one[:2] for one in rows] == [("id1", 0), ("id2", 1)], "the newest of two counts"
    assert re.fullmatch(HASHED, rows[0][2])


# -- one value ----------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(VALUES)
@example("")
@example("h:" + "0" * 32)
@example(float("nan"))
@example("\ud800")
@example([1, [None, "x"]])
def test_a_value_is_redacted_once_however_often_the_rules_are_applied(value: Any) -> None:
    for rules in (rules_of(masked=["a"]), rules_of(hashed=["A"], key=KEY)):
        once = rules.value("a", value)
        assert rules.value("a", once) == once
        for one in _leaves(once):
            assert one in {None, "", MASKED} or re.fullmatch(HASHED, one)


def _leaves(value: Any) -> list[Any]:
    return [leaf for one in value for leaf in _leaves(one)] if isinstance(value, list) else [value]


def test_another_key_makes_another_word() -> None:
    assert rules_of(hashed=["a"], key=KEY).value("a", "x") != rules_of(hashed=["a"], key="ef" * 32).value("a", "x")
    assert KEY not in repr(rules_of(hashed=["a"], key=KEY))
