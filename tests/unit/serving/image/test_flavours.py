"""Flavours with a framework of their own: what their descriptions, as MLflow wrote them, ask to be installed and loaded.

The files in ``flavours`` are those of small models that were saved by MLflow 3.17.2 with PyTorch 2.13, TensorFlow 2.21
(by ``mlflow.tensorflow``, and by ``mlflow.keras`` with Keras 3.15) and transformers 5.24.
"""

from pathlib import Path

import pytest
import yaml

from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.image.requirements import serving_requirements
from mlops_desk.serving.image.wheelhouse import lacking

FLAVOURS = Path(__file__).parent / "flavours"
WHEELS = {
    "pytorch": ["torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl"],
    "tensorflow": ["tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl"],
    "keras": [
        "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl", "keras-3.15.1-py3-none-any.whl",
    ],
    "transformers": [
        "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "torchvision-0.28.0+cpu-cp311-cp311-linux_x86_64.whl",
        "transformers-5.24.0-py3-none-any.whl", "accelerate-1.15.0-py3-none-any.whl",
    ],
}  # fmt: skip
OTHERS = [
    "mlflow_skinny-3.17.2-py3-none-any.whl", "cloudpickle-3.1.3-py3-none-any.whl", "opt_einsum-3.4.0-py3-none-any.whl",
    "optree-0.20.0-cp311-cp311-manylinux_2_27_x86_64.whl", "pandas-3.1.1-cp311-cp311-manylinux_2_28_x86_64.whl",
    "tqdm-4.70.1-py3-none-any.whl", "scipy-1.17.1-cp311-cp311-manylinux_2_28_x86_64.whl",
    "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl",
]  # fmt: skip


def packages(flavour: str) -> tuple[str, ...]:
    files = read_model(FLAVOURS / flavour)
    return serving_requirements(files.requirements, files.mlflow_version)


@pytest.mark.parametrize("flavour", sorted(WHEELS))
def test_mlflows_own_loader_loads_it_and_its_flavour_is_told(flavour: str) -> None:
    files = read_model(FLAVOURS / flavour)
    assert files.flavors == (flavour,)
    document = yaml.safe_load((FLAVOURS / flavour / "MLmodel").read_text())
    assert document["flavors"]["python_function"]["loader_module"] == f"mlflow.{flavour}"


@pytest.mark.parametrize(
    ("flavour", "frameworks"),
    [
        ("pytorch", {"torch==2.13.0+cpu"}),
        ("tensorflow", {"tensorflow-cpu==2.21.0"}),
        ("keras", {"keras==3.15.1", "tensorflow-cpu==2.21.0"}),
        (
            "transformers",
            {"torch==2.13.0+cpu", "torchvision==0.28.0+cpu", "transformers==5.24.0", "accelerate==1.15.0"},
        ),
    ],
)
def test_its_framework_is_installed_as_it_was_with_the_server_that_mlflow_needs(
    flavour: str, frameworks: set[str]
) -> None:
    found = packages(flavour)
    assert frameworks <= set(found)
    assert "mlflow-skinny==3.17.2" in found
    assert "mlflow==3.17.2" not in found, "the whole of it brings a web application along"
    assert {"numpy"} <= set(found)


@pytest.mark.parametrize("flavour", sorted(WHEELS))
def test_wheels_for_processors_alone_are_those_that_it_was_saved_with(flavour: str) -> None:
    assert lacking(packages(flavour), [*WHEELS[flavour], *OTHERS]) == ()
    assert lacking(packages(flavour), OTHERS), "without its framework it is named before anything is built"


def test_a_module_that_mlflow_names_by_both_of_its_packages_is_installed_once() -> None:
    assert [one for one in packages("tensorflow") if one.startswith("tensorflow")] == ["tensorflow-cpu==2.21.0"]
    text = "xgboost-cpu==3.2.0\nxgboost==3.2.0\nscikit-learn==1.9.1"  # as mlflow.xgboost has it beside xgboost-cpu
    assert [one for one in serving_requirements(text) if one.startswith("xgboost")] == ["xgboost-cpu==3.2.0"]


@pytest.mark.parametrize(
    "text",
    [
        "tensorflow==2.21.0", "tensorflow-cpu==2.21.0", "tensorflow==2.21.0\ntensorflow-cpu==2.20.0",
        "tensorflow==2.21.0\nxgboost-cpu==2.21.0", "TensorFlow_CPU==2.21.0\nmlflow==2.21.0",
    ],
)  # fmt: skip
def test_what_is_no_second_name_of_the_same_is_kept(text: str) -> None:
    found = serving_requirements(text)
    assert {line for line in text.splitlines() if "mlflow" not in line} <= set(found)
