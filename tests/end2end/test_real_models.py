"""Real models, logged by real libraries to the desk's own server: what is read off their files is what was logged.

What MLflow itself says of each is the oracle. Nothing of them is loaded here.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.registry.artifacts.artifact_worker import FileShelf
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.lineage.graph_sources import LineageDesk
from mlops_desk.registry.records.lineage import LineageKind
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from tests.scoring import scoring

pytestmark = [pytest.mark.end2end]

PROGRAMS = Path(__file__).resolve().parents[1] / "real_models"
CODE = {"skops": False, "pickled": True, "cloudpickled": True, "boosted": False, "graph": False, "own": True}
FORMAT = {
    "skops": "skops", "pickled": "pickle", "cloudpickled": "cloudpickle", "boosted": "booster", "graph": "onnx",
    "own": "cloudpickle",
}  # fmt: skip


def ran(program, registries, python=sys.executable):
    """Run a program that logs, and return what it says of it."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": registries.server.state().uri,
        "MLFLOW_TRACKING_TOKEN": registries.server.ledger.token(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    done = subprocess.run([python, str(PROGRAMS / program)], capture_output=True, text=True, env=environment,
                          timeout=600, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    server = TrackingServer(folder / "mlflow", folder / "tracking.log", lambda: None, lambda _: None)
    made = Registries(server)
    server.start()
    yield made
    made.stop()
    server.stop()


@pytest.fixture(scope="module")
def shelf(registries):
    return FileShelf(Default(str), lambda: registries)


@pytest.fixture(scope="module")
def tabular(registries):
    return ran("tabular.py", registries)


@pytest.mark.parametrize("name", sorted(CODE))
def test_a_versions_files_say_what_was_logged(shelf, tabular, name):
    facts = shelf.facts_of_version(name, "1", None)
    logged = tabular["facts"][name]
    assert facts.problem is None
    assert sorted(facts.flavors) == logged["flavors"]
    assert facts.model_id == logged["model_id"]
    assert FORMAT[name] in facts.formats
    assert facts.loads_code is CODE[name]
    assert facts.python_version == ".".join(map(str, sys.version_info[:3]))
    assert facts.size_bytes
    assert facts.n_files
    for part in ("inputs", "outputs"):
        told = getattr(facts, part)
        if part not in logged:
            assert told is None
            continue
        assert [one.name for one in told] == [name for name, _ in logged[part]]
        types = [one.type if one.shape is None else f"dtype('{one.type}')" for one in told]
        assert types == [kind for _, kind in logged[part]]


def test_a_pickle_tells_what_it_would_import_and_what_is_data_imports_nothing(shelf, tabular):
    assert "sklearn.linear_model._logistic.LogisticRegression" in shelf.facts_of_version("pickled", "1", None).opcodes
    assert shelf.facts_of_version("own", "1", None).opcodes
    assert shelf.facts_of_version("skops", "1", None).opcodes == {}


def test_requirements_example_and_parameters_are_told(shelf, tabular):
    facts = shelf.facts_of_version("skops", "@champion", None)
    assert facts.requirements == ("mlflow-skinny==3.5.0", "Scikit_Learn>=1.4", "numpy")
    assert json.loads(facts.input_example)["columns"] == ["a", "naïve ü", "c"]
    own = shelf.facts_of_version("own", "1", None)
    assert [(one.name, one.type, one.shape) for one in own.params] == [
        ("threshold", "double", None), ("top", "long", (-1,)),
    ]  # fmt: skip
    assert [(one.name, one.is_required) for one in own.inputs] == [("a", True), ("plan", False)]


def test_an_onnx_graph_tells_what_it_takes_and_does(shelf, tabular):
    seen = shelf.view_of_version("graph", "1", "model.onnx", None)
    assert seen.language == "onnx"
    assert any(line.startswith("input ") and "float32" in line and "3" in line for line in seen.listing)
    assert any(line.startswith("LinearClassifier × 1") for line in seen.listing)


def test_the_files_of_a_run_are_listed_with_the_models_that_it_logged(shelf, tabular):
    run_id = tabular["runs"]["skops"]
    listed = {one.path: one for one in shelf.listed_of_run(run_id, "", None)}
    assert set(listed) == {"conf", "model", "notes.md", "tables"}
    assert listed["model"].is_folder
    assert "model/MLmodel" in {one.path for one in shelf.listed_of_run(run_id, "model", None)}
    assert shelf.view_of_run(run_id, "model/MLmodel", None).language == "yaml"
    assert shelf.view_of_run(run_id, "notes.md", None).text == "# Notes\n\nhello"
    table = shelf.view_of_run(run_id, "tables/head.csv", None).table
    assert (table.columns, table.n_rows) == (("a", "naïve ü", "c"), 20)


def test_what_joblib_wrote_is_listed_and_not_loaded(shelf, tabular):
    run_id = tabular["runs"]["loose"]
    seen = shelf.view_of_run(run_id, "forest.joblib", None)
    assert seen.kind == "pickle"
    assert any("RandomForestClassifier" in line for line in seen.listing)
    packed = shelf.view_of_run(run_id, "packed.joblib", None)
    assert packed.listing == seen.listing


def test_files_are_fetched_and_nothing_is_written_over(shelf, tabular, tmp_path):
    run_id = tabular["runs"]["skops"]
    done = shelf.download_of_run(run_id, "model", str(tmp_path / "to"), None)
    assert done.n_files > 4
    assert Path(done.path, "MLmodel").is_file()
    file = shelf.download_of_version("skops", "1", "MLmodel", str(tmp_path / "one"), None)
    assert (file.n_files, Path(file.path).name) == (1, "MLmodel")


def test_lineage_goes_from_the_data_to_the_alias(registries, tabular):
    found = LineageDesk(Default(str), registries.read).of_model("skops", None, None)
    kinds = {node.node_id: node.kind for node in found.nodes}
    assert set(kinds.values()) == {
        LineageKind.DATASET, LineageKind.RUN, LineageKind.LOGGED_MODEL, LineageKind.VERSION, LineageKind.ALIAS,
    }  # fmt: skip
    steps = {(kinds[edge.source], kinds[edge.target]) for edge in found.edges}
    assert steps == {
        (LineageKind.DATASET, LineageKind.RUN), (LineageKind.RUN, LineageKind.LOGGED_MODEL),
        (LineageKind.LOGGED_MODEL, LineageKind.VERSION), (LineageKind.VERSION, LineageKind.ALIAS),
    }  # fmt: skip
    assert not [node for node in found.nodes if node.state == "unknown"]


def test_what_is_read_off_the_store_is_what_mlflow_says(registries, tabular):
    """Where files lie and things come from: the store itself, beside MLflow's client through the server."""
    direct, slow = registries.placing(None), registries.open(None)
    assert type(direct) is not type(slow)
    runs = [*tabular["runs"].values(), "f" * 32]
    models = [facts["model_id"] for facts in tabular["facts"].values()] + ["m-" + "0" * 32]
    assert direct.origins(runs) == slow.origins(runs)
    assert len(direct.origins(runs)) == len(runs) - 1
    assert direct.logged_models(models) == slow.logged_models(models)
    assert len(direct.logged_models(models)) == len(models) - 1
    for run_id in runs[:-1]:
        for path in ("", "model", "model/MLmodel", "notes.md"):
            assert direct.places_of_run(run_id, path) == slow.places_of_run(run_id, path)
    for name in tabular["facts"]:
        assert direct.places_of_version(name, "1") == slow.places_of_version(name, "1")
    for ask in (direct, slow):
        with pytest.raises(NotFound):
            ask.places_of_run("f" * 32, "")
        with pytest.raises(NotFound):
            ask.places_of_version("skops", "99")


def torch_is_there():
    """Tell whether some PyTorch can be loaded by this Python: a folder of it, or Debian's own."""
    folder = os.environ.get("MLOPS_DESK_TEST_TORCH", "/usr/lib/python3/dist-packages")
    code = f"import sys; sys.path.append({folder!r}); import torch"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=600, check=False).returncode == 0


def debians_python(folder):
    """Make an environment of Debian's own Python, which sees its PyTorch, with the same MLflow."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", folder], check=True, timeout=600)
    wanted = [f"mlflow-skinny=={version('mlflow-skinny')}", "pandas"]
    subprocess.run([folder / "bin/pip", "install", "-q", *wanted], check=True, timeout=600)
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def torch_python(tmp_path_factory):
    if torch_is_there():
        return sys.executable
    if not os.environ.get("CI"):
        pytest.skip("no PyTorch is installed for this Python (Debian's is python3-torch)")
    return debians_python(tmp_path_factory.mktemp("torch") / "venv")


@pytest.fixture(scope="module")
def networks(registries, torch_python):
    return ran("networks.py", registries, torch_python)


def test_a_network_that_was_pickled_runs_code_and_one_that_was_scripted_does_not(shelf, networks):
    pickled, scripted = (shelf.facts_of_version(name, "1", None) for name in ("net", "scripted"))
    assert (pickled.loads_code, scripted.loads_code) == (True, False)
    assert "torch pickle" in pickled.formats
    assert "torchscript" in scripted.formats
    assert "torch.nn.modules.container.Sequential" in pickled.opcodes
    assert scripted.opcodes == {}
    assert [(one.type, one.shape) for one in pickled.inputs] == [("float32", (-1, 4))]


def test_weights_of_a_network_are_listed(shelf, networks):
    seen = shelf.view_of_run(networks["runs"]["net"], "weights.pt", None)
    assert (seen.kind, seen.problem) == ("archive", None)
    assert any("torch._utils._rebuild_tensor_v2" in line for line in seen.listing)


@pytest.mark.parametrize("name", ["net", "scripted"])
def test_a_network_answers_where_pytorch_is_as_it_does_itself(shelf, networks, torch_python, tmp_path, name):
    model = Path(shelf.download_of_version(name, "1", "", str(tmp_path / "model"), None).path)
    rows = [[0.0, 1.0, 2.0, 3.0], [-1.0, 0.5, 0.0, 9.0]]
    with scoring(model, tmp_path / "log", python=torch_python) as running:
        running.until(200, 120)
        answer = running.ask({"inputs": rows})
    code = (
        f"import sys; sys.path.insert(0, {str(PROGRAMS)!r}); import networks, torch, json;"
        f"print(json.dumps(networks.network()(torch.tensor({rows})).tolist()))"
    )
    done = subprocess.run([torch_python, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert answer.json()["predictions"] == [pytest.approx(row, rel=1e-4) for row in json.loads(done.stdout)]
