"""A model's own description is read as text, capped, and never through a link."""

import json
from pathlib import Path

import pytest
import yaml

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.image.model_files import features_of, read_model


def write_model(folder: Path, **more: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "flavors": {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11.7"}},
        "mlflow_version": "3.17.2",
        **more,
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    (folder / "requirements.txt").write_text("mlflow==3.17.2\nscikit-learn==1.9.1\n")
    return folder


def test_a_signature_gives_typed_features(tmp_path: Path) -> None:
    columns = [
        {"type": "double", "name": "a.x", "required": True},
        {"type": "long", "name": "b"},
        {"type": "string", "name": "city"},
        {"type": "boolean", "name": "member"},
        {"type": "datetime", "name": "joined"},
        {"type": "array", "items": {"type": "string"}, "name": "tags"},
        {"type": ["a list"], "name": "odd"},
    ]
    write_model(
        tmp_path,
        signature={"inputs": json.dumps(columns), "outputs": None},
        saved_input_example_info={"serving_input_path": "serving_input_example.json"},
    )
    (tmp_path / "serving_input_example.json").write_text('{"inputs": [1]}')
    files = read_model(tmp_path)
    assert files.features == (
        LoggedFeature("a.x", "double"),
        LoggedFeature("b", "long"),
        LoggedFeature("city", "text"),
        LoggedFeature("member", "boolean"),
        LoggedFeature("joined", "datetime"),
        LoggedFeature("tags", "json"),
        LoggedFeature("odd", "text"),
    )
    assert files.requirements.startswith("mlflow==3.17.2")
    assert (files.mlflow_version, files.python_version) == ("3.17.2", "3.11.7")
    assert files.example == b'{"inputs": [1]}'


@pytest.mark.parametrize(
    "signature",
    [
        None,
        {},
        {"inputs": None},
        {"inputs": "not json"},
        {"inputs": '{"a": 1}'},
        {"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]'},
        {"inputs": "[[1]]"},
    ],
)
def test_no_named_columns_are_no_features(signature: object) -> None:
    assert features_of({"signature": signature}) == ()


def test_the_model_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    assert read_model(tmp_path).folder == tmp_path / "model"


@pytest.mark.parametrize(
    "text", ["", "- 1", "a: [", "!!python/object/apply:os.system ['true']", "flavors: {sklearn: {}}"]
)
def test_what_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(Invalid):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("more", "version"),
    [("mlflow_version: 0x" + "f" * 6000, None), ("mlflow_version: 3.17", "3.17"), ("mlflow_version: [3]", None)],
)
def test_a_number_that_is_no_version_is_none(tmp_path: Path, more: str, version: str | None) -> None:
    (tmp_path / "MLmodel").write_text(f"flavors: {{python_function: {{python_version: 0x{'f' * 6000}}}}}\n{more}")
    found = read_model(tmp_path)
    assert (found.python_version, found.mlflow_version) == (None, version)


def test_links_and_giants_are_not_read(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "requirements.txt").unlink()
    (tmp_path / "requirements.txt").symlink_to("/etc/passwd")
    with pytest.raises(DeskError, match="link"):
        read_model(tmp_path)
    (tmp_path / "requirements.txt").unlink()
    (tmp_path / "requirements.txt").write_bytes(b"#" * (2 << 20))
    with pytest.raises(DeskError, match="larger"):
        read_model(tmp_path)


def test_an_example_outside_the_model_is_none(tmp_path: Path) -> None:
    write_model(tmp_path / "m", saved_input_example_info={"serving_input_path": "../secret.json"})
    (tmp_path / "secret.json").write_text("{}")
    assert read_model(tmp_path / "m").example is None
    write_model(tmp_path / "n", saved_input_example_info={"serving_input_path": "ä" * 200})
    assert read_model(tmp_path / "n").example is None, "no file system has such a name"


def test_a_bare_graph_is_a_model_that_needs_its_runtime_alone(tmp_path: Path) -> None:
    deeper = tmp_path / "artifacts"
    deeper.mkdir()
    (deeper / "net.onnx").write_bytes(b"x" * 1000)
    files = read_model(tmp_path)
    assert (files.kind, files.folder, files.features, files.example) == ("onnx", deeper, (), None)
    assert files.requirements.split() == ["onnxruntime", "numpy"]
    assert files.size_bytes == 1000
    (deeper / "serving_input_example.json").write_text('{"inputs": [[1]]}')
    assert read_model(tmp_path).example == b'{"inputs": [[1]]}'
    (deeper / "MLmodel").write_text("flavors: {}")
    with pytest.raises(Invalid, match="python_function"):
        read_model(tmp_path)


def test_a_size_counts_all_files_and_follows_no_link(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    (tmp_path / "model" / "data").mkdir()
    (tmp_path / "model" / "data" / "weights.bin").write_bytes(b"x" * 5000)
    (tmp_path / "giant").write_bytes(b"x" * 100_000)
    (tmp_path / "model" / "data" / "link").symlink_to(tmp_path / "giant")
    assert 5000 < read_model(tmp_path / "model").size_bytes < 10_000
