"""The words of exec: which are ours, which are the command's."""

import json

import pytest

from mlops_desk.jobs.cli.bare import arguments as cli
from mlops_desk.kit.base.errors import Invalid


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (["exec", "--", "true"], True),
        (["--data-dir", "exec", "jobs", "list"], False),
        (["--data-dir", "/x", "exec", "--", "true"], True),
        (["--address", "machine", "exec"], True),
        (["--demo", "exec"], True),
        (["jobs", "submit", "exec"], False),
        ([], False),
        (["--data-dir"], False),
    ],
)
def test_exec_is_the_first_word_that_is_no_option(given: list[str], answer: bool) -> None:
    assert cli.asks(given) is answer


def test_what_stands_behind_two_dashes_is_the_command_s_own() -> None:
    wish = cli.read(["--data-dir", "/d", "exec", "--gpus", "2", "--", "train", "--json", "--gpus", "8", "--", "x"])
    assert wish.command == ("train", "--json", "--gpus", "8", "--", "x")
    assert wish.given.data_dir == "/d"
    assert json.loads(wish.spec) == {
        "name": "train",
        "command": ["train", "--json", "--gpus", "8", "--", "x"],
        "preemptible": False,
        "resources": {"gpus": "2"},
    }


def test_every_option_is_a_key_of_the_job_file() -> None:
    wish = cli.read(
        [
            "exec", "--gpus", "1", "--gpu-memory", "20GiB", "--gpu-model", "H100*", "--share", "8GiB", "--name", "n",
            "--priority", "5", "--time-limit", "90m", "--grace", "30s", "--preemptible", "--experiment", "e", "--",
            "/usr/bin/python3", "t.py",
        ]
    )  # fmt: skip
    assert json.loads(wish.spec) == {
        "name": "n",
        "command": ["/usr/bin/python3", "t.py"],
        "preemptible": True,
        "priority": "5",
        "timeLimit": "90m",
        "grace": "30s",
        "resources": {"gpus": "1", "gpu_memory": "20GiB", "gpu_model": "H100*", "share": "8GiB", "exclusive": False},
        "mlflow": {"experiment": "e"},
    }


def test_a_program_is_named_by_its_file() -> None:
    assert json.loads(cli.read(["exec", "--", "/usr/bin/python3", "t.py"]).spec)["name"] == "python3"
    assert json.loads(cli.read(["exec", "--", "/"]).spec)["name"] == "process"


def test_without_a_command_it_says_how_one_is_given() -> None:
    with pytest.raises(Invalid) as caught:
        cli.read(["exec", "--gpus", "1"])
    assert "mlops-desk exec --gpus 1 -- python train.py" in str(caught.value.hint)
