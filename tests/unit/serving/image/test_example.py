"""A body that a model takes: its own example, or one of its signature."""

import json
from pathlib import Path

import pytest
import yaml

from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.image.example import kept_example, made_of

COLUMNS = [{"type": "double", "name": "a"}, {"type": "string", "name": "city"}, {"type": "boolean", "name": "is"}]


def model(folder: Path, example: bytes | None, columns: list[dict[str, str]] = COLUMNS) -> Path:
    document = {
        "flavors": {"python_function": {"loader_module": "x"}},
        "signature": {"inputs": json.dumps(columns)},
        **({"saved_input_example_info": {"serving_input_path": "e.json"}} if example is not None else {}),
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    if example is not None:
        (folder / "e.json").write_bytes(example)
    return folder


def test_the_models_own_example_is_taken(tmp_path: Path) -> None:
    assert kept_example(model(tmp_path, b'{"inputs": [[1]]}')) == ({"inputs": [[1]]}, "model")


def test_without_one_it_is_made_of_the_signature(tmp_path: Path) -> None:
    made = {"dataframe_records": [{"a": 0.0, "city": "text", "is": False}]}
    assert kept_example(model(tmp_path, None)) == (made, "signature")
    assert kept_example(model(tmp_path, None, [])) == (None, None)


@pytest.mark.parametrize("example", [b"not JSON", b"[" * 100_000, b'"' + b"x" * (2 << 20) + b'"'])
def test_an_example_that_is_none_is_left_out(tmp_path: Path, example: bytes) -> None:
    assert kept_example(model(tmp_path, example)) == (None, None)


def test_a_model_without_files_has_no_example(tmp_path: Path) -> None:
    assert kept_example(tmp_path / "gone") == (None, None)


def test_columns_of_lists_and_models_without_columns_have_none() -> None:
    assert made_of(()) is None
    assert made_of([LoggedFeature("a", "double"), LoggedFeature("b", "json")]) is None
