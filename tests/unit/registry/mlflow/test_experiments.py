"""Where the files of an experiment lie that is made for what is imported: where the store's others do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Refused
from mlops_desk.registry.address import Address, parse_address
from mlops_desk.registry.mlflow.experiments import experiment_named, root_of


@dataclass
class Experiment:
    experiment_id: str
    artifact_location: str
    lifecycle_stage: str = "active"


@dataclass
class Client:
    """A store with experiments by name."""

    known: dict[str, Experiment] = field(default_factory=dict)
    made: list[tuple[str, str | None]] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        return self.known.get(name)

    def search_experiments(self, **_: Any) -> list[Experiment]:
        return [*self.known.values()]

    def create_experiment(self, name: str, artifact_location: str | None = None) -> str:
        self.made.append((name, artifact_location))
        return "7"

    def restore_experiment(self, experiment_id: str) -> None:
        self.restored.append(experiment_id)


@pytest.mark.parametrize(
    ("experiments", "root"),
    [
        ([("0", "/data/mlruns/0")], "/data/mlruns"),
        ([("0", "s3://bucket/x/0/")], "s3://bucket/x"),
        ([("0", "file:///data/0")], "file:///data"),
        ([("1", "/chosen/by/somebody"), ("2", "/data/2")], "/data"),
        ([("0", "mlflow-artifacts:/0")], None),
        ([("0", "./mlruns/0")], None),
        ([("0", "/data/10")], None),
        ([], None),
    ],
)
def test_a_store_tells_by_an_experiment_of_its_own_making_where_files_lie(
    experiments: list[tuple[str, str]], root: str | None
) -> None:
    assert root_of(experiments) == root


def test_a_new_experiment_of_a_store_lies_with_the_others_and_one_of_a_server_where_that_says(tmp_path: Path) -> None:
    sqlite = parse_address(f"sqlite:///{tmp_path}/store.db")
    client = Client({"Default": Experiment("0", "/data/mlruns/0")})
    assert experiment_named(client, sqlite, "new") == "7"
    ((name, place),) = client.made
    assert (name, str(Path(place or "").parent)) == ("new", "/data/mlruns")
    assert Path(place or "").name != "0"
    empty = Client({"Default": Experiment("0", "mlflow-artifacts:/0")})
    experiment_named(empty, sqlite, "new")
    assert str(Path(empty.made[0][1] or "").parent) == f"{tmp_path}/mlruns"
    for address in (parse_address("http://there"), Address(str(tmp_path), "folder", tmp_path)):
        other = Client()
        experiment_named(other, address, "new")
        assert other.made == [("new", None)]


def test_a_database_that_does_not_tell_where_files_lie_is_refused_with_what_to_do() -> None:
    client = Client()
    with pytest.raises(Refused, match="does not tell where files") as caught:
        experiment_named(client, parse_address("postgresql://u:secret@db/x"), "new")
    assert "secret" not in caught.value.message
    assert "--artifact-location" in (caught.value.hint or "")
    assert client.made == []


def test_one_that_is_there_is_taken_and_one_that_was_deleted_is_restored(tmp_path: Path) -> None:
    client = Client({"old": Experiment("3", "x", "deleted"), "there": Experiment("4", "x")})
    address = parse_address(f"sqlite:///{tmp_path}/store.db")
    assert [experiment_named(client, address, name) for name in ("old", "there")] == ["3", "4"]
    assert (client.restored, client.made) == (["3"], [])
