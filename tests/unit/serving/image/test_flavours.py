"""Flavours with a framework of their own: what their descriptions, as MLflow wrote them, ask to be installed and loaded.

The files in ``flavours`` are those of small models that were saved by MLflow 3.17.2 with PyTorch 2.13, TensorFlow 2.21
and transformers 5.24.
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
        ("tensorflow", {"tensorflow==2.21.0", "tensorflow-cpu==2.21.0"}),
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


@pytest.mark.parametrize("flavour", ["pytorch", "transformers"])
def test_wheels_for_processors_alone_are_those_that_it_was_saved_with(flavour: str) -> None:
    assert lacking(packages(flavour), [*WHEELS[flavour], *OTHERS]) == ()
    assert lacking(packages(flavour), OTHERS), "without its framework it is named before anything is built"


def test_what_mlflow_names_twice_has_to_be_there_twice() -> None:
    """Both of TensorFlow's packages hold the module that was seen: a person may name one (``pip_requirements``)."""
    assert lacking(packages("tensorflow"), [*WHEELS["tensorflow"], *OTHERS]) == ("tensorflow==2.21.0",)
