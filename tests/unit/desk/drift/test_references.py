"""What a monitor is held against: a profile that lies with its version's run already, else the data are read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.base.errors import Hint, NotFound, Unavailable
from mlops_desk.desk.drift.references import References
from mlops_desk.drift.profile.form import to_bytes
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState, ModelRef
from tests.unit.desk.drift.test_published import DATA, Store, reference_profile

MONITOR = Monitor("m1", "drafts", Source(SourceKind.LOG, "drafts"), endpoint="drafts")


def references(error: Exception) -> References:
    def find(_endpoint: Endpoint, _contexts: object) -> Path:
        raise error

    endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ModelRef("m", "1", "models:/m/1"))
    return References(
        lambda _name: endpoint, find, lambda _endpoint: {}, lambda *_: None, lambda *_: DATA, Store().profiles()
    )


def test_it_says_how_the_monitor_is_given_a_file_and_not_how_to_compare_once() -> None:
    missing = NotFound("Run r has no dataset logged with it.", Hint("mlops-desk drift check drafts --reference FILE"))
    with pytest.raises(NotFound, match="Run r has no dataset") as caught:
        references(missing).make(MONITOR)
    assert caught.value.command == "mlops-desk drift monitors configure drafts --reference-file FILE"


def test_what_is_only_out_of_reach_keeps_its_own_hint() -> None:
    with pytest.raises(Unavailable) as caught:
        references(Unavailable("The registry does not answer.", "Start it.")).make(MONITOR)
    assert caught.value.hint == "Start it."


class Desk:
    """One desk's monitor of a version that another desk may have had, too."""

    def __init__(self, store: Store, file: Path, data: object = DATA) -> None:
        self.published = store.profiles()
        self.read = 0
        self.data = data
        ref = ModelRef("m", "1", "models:/m/1", run_id="r1")
        self.endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ref)
        self.references = References(
            lambda _name: self.endpoint,
            lambda *_: file,
            lambda _endpoint: {"a": "numeric"},
            self.run,
            self.dataset,
            self.published,
        )

    def run(self, _module: str, request: Mapping[str, Any], _seconds: float) -> None:
        self.read += 1
        Path(request["out"]).write_bytes(to_bytes(reference_profile()))

    def dataset(self, *_: object) -> Any:
        if isinstance(self.data, Exception):
            raise self.data
        return self.data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text("a\n1\n")
    return tmp_path / "data.csv"


def test_a_second_desk_takes_what_the_first_has_left_and_reads_nothing(file: Path) -> None:
    store = Store()
    first = Desk(store, file)
    made = first.references.make(MONITOR)
    first.published.settle()
    second = Desk(store, Path("/nowhere"))
    found = second.references.make(MONITOR)
    assert (first.read, second.read) == (1, 0)
    assert to_bytes(found) == to_bytes(made)
    assert second.references.place(MONITOR) == first.references.place(MONITOR)


def test_another_data_set_or_damage_is_read_anew(file: Path) -> None:
    store = Store()
    first = Desk(store, file)
    first.references.make(MONITOR)
    first.published.settle()
    other = Desk(store, file, replace(DATA, digest="newer"))
    other.references.make(MONITOR)
    place = first.references.place(MONITOR)
    assert place is not None
    store.files[place.path] = b"\x80\x04."
    again = Desk(store, file)
    again.references.make(MONITOR)
    again.published.settle()
    assert (other.read, again.read) == (1, 1)
    assert store.files[place.path] == to_bytes(reference_profile())


@pytest.mark.parametrize("why", ["a file", "no data set", "no run"])
def test_what_is_not_the_versions_own_goes_nowhere(file: Path, why: str) -> None:
    store = Store()
    desk = Desk(store, file, NotFound("Run r1 has no dataset.") if why == "no data set" else DATA)
    held = MONITOR
    if why == "a file":
        held = replace(MONITOR, reference=Reference(ReferenceKind.FILE, str(file)))
    if why == "no run":
        desk.endpoint = replace(desk.endpoint, model=replace(desk.endpoint.model, run_id=None))
    desk.references.make(held)
    desk.published.settle()
    assert desk.read == 1
    assert not store.files
    assert desk.references.place(held) is None
