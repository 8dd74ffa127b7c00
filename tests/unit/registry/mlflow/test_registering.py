"""Which of a run's models becomes a version, where several were logged under one name."""

from types import SimpleNamespace

import pytest

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.registry.mlflow.writer import register


class Client:
    """A double of MLflow's client, with a run that has logged model ``m`` at three steps."""

    def __init__(self) -> None:
        self.names = {"early": "m", "late": "m", "middle": "m", "last": "other"}
        self.made: list[tuple[str, str, str, str | None]] = []

    def get_run(self, run_id: str) -> SimpleNamespace:
        steps = (("early", 1), ("late", 30), ("middle", 2), ("last", 40))
        outputs = [SimpleNamespace(model_id=model_id, step=step) for model_id, step in steps]
        info = SimpleNamespace(run_id=run_id, artifact_uri="file:///a")
        return SimpleNamespace(info=info, outputs=SimpleNamespace(model_outputs=outputs))

    def get_logged_model(self, model_id: str) -> SimpleNamespace:
        return SimpleNamespace(name=self.names[model_id])

    def create_registered_model(self, name: str) -> None:
        pass

    def create_model_version(self, name: str, source: str, run_id: str, model_id: str | None) -> SimpleNamespace:
        self.made.append((name, source, run_id, model_id))
        return SimpleNamespace(version=4)


def test_of_models_of_one_name_the_one_of_the_largest_step_is_registered() -> None:
    client = Client()
    assert register(client, "churn", "r1", "m", []) == "4"
    assert client.made == [("churn", "models:/late", "r1", "late")]


def test_a_name_that_the_run_has_not_logged_is_refused_with_those_that_it_has() -> None:
    client = Client()
    with pytest.raises(NotFound, match="has logged no model at 'x'") as error:
        register(client, "churn", "r1", "x", [])
    assert error.value.hint == "Its models are m, other."
    assert client.made == []
