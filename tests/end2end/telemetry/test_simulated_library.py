"""The simulated NVML library itself: what is not as its scenario says would be blamed on the program."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

_ASK = """
import json, pynvml
pynvml.nvmlInit()
print(json.dumps([
    pynvml.nvmlDeviceGetTemperature(pynvml.nvmlDeviceGetHandleByIndex(number), pynvml.NVML_TEMPERATURE_GPU)
    for number in range(pynvml.nvmlDeviceGetCount())
]))
"""


def ask(simulator: Simulator, code: str = _ASK) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **simulator.environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


EXPRESSIONS = {
    "7": 7,
    "2GiB/1MiB": 2048,
    "1+2*3-4/2": 5,
    "10%4": 2,
    "2|4|1": 7,
    "-3+8": 5,
    "(1+2)*3": 9,
    "if(2<3,10,20)": 10,
    "if(2>=3,10,20)": 20,
    "if(2==2,10,20)": 10,
    "min(3,max(9,4))": 3,
    "clamp(200,0,100)": 100,
    "abs(0-5)+floor(2.9)+round(2.6)": 10,
    "has(6,4)*10": 10,
    "step(1000,5,6)": 5,
    "ramp(10,20,1000,2000)": 10,
    "pulse(1,2,1000,2000)": 1,
    "square(30,90,1000,0.5,600)": 30,
    "square(30,90,1000,0.5,100)": 90,
    "sine(50,20,1h,15min)": 70,
    "hw_thermal|sw_power": 68,
    "(gpu>=0)*4+fans": 7,
}
"""What a value means, worked out by hand, on a GPU with three fans."""


def test_values_mean_what_the_readme_says(tmp_path: Path) -> None:
    lines = [f"gpu {number % 16} temp={text}" for number, text in enumerate(EXPRESSIONS)]
    wanted = list(EXPRESSIONS.values())
    for start in range(0, len(lines), 16):
        some = "\n".join(lines[start : start + 16])
        folder = tmp_path / str(start)
        folder.mkdir()
        answered = ask(Simulator(folder, f"gpus 16 model=h100 fans=3\n{some}\n"))
        found = json.loads(answered.stdout)[: len(lines[start : start + 16])]
        assert dict(zip(some.splitlines(), found, strict=True)) == dict(
            zip(some.splitlines(), wanted[start : start + 16], strict=True)
        )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gpu 0 temp=sine(1)", "too few or too many arguments"),
        ("gpu 0 temp=7parsec", "no such unit"),
        ("gpu 0 warmth=7", "a GPU has no"),
        ("gpu 0 temp=heat", "no such name"),
        ("gpu 99 temp=7", "chooses no GPU"),
        ("gpus 17", "0 to 16"),
        ("fault gpu=0 error=NO_SUCH", "a fault wants"),
        ("event gpu=0 type=party", "an event has no"),
        ("proc gpu=0", "a process wants"),
        ("mig gpu=0 profile=large", "a profile="),
        ("hello", "no directive"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_played(tmp_path: Path, line: str, words: str) -> None:
    answered = ask(Simulator(tmp_path, f"gpus 1 model=h100\n{line}\n"))
    assert answered.returncode == 1
    assert "scenario.conf:2: " in answered.stderr
    assert words in answered.stderr


def test_a_mistake_that_is_injected_leaves_the_scenario_as_it_was(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path, "gpus 1 model=h100 temp=61\n")
    code = (
        "import pynvml, time, pathlib\n"
        "pynvml.nvmlInit()\n"
        "handle = pynvml.nvmlDeviceGetHandleByIndex(0)\n"
        f"pathlib.Path({str(simulator.live)!r}).write_text('gpu 0 temp=nonsense(')\n"
        "time.sleep(0.3)\n"
        "print(pynvml.nvmlDeviceGetTemperature(handle, 0))\n"
    )
    answered = ask(simulator, code)
    assert answered.stdout == "61\n"
    assert "the scenario stays as it was" in answered.stderr


def test_a_number_that_depends_on_itself_is_no_endless_loop(tmp_path: Path) -> None:
    answered = ask(Simulator(tmp_path, "gpus 1 model=h100 temp=5+power power=temp\n"))
    assert json.loads(answered.stdout) == [5]


def test_the_oldest_driver_lacks_what_it_had_not(tmp_path: Path) -> None:
    code = "import ctypes; lib = ctypes.CDLL('libnvidia-ml.so.1'); print(hasattr(lib, 'nvmlDeviceGetMemoryInfo_v2'))"
    profiles = ("current", "r535", "r470")
    told = [ask(Simulator(tmp_path, "gpus 1\n", profile), code).stdout.strip() for profile in profiles]
    assert told == ["True", "True", "False"]
