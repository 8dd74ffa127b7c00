"""How many epochs a command asks for."""

import pytest

from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.run.progress import epochs_asked


@pytest.mark.parametrize(
    ("command", "epochs"),
    [
        (("python", "train.py", "--epochs", "10"), 10),
        (("python", "train.py", "--max_epochs=7", "--lr", "0.1"), 7),
        (("sh", "-c", "python train.py --num-train-epochs 3"), 3),
        (("python", "train.py", "trainer.max_epochs=12"), 12),
        (("python", "train.py", "--num_train_epochs", "2.5"), None),
        (("python", "train.py", "--warmup_epochs", "5"), None),
        (("python", "train.py", "--epochs", "10", "--max-epochs", "20"), None),
        (("python", "train.py", "--epochs", "0"), None),
        (("python", "train.py"), None),
    ],
)
def test_what_a_command_says(command, epochs):
    assert epochs_asked(JobSpec("a", "img", command)) == epochs


def test_parameters_say_it_too():
    assert epochs_asked(JobSpec("a", "img", ("train",), params={"epochs": "40", "lr": "0.1"})) == 40
    assert epochs_asked(JobSpec("a", "img", ("train", "--epochs", "{epochs}"), params={"epochs": "40"})) == 40
    assert epochs_asked(JobSpec("a", "img", ("train",), params={"epochs": "many"})) is None
