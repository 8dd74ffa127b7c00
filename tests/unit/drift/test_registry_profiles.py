"""References' profiles in a registry: found, left there, and what is said of those that can't be."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.drift import registry_profiles as module
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.registry_profiles import ProfilePlace, PublishedParts, PublishedProfiles, made_of, place_of
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.registry.records.model import Artifact, DatasetInput
from tests.unit.drift.monitors import sketches

DATA = DatasetInput("cells", "d1/9", "training", "local", "/data/cells.csv")
OPTIONS = DriftOptions(kinds={"a": "numeric", "b": "text"}, features=("a", "b"))
PLACE = place_of("r1", None, DATA, OPTIONS)
LONG = "sha256-" + "0123456789abcdef" * 4  # as DVC and others have them, not MLflow


def reference_profile() -> DataProfile:
    return sketches.reference_profile({"a": [float(at % 17) for at in range(100)], "b": [0.5] * 100})


class Store:
    """Files of runs in memory; ``fails`` is raised by whatever is asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: set[str | None] = set()
        self.tells_sizes = True
        self.folders: list[str] = []
        self.is_unreadable = False
        self.fails: Exception | None = None
        self.refuses: Exception | None = None
        self.is_wanted = True
        self.puts = 0

    def listed(self, _run_id: str, folder: str, uri: str | None) -> list[Artifact]:
        self.asked.add(uri)
        if self.fails:
            raise self.fails
        if not self.files:
            raise NotFound("There are no files there.")
        sizes = {path: len(content) if self.tells_sizes else None for path, content in self.files.items()}
        files = [Artifact(path, False, size) for path, size in sizes.items() if folder in path]
        return [*(Artifact(path, True, None) for path in self.folders), *files]

    def download(self, _run_id: str, path: str, folder: Path, uri: str | None, limit: int) -> Path:
        self.asked.add(uri)
        assert len(self.files[path]) <= limit
        folder.mkdir()
        if self.is_unreadable:
            (folder / "file").mkdir()
            return folder / "file"
        (folder / "file").write_bytes(self.files[path])
        return folder / "file"

    def log_file(self, _run_id: str, file: Path, folder: str, uri: str | None) -> None:
        self.asked.add(uri)
        self.puts += 1
        if self.refuses:
            raise self.refuses
        self.files[f"{folder}/{file.name}"] = file.read_bytes()

    def profiles(self) -> PublishedProfiles:
        return PublishedProfiles(PublishedParts(self.listed, self.download, self.log_file, lambda: self.is_wanted))


@pytest.fixture
def store() -> Store:
    return Store()


def settled(store: Store, profile: DataProfile | None = None) -> PublishedProfiles:
    profiles = store.profiles()
    profiles.keep(PLACE, profile or reference_profile())
    profiles.settle()
    return profiles


def test_what_one_desk_has_left_another_finds(store: Store) -> None:
    assert store.profiles().find(PLACE) is None
    profiles = settled(store)
    assert profiles.why_not(PLACE) is None
    found = store.profiles().find(PLACE)
    assert found is not None
    assert to_bytes(found) == to_bytes(reference_profile()) == store.files[PLACE.path]
    profiles.settle()
    assert store.puts == 1


@pytest.mark.parametrize(
    "other",
    [
        place_of("r1", None, replace(DATA, digest="d2"), OPTIONS),
        place_of("r1", None, replace(DATA, source="/data/other.csv"), OPTIONS),
        place_of("r1", None, replace(DATA, name="rows"), OPTIONS),
        place_of("r1", None, replace(DATA, digest=f"{LONG}1"), OPTIONS),
        place_of("r1", None, DATA, replace(OPTIONS, targets=("y",))),
        place_of("r1", None, DATA, replace(OPTIONS, kinds={"a": "categorical", "b": "text"})),
    ],
)
def test_other_data_and_other_choices_have_a_profile_of_their_own(store: Store, other: ProfilePlace) -> None:
    settled(store)
    assert other.path != PLACE.path
    assert store.profiles().find(other) is None


def test_the_order_in_which_a_signature_was_read_makes_no_other_profile() -> None:
    turned = replace(OPTIONS, kinds={"b": "text", "a": "numeric"})
    assert place_of("r1", None, DATA, turned) == PLACE


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_data_set_is_called_its_profile_has_a_plain_name(digest: str, name: str) -> None:
    data = replace(DATA, digest=digest, name=name)
    place = place_of("r1", None, data, OPTIONS)
    assert module._PLAIN.search(place.name) is None
    assert place.name.startswith("reference-")
    assert len(place.name) <= 60
    assert made_of(place.path, [data]) is data


def test_a_profile_tells_by_its_name_of_which_data_it_is() -> None:
    assert made_of(PLACE.path, [replace(DATA, digest="x"), DATA]) == DATA
    assert made_of(PLACE.path, [replace(DATA, digest="x")]) is None
    longer = replace(DATA, digest="d1/9-b")
    assert made_of(place_of("r1", None, longer, OPTIONS).path, [DATA, longer]) == longer


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a whole profile"),
        (b"\x80\x04\x95cos\nsystem\n", "not a whole profile"),
        (to_bytes(reference_profile())[:-7], "checksum"),
        (b"MLOPS-DESK-DRIFT-PROFILE" + b"\xff" * 40, "version 4294967295"),
    ],
)
def test_hostile_bytes_count_as_none_and_are_written_over(
    store: Store, content: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.files[PLACE.path] = content
    with caplog.at_level(logging.WARNING):
        assert store.profiles().find(PLACE) is None
    assert said in caplog.text
    assert "read anew" in caplog.text
    (told,) = store.profiles().of_run("r1", None)
    assert told.profile is None
    assert said in (told.problem or "")
    settled(store)
    assert store.profiles().find(PLACE) is not None


def test_one_too_large_to_be_one_is_not_fetched(store: Store) -> None:
    store.files[PLACE.path] = b"x" * (524_288 + 1)
    assert store.profiles().find(PLACE) is None
    (told,) = store.profiles().of_run("r1", None)
    assert told.problem == f"{PLACE.path} is larger than 512 KiB."


def test_other_files_in_the_folder_are_nobodys_profile(store: Store) -> None:
    store.files = {"drift/notes.txt": b"", "drift/deep/reference-a-b.profile": b"", "drift/reference-a b.profile": b""}
    assert store.profiles().of_run("r1", None) == []


def test_a_registry_that_can_not_be_asked_means_that_the_data_are_read(store: Store) -> None:
    store.fails = Unavailable("Nothing answers.")
    assert store.profiles().find(PLACE) is None
    with pytest.raises(Unavailable):
        store.profiles().of_run("r1", None)


def test_a_registry_that_was_away_gets_it_later(store: Store) -> None:
    store.refuses = Unavailable("Nothing answers at the registry.")
    profiles = settled(store)
    assert profiles.why_not(PLACE) == "Nothing answers at the registry."
    assert not store.files
    store.refuses = None
    profiles.settle()
    assert profiles.why_not(PLACE) is None
    assert PLACE.path in store.files


def test_one_that_refuses_for_an_hour_is_not_asked_for_ever_and_it_stays_said(store: Store) -> None:
    store.refuses = Refused("It is only read.")
    profiles = settled(store)
    for _ in range(80):
        profiles.settle()
    assert store.puts == 60
    assert profiles.why_not(PLACE) == "It is only read."


def test_only_so_many_wait_in_memory(store: Store) -> None:
    store.refuses = Unavailable("Nothing answers.")
    profiles = store.profiles()
    for at in range(25):
        profiles.keep(replace(PLACE, run_id=f"r{at}"), reference_profile())
    profiles.settle()
    assert store.puts == 20


def test_a_large_one_and_one_that_the_settings_forbid_stay_here(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.is_wanted = False
    assert settled(store).why_not(PLACE) == "The setting drift.share_references is off."
    store.is_wanted = True
    monkeypatch.setattr(module, "LIMIT_BYTES", 100)
    told = settled(store).why_not(PLACE)
    assert told is not None
    assert "to a registry" in told
    assert store.puts == 0


def test_a_full_disk_on_the_way_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert settled(store).why_not(PLACE) == "There is no room for it on the way: No space left on device."


def test_what_is_made_anew_while_it_is_put_there_is_put_there_too(store: Store) -> None:
    profiles, newer = store.profiles(), replace(reference_profile(), n_rejected=7)
    profiles.keep(PLACE, reference_profile())
    put = store.log_file

    def meanwhile(*given: object) -> None:
        put(*given)  # type: ignore[arg-type]  # as they came
        if store.puts == 1:
            profiles.keep(PLACE, newer)

    profiles._parts = replace(profiles._parts, log_file=meanwhile)
    profiles.settle()
    profiles.settle()
    assert store.files[PLACE.path] == to_bytes(newer)


def test_digests_that_begin_alike_are_of_different_data() -> None:
    places = {place_of("r1", None, replace(DATA, digest=f"{LONG}{end}"), OPTIONS).path for end in "ab"}
    assert len(places) == 2


def test_of_those_that_wait_the_newest_stay(store: Store) -> None:
    store.refuses = Unavailable("Nothing answers.")
    profiles = store.profiles()
    places = [replace(PLACE, run_id=f"r{at}") for at in range(25)]
    for place in places:
        profiles.keep(place, reference_profile())
    profiles.settle()
    assert [place.run_id for place in places if profiles.why_not(place) is not None] == [
        f"r{at}" for at in range(5, 25)
    ]


def test_the_files_of_a_run_are_asked_for_where_the_run_is(store: Store) -> None:
    place = replace(PLACE, registry="https://tracker.example")
    profiles = store.profiles()
    profiles.keep(place, reference_profile())
    profiles.settle()
    assert store.profiles().find(place) is not None
    assert store.profiles().of_run(place.run_id, place.registry)
    assert store.asked == {"https://tracker.example"}


def test_of_a_folder_full_of_them_the_first_three_are_read(store: Store) -> None:
    for at in range(5):
        store.files[f"drift/reference-d{at}-{'0' * 16}.profile"] = to_bytes(reference_profile())
    assert [one.path[:18] for one in store.profiles().of_run("r1", None)] == [
        "drift/reference-d0", "drift/reference-d1", "drift/reference-d2",
    ]  # fmt: skip


def test_folders_and_what_is_half_written_are_nobodys_profile(store: Store) -> None:
    store.files[f"{PLACE.path}.part"] = b""
    store.folders = [PLACE.path]
    assert store.profiles().of_run("r1", None) == []
    assert store.profiles().find(PLACE) is None


def test_a_run_without_any_has_none_and_that_is_no_trouble(store: Store) -> None:
    assert store.profiles().of_run("r1", None) == []


def test_a_registry_that_tells_no_sizes_is_read_all_the_same(store: Store) -> None:
    settled(store)
    store.tells_sizes = False
    assert store.profiles().find(PLACE) is not None


def test_one_that_can_not_be_read_on_its_way_is_told_and_the_data_are_read(store: Store) -> None:
    settled(store)
    store.is_unreadable = True
    assert store.profiles().find(PLACE) is None
    (told,) = store.profiles().of_run("r1", None)
    assert told.problem == f"{PLACE.path} can't be read: Is a directory."


def test_trouble_is_logged_once_and_so_is_its_end(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.refuses = Unavailable("Nothing answers.")
    with caplog.at_level(logging.INFO):
        profiles = settled(store)
        profiles.settle()
        store.refuses = None
        profiles.settle()
        profiles.keep(PLACE, replace(reference_profile(), n_rejected=7))
        store.refuses = Unavailable("Nothing answers.")
        profiles.settle()
    said = [one.getMessage() for one in caplog.records if "could not be put" in one.getMessage()]
    assert [("is again" in one) for one in said] == [False, True, False]
