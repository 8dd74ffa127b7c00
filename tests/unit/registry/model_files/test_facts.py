"""What a version's files say of it, put together; and in which formats they are, with whether opening them runs code."""

import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.registry.artifacts.worker import FolderFiles
from mlops_desk.registry.model_files import facts as facts_module
from mlops_desk.registry.model_files.facts import facts_of, names_in
from mlops_desk.registry.model_files.formats import formats_of
from mlops_desk.registry.records.model_files import ModelFileFacts

MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl, python_version: 3.12.1, env: {conda: c.yaml}}
  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.7.0}
mlflow_version: 3.5.0
model_id: m-abc
saved_input_example_info: {artifact_path: input_example.json, type: dataframe}
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
"""


def zipped(**entries: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "/"), data)
    return packed.getvalue()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "model.pkl").write_bytes(pickle.dumps(zlib.error))
    (folder / "requirements.txt").write_text("mlflow==3.5.0\nscikit-learn==1.7.0\n")
    (folder / "python_env.yaml").write_text("python: 3.11.9\n")
    (folder / "input_example.json").write_text('{"columns": ["a"], "data": [[1.0]]}')
    return folder


def told(folder: Path) -> ModelFileFacts:
    return facts_of(FolderFiles(str(folder)), "m", "3")


def test_a_model_is_told_as_its_files_have_it(model: Path) -> None:
    found = told(model)
    assert (found.name, found.version, found.problem) == ("m", "3", None)
    assert found.flavors["sklearn"] == {
        "pickled_model": "model.pkl",
        "serialization_format": "cloudpickle",
        "sklearn_version": "1.7.0",
    }
    assert found.flavors["python_function"]["env"] == '{"conda": "c.yaml"}'
    assert (found.formats, found.loads_code, dict(found.opcodes)) == (("cloudpickle",), True, {"zlib.error": 1})
    assert found.inputs is not None
    assert found.outputs is not None
    assert [(one.name, one.type) for one in found.inputs] == [("a", "double")]
    assert [(one.type, one.shape) for one in found.outputs] == [("int64", (-1,))]
    assert found.params is None
    assert (found.python_version, found.mlflow_version, found.model_id) == ("3.12.1", "3.5.0", "m-abc")
    assert found.requirements == ("mlflow==3.5.0", "scikit-learn==1.7.0")
    assert found.input_example == '{"columns": ["a"], "data": [[1.0]]}'
    assert found.size_bytes == sum(path.stat().st_size for path in model.iterdir())
    assert found.n_files == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["requirements.txt", "python_env.yaml", "input_example.json", "model.pkl"])
@pytest.mark.parametrize("harm", ["gone", "link", "huge", "garbage"])
def test_a_part_that_can_not_be_read_is_missing_and_the_rest_is_told(model: Path, name: str, harm: str) -> None:
    (model / name).unlink()
    if harm == "link":
        (model / name).symlink_to("/etc/passwd")
    if harm == "huge":
        with (model / name).open("wb") as file:
            file.truncate(5 << 30)
    if harm == "garbage":
        (model / name).write_bytes(b"\xff\xfe\x00: [")
    found = told(model)
    assert (found.problem, found.mlflow_version, found.python_version) == (None, "3.5.0", "3.12.1")
    assert "root:" not in str(found)
    if name == "requirements.txt" and harm != "garbage":
        assert found.requirements == ()
    assert len(found.input_example or "") <= 64 << 10


@pytest.mark.parametrize("harm", ["gone", "link", "huge", "garbage"])
def test_without_its_description_a_model_says_why_and_what_its_files_are(model: Path, harm: str) -> None:
    (model / "MLmodel").unlink()
    if harm == "link":
        (model / "MLmodel").symlink_to("/etc/passwd")
    if harm == "huge":
        (model / "MLmodel").write_bytes(b"a: 1\n" * (1 << 20))
    if harm == "garbage":
        (model / "MLmodel").write_bytes(b"\xff\xfe\x00: [")
    found = told(model)
    assert found.problem is not None
    assert (found.flavors, found.formats, found.loads_code, found.inputs) == ({}, ("pickle",), True, None)
    assert found.size_bytes


def test_a_version_without_files_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        told(tmp_path)
    with pytest.raises(NotFound):
        told(tmp_path / "nothing")


def test_of_very_many_files_neither_number_nor_size_is_claimed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_module, "MOST_FILES", 3)
    found = told(model)
    assert (found.n_files, found.size_bytes) == (None, None)


def test_a_hostile_description_is_shown_as_text(model: Path) -> None:
    (model / "MLmodel").write_text(
        f"flavors:\n  '{'x' * 500}': {{'\u202ekey': {json.dumps('<b>' * 500)}, n: null, l: [1, {{a: 2}}]}}\n  bad: 3\n"
    )
    found = told(model)
    (name,) = [one for one in found.flavors if one != "bad"]
    assert len(name) <= 61
    assert found.flavors[name]["\\u202ekey"].startswith("<b><b>")
    assert len(found.flavors[name]["\\u202ekey"]) <= 301
    assert (found.flavors[name]["l"], found.flavors["bad"]) == ('[1, {"a": 2}]', {})
    assert "n" not in found.flavors[name]


# -- formats -----------------------------------------------------------------------------------

PICKLE = pickle.dumps([1])
TORCH, SCRIPT = (
    zipped(m__data_pkl=b"", **{"m__data.pkl": PICKLE}),
    zipped(**{"m__code__x.py": b"", "m__data.pkl": PICKLE, "m__constants.pkl": PICKLE}),
)


@pytest.mark.parametrize(
    ("name", "data", "names", "loads_code"),
    [
        ("model.pkl", PICKLE, ("pickle",), True),
        ("model.joblib", PICKLE, ("joblib",), True),
        ("model.joblib", zlib.compress(PICKLE), ("joblib",), True),
        ("anything.txt", PICKLE, ("pickle",), True),
        ("data/model.pth", TORCH, ("torch pickle",), True),
        ("checkpoint", TORCH, ("torch pickle",), True),
        ("data/model.pth", SCRIPT, ("torchscript",), False),
        ("data/model.pth", PICKLE, ("pickle",), True),
        ("model.onnx", b"\x08\x08\x12\x00", ("onnx",), False),
        ("model.safetensors", b"\x10\0\0\0\0\0\0\0{", ("safetensors",), False),
        ("model.lgb", b"tree\nversion=v4", ("booster",), False),
        ("model.json", b'{"learner":{', ("booster",), False),
        ("model.json", b'{"a": 1}', (), None),
        ("model.txt", b"tree\nversion=v4", ("booster",), False),
        ("model.skops", zipped(schema_json=b"{}"), ("skops",), False),
        ("model.keras", zipped(config_json=b"{}"), ("keras",), None),
        ("model.h5", b"\x89HDF\r\n\x1a\n", ("keras",), None),
        ("saved_model.pb", b"\x08\x01", ("saved model",), False),
        ("weights.bin", b"\0\1\2\3", (), None),
        ("model.gguf", b"GGUF\3", ("gguf",), False),
        ("notes.md", b"# x", (), None),
    ],
)  # fmt: skip
def test_a_format_is_told_by_how_a_file_begins(
    tmp_path: Path, name: str, data: bytes, names: tuple[str, ...], loads_code: bool | None
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(data)
    files = FolderFiles(str(tmp_path))
    found = formats_of(files, list(files.walk("", 10)), {})
    assert (found.names, found.loads_code) == (names, loads_code)


@pytest.mark.parametrize(
    ("flavors", "loads_code"),
    [
        ({"python_function": {"loader_module": "mlflow.onnx"}}, False),
        ({"python_function": {"loader_module": "own"}}, True),
        ({"python_function": {"loader_module": "mlflow.onnx", "code": "code"}}, True),
        ({"onnx": {"code": "code"}}, True),
        ({"onnx": {"code": None}}, False),
        ({"python_function": {"model_code_path": "m.py"}}, True),
        ({"python_function": {"loader_module": 3}}, False),
        ({}, False),
    ],
)
def test_code_that_a_model_brings_is_code_that_runs(
    tmp_path: Path, flavors: dict[str, dict[str, Any]], loads_code: bool
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08\x12\x00")
    files = FolderFiles(str(tmp_path))
    assert formats_of(files, list(files.walk("", 10)), flavors).loads_code is loads_code


def test_what_mlflow_writes_beside_a_model_is_none_of_its_formats(tmp_path: Path) -> None:
    for name in ("MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml", "input_example.json"):
        (tmp_path / name).write_bytes(PICKLE)
    files = FolderFiles(str(tmp_path))
    assert formats_of(files, list(files.walk("", 10)), {}).names == ()


def test_names_are_counted_over_all_pickles_and_what_is_broken_adds_none(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(zlib.error))
    (tmp_path / "b.pt").write_bytes(zipped(**{"m__data.pkl": pickle.dumps(zlib.error)}))
    (tmp_path / "c.pt").write_bytes(b"PK\x03\x04broken")
    (tmp_path / "d.joblib").write_bytes(zlib.compress(pickle.dumps(zlib.error)))
    files = FolderFiles(str(tmp_path))
    assert names_in(files, ["c.pt", "gone.pkl", "a.pkl", "b.pt"]) == {"zlib.error": 2}
    assert names_in(files, ["d.joblib"]) == {"zlib.error": 1}
