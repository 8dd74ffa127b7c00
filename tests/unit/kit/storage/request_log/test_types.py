"""What was sent is what is read back, by its type; parts of other versions and revisions are read together."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.storage.request_log.files import connect, united
from mlops_desk.kit.storage.request_log.kinds import NOTHING, fit, guess, join
from mlops_desk.kit.storage.request_log.reader import newest
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.datetimes() | st.datetimes(timezones=st.just(UTC))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SENT: Mapping[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(1 << 31), (1 << 31) - 1),
    "long": st.integers(-(1 << 63), (1 << 63) - 1),
    "float": st.floats(width=32) | st.integers(-(1 << 70), 1 << 70),
    "double": st.floats() | st.integers(-(1 << 70), 1 << 70),
    "text": TEXTS,
    "datetime": MOMENTS.map(datetime.isoformat),
    "binary": st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode()),
    "json": st.lists(JSONS, max_size=3) | st.dictionaries(TEXTS, JSONS, max_size=3),
}
ODD = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(st.integers(), max_size=2)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[LoggedFeature], list[dict[str, Any]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(SENT)), min_size=1, max_size=5))
    features = [LoggedFeature(f"c{place}", kind) for place, kind in enumerate(kinds)]
    strategies = {feature.name: st.none() | SENT[feature.kind] for feature in features}
    return features, draw(st.lists(st.fixed_dictionaries({}, optional=strategies), min_size=1, max_size=4))


def row(number: int, values: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> LoggedRow:
    return LoggedRow(f"id-{number}", float(number), 1, 200, 0.1, 0, None, values, outputs or {})


def read_back(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect(":memory:") as connection:
        result = connection.execute(f"SELECT * FROM read_parquet('{path}')")
        names = [column[0] for column in result.description]
        return [dict(zip(names, found, strict=True)) for found in result.fetchall()]


def same(kind: str, found: Any, sent: Any) -> bool:
    if sent is None or found is None:
        return sent is found
    if kind == "datetime":
        moment = datetime.fromisoformat(sent)
        return bool(found == (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment))
    if kind == "binary":
        return bool(found == base64.b64decode(sent))
    if kind == "json":
        return bool(json.loads(found) == sent)
    return bool(type(found) is type(sent) and (found == sent or (found != found and sent != sent)))


@pytest.mark.slow
@given(tables())
@example(([LoggedFeature("c0", "long")], [{"c0": (1 << 53) + 1}, {"c0": None}, {}]))
@example(([LoggedFeature("c0", "double")], [{"c0": (1 << 53) + 1}, {"c0": math.nan}, {"c0": -math.inf}]))
@example(([LoggedFeature("c0", "datetime")], [{"c0": "0001-01-01T00:00:00"}, {"c0": "9999-12-31T23:59:59.999999"}]))
@example(([LoggedFeature("c0", "binary"), LoggedFeature("c1", "boolean")], [{"c0": "", "c1": False}]))
@settings(max_examples=40, deadline=None)
def test_what_was_sent_by_a_signature_is_what_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[LoggedFeature], list[dict[str, Any]]]
) -> None:
    features, rows = table
    path = tmp_path_factory.mktemp("log") / "part.parquet"
    write_part([row(number, values) for number, values in enumerate(rows)], features, path)
    for found, sent in zip(read_back(path), rows, strict=True):
        exact = json.loads(found["_extra"] or "{}")  # an integer that is no double
        for feature in features:
            value = sent.get(feature.name)
            kept = exact.get(feature.name, found[feature.name])
            kept = float(kept) if isinstance(value, float) and kept is not None else kept
            value = float(value) if isinstance(kept, float) and isinstance(value, int) else value
            assert same(feature.kind, kept, value), (feature, found, sent)


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from("abc"), ODD, max_size=3), min_size=1, max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_what_does_not_fit_its_kind_is_kept_beside_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    features = [LoggedFeature(name, data.draw(st.sampled_from(sorted(SENT)))) for name in "abc"]
    path = tmp_path_factory.mktemp("log") / "part.parquet"
    write_part([row(number, values) for number, values in enumerate(rows)], features, path)
    for found, sent in zip(read_back(path), rows, strict=True):
        extra = json.loads(found["_extra"] or "{}")
        gaps = {"", "na", "n/a", "null", "none", "<na>"}
        for name, value in sent.items():
            is_gap = value is None or (isinstance(value, str) and value.strip().lower() in gaps)
            assert is_gap or found[name] is not None or name in extra


@pytest.mark.parametrize(
    ("kind", "by_json", "by_csv"),
    [
        ("boolean", True, "True"), ("boolean", False, "false"), ("long", 9007199254740993, "9007199254740993"),
        ("integer", 3, "3"), ("integer", 3.0, "3.0"), ("double", 0.1, "0.1"), ("double", 5, "5"),
        ("double", 9007199254740993, "9007199254740993"), ("double", math.nan, "NaN"), ("double", -math.inf, "-inf"),
        ("double", None, "NA"), ("long", None, "null"), ("boolean", None, ""), ("text", "x", "x"),
        ("datetime", "2024-02-29T10:00:00+02:00", "2024-02-29 08:00:00"), ("datetime", None, "NA"),
        ("binary", "AAE=", "AAE="),
    ],
)  # fmt: skip
def test_a_value_is_the_same_by_csv_and_by_json(kind: str, by_json: Any, by_csv: str) -> None:
    assert fit(kind, by_json) == fit(kind, by_csv)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", 1), ("boolean", "yes"), ("integer", 1 << 31), ("integer", True), ("integer", math.nan),
        ("integer", 2.5), ("long", 1 << 63), ("long", "1_000"), ("double", True), ("double", "1_0.5"),
        ("double", 10**400), ("datetime", 1700000000), ("datetime", "2024-02-30"), ("binary", "?"), ("binary", 5),
    ],
)  # fmt: skip
def test_what_fits_no_column_is_left_as_it_was(kind: str, value: Any) -> None:
    held, left = fit(kind, value)
    assert held is None
    assert left == value or (left != left and value != value)


def test_what_a_column_holds_in_part_only_is_kept_whole_beside_it() -> None:
    assert fit("double", (1 << 53) + 1) == (float(1 << 53), (1 << 53) + 1)
    held, left = fit("datetime", "2024-01-01T00:00:00.123456789")
    assert (held, left) == ("2024-01-01T00:00:00.123456", "2024-01-01T00:00:00.123456789")
    assert fit("datetime", "2024-01-01T00:00:00.123456000")[1] is NOTHING


def test_kinds_are_read_from_values_and_joined() -> None:
    rows = [
        {"flag": True, "count": 1, "share": 1, "word": "x", "list": [1], "mixed": True, "gone": None, "huge": 1 << 63},
        {"flag": None, "count": 2, "share": 0.5, "word": None, "list": {}, "mixed": 1, "gone": None, "huge": 1},
    ]
    assert {feature.name: feature.kind for feature in guess(rows)} == {
        "flag": "boolean", "count": "long", "share": "double", "word": "text", "list": "json", "mixed": "text",
        "gone": "double", "huge": "double",
    }  # fmt: skip
    pairs = [("integer", "long", "long"), ("long", "double", "double"), ("float", "number", "double"),
             ("boolean", "long", "text"), ("datetime", "text", "text")]  # fmt: skip
    for first, second, both in pairs:
        assert join([LoggedFeature("a", first), LoggedFeature("a", second)]) == [LoggedFeature("a", both)]


def test_named_outputs_are_columns_of_their_own_types(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    write_part([row(1, {"a": 1}, {"label": "x", "score": 0.5, "is_sure": True}), row(2, {"a": 1}, {"": 7})], (), path)
    first, second = read_back(path)
    names = ("_output.label", "_output.score", "_output.is_sure", "_output")
    assert [first[name] for name in names] == ["x", 0.5, True, None]
    assert [second[name] for name in names] == [None, None, None, 7]


def test_parts_of_todays_form_are_read_beside_new_ones(tmp_path: Path) -> None:
    old = "_request_id VARCHAR, _received_at DOUBLE, _revision BIGINT, _status BIGINT, a DOUBLE, member VARCHAR, day VARCHAR"
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE old ({old})")
        connection.execute("INSERT INTO old VALUES ('id-0', 0, 1, 200, 1.5, 'true', '2024-01-01T05:00:00')")
        connection.execute(f"COPY old TO '{tmp_path / 'requests-0000000000001.parquet'}' (FORMAT parquet)")
    features = [LoggedFeature("a", "long"), LoggedFeature("member", "boolean"), LoggedFeature("day", "datetime")]
    new = tmp_path / "1970-01-01" / "00" / "requests-0000000000002.parquet"
    write_part([row(5, {"a": 2, "member": False, "day": "2024-01-02"})], features, new)
    target = tmp_path / "newest.parquet"
    assert newest(tmp_path, 10, target).rows == 2
    assert read_back(target) == [
        {"a": 2.0, "member": False, "day": datetime(2024, 1, 2)},  # noqa: DTZ001 - as the file has it
        {"a": 1.5, "member": True, "day": datetime(2024, 1, 1, 5)},  # noqa: DTZ001 - likewise
    ]


@pytest.mark.parametrize(
    ("first", "second", "type_", "values"),
    [
        (1, 2.5, "DOUBLE", [1.0, 2.5]), (1, (1 << 53) + 1, "BIGINT", [1, (1 << 53) + 1]), ("1", 2, "BIGINT", [1, 2]),
        ("one", 2, "VARCHAR", ["one", "2"]), (True, 1, "VARCHAR", ["true", "1"]), (None, True, "BOOLEAN", [None, True]),
        ("True", True, "BOOLEAN", [True, True]), ("yes", True, "VARCHAR", ["yes", "true"]), ([1], 1, "VARCHAR", ["[1]", "1"]),
    ],
)  # fmt: skip
def test_a_column_of_two_types_is_what_all_of_it_is(
    tmp_path: Path, first: Any, second: Any, type_: str, values: list[Any]
) -> None:
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    for path, value in zip(paths, (first, second), strict=True):
        write_part([row(int(path.stem), {"A": value, "b": 1})], (), path)
    connection = connect(tmp_path)
    found = connection.execute(f"SELECT A FROM ({united(connection, paths)}) ORDER BY _received_at")
    assert str(found.description[0][1]) == type_
    assert [value for (value,) in found.fetchall()] == values
    connection.close()
