"""The numbers of GPUs' device files, from the driver's files."""

from pathlib import Path

from mlops_desk.jobs.runtimes.local.runtime import device_minors


def test_each_gpu_that_the_driver_names_has_a_number(tmp_path: Path) -> None:
    for folder, text in {
        "0000:01:00.0": "Model: \t X\nGPU UUID: \t GPU-a\nDevice Minor: \t 4\n",
        "0000:02:00.0": "GPU UUID: \t GPU-????????-????\nDevice Minor: \t 0\n",
        "0000:03:00.0": "GPU UUID: \t GPU-c\nDevice Minor: \t x\n",
        "0000:04:00.0": "",
        "0000:05:00.0": "GPU UUID:GPU-e\nDevice Minor:12\n",
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "information").write_text(text)
    (tmp_path / "0000:06:00.0").mkdir()
    assert device_minors(tmp_path) == {"GPU-a": 4, "GPU-e": 12}


def test_without_a_driver_there_are_none(tmp_path: Path) -> None:
    assert device_minors(tmp_path / "nosuch") == {}
