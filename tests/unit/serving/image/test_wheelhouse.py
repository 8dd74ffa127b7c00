"""What a folder of wheels is told before it is used: empty, for another Python or machine, short of a requirement."""

import platform
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.image.wheelhouse import check, lacking

ARCH = platform.machine()
PURE = "pandas-2.2.3-py3-none-any.whl"


@pytest.mark.parametrize(
    ("requirement", "is_lacking"),
    [
        ("pandas", False),
        ("Pandas>=2,<3", False),
        ("pandas==2.2.3", False),
        ("pandas==2.2.4", True),
        ("numpy", True),
        ("numpy; python_version < '3.0'", False),
        ("numpy; extra == 'plots'", False),
        ("scikit_learn==1.9.1", False),
        ("scikit-learn", False),
        ("torch", False),
    ],
)
def test_a_requirement_is_met_by_name_and_version(requirement: str, is_lacking: bool) -> None:
    names = [
        PURE,
        f"scikit_learn-1.9.1-cp312-cp312-manylinux_2_28_{ARCH}.whl",
        "torch-2.5.0rc1-py3-none-any.whl",
        "x.whl",
    ]
    assert bool(lacking([requirement], names)) is is_lacking


@pytest.mark.parametrize(
    ("names", "trouble"),
    [
        ((), "holds no wheels"),
        (("notes.txt",), "holds no wheels"),
        (("numpy.whl",), "are for other machines"),
        ((f"numpy-2.0-cp39-cp39-manylinux_2_28_{ARCH}.whl", PURE), "are for cp39 on"),
        (("numpy-2.0-cp312-cp312-win_amd64.whl",), "are for other machines"),
        ((PURE,), None),
        ((f"numpy-2.0-cp312-cp312-manylinux_2_28_{ARCH}.whl",), None),
        ((f"onnx-1.2-cp38-abi3-manylinux_2_28_{ARCH}.whl",), None),
        ((f"xgboost-3.0-py3-none-manylinux_2_28_{ARCH}.whl",), None),
        ((f"a-1-cp39-cp39-linux_{ARCH}.whl", f"a-1-cp311-cp311-linux_{ARCH}.whl"), None),
    ],
)
def test_a_folder_from_which_nothing_could_be_installed_is_refused(
    tmp_path: Path, names: tuple[str, ...], trouble: str | None
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    if trouble is None:
        check(tmp_path, ("cp311", "cp312"))
        return
    with pytest.raises(Invalid, match=trouble):
        check(tmp_path, ("cp311", "cp312"))


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="There is no folder"):
        check(tmp_path / "none", ("cp312",))
