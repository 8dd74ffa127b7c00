"""The catalogue put together: whose data are of a registered set, versions, and who stands on which."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.governance.data.catalogue import DataSighting, KnownData, is_in, joined
from mlops_desk.governance.data.service import judged
from mlops_desk.governance.records.data.catalogue import (
    CatalogueEntry,
    DataColumn,
    DataKind,
    DataLook,
    DataPlace,
    DataUser,
    DataUserKind,
    DataVersion,
    SetState,
)

RUN = DataUser(DataUserKind.RUN, "r1", "its training data")
MODEL = DataUser(DataUserKind.MODEL, "churn/3", "its training data")


def folder(path: str, kind: DataKind = DataKind.FOLDER) -> DataPlace:
    return DataPlace(kind, path)


def test_what_lies_in_a_registered_folder_is_of_that_set_and_of_the_innermost_one() -> None:
    entries = [CatalogueEntry("all", folder("/data"), 1.0), CatalogueEntry("churn", folder("/data/churn"), 2.0)]
    seen = DataSighting("train", DataPlace(DataKind.MLFLOW, "/data/churn/train.csv", "r1", "train"), (RUN, MODEL))
    beside = DataSighting("/data/churn-2", folder("/data/churn-2"), (RUN,))
    found = {one.brief.name: one for one in joined(entries, {}, KnownData((seen, beside)))}
    assert set(found) == {"all", "churn"}
    assert [user.name for user in found["churn"].users] == ["churn/3", "r1"]
    assert [user.name for user in found["all"].users] == ["r1"]


def test_what_nobody_registered_makes_a_set_with_a_version_for_each_digest() -> None:
    place = DataPlace(DataKind.MLFLOW, run="r1", dataset="train")
    columns = (DataColumn("age", ColumnKind.NUMERIC),)
    sightings = (
        DataSighting("train", place, (RUN,), digest="bb", at=20.0, columns=columns),
        DataSighting("train", place, (MODEL,), digest="aa", at=10.0),
        DataSighting("train", place, (MODEL,), digest="bb", at=30.0),
    )
    (found,) = joined([], {}, KnownData(sightings, ("The registry could not be asked.",)))
    assert [(one.number, one.digest, one.seen_at, one.last_at) for one in found.versions] == [
        (2, "bb", 20.0, 30.0), (1, "aa", 10.0, 10.0)
    ]  # fmt: skip
    assert [(user.name, user.version) for user in found.users] == [("churn/3", 1), ("churn/3", 2), ("r1", 2)]
    assert (found.brief.state, found.brief.digest, found.columns) == (SetState.UNKNOWN, "bb", columns)
    assert found.missing == ("The registry could not be asked.",)
    assert not found.brief.is_registered


def test_a_registered_set_has_its_own_versions_and_tells_which_was_used_where_the_hash_does() -> None:
    entry = CatalogueEntry("churn", folder("/d"), 1.0, look=DataLook(SetState.GONE, 9.0, "It is gone."), created_by=7)
    versions = {"churn": [DataVersion("churn", 1, sha256="a"), DataVersion("churn", 2, sha256="b", size_bytes=5)]}
    seen = (
        DataSighting("/d", folder("/d"), (RUN,), sha256="a"),
        DataSighting("/d", folder("/d"), (MODEL,), sha256="other"),
    )
    (found,) = joined([entry], versions, KnownData(seen))
    assert [one.sha256 for one in found.versions] == ["b", "a"]
    assert {user.name: user.version for user in found.users} == {"r1": 1, "churn/3": None}
    assert (found.brief.state, found.brief.text, found.brief.looked_at) == (SetState.GONE, "It is gone.", 9.0)
    assert (found.owner.uid, found.brief.size_bytes) == (7, 5)


def test_a_look_at_what_runs_logged_takes_none_of_its_versions_away() -> None:
    place = DataPlace(DataKind.MLFLOW, run="r1", dataset="train")
    seen = tuple(DataSighting("train", place, digest=digest, at=at) for digest, at in (("aa", 1.0), ("bb", 2.0)))
    for stored, count in (("aa", 2), ("cc", 3)):
        kept = {"train": [DataVersion("train", 1, digest=stored)]}
        (found,) = joined([CatalogueEntry("train", place, 1.0)], kept, KnownData(seen))
        assert [one.number for one in found.versions] == list(range(count, 0, -1))


def test_logs_grow_and_are_told_apart_from_labels() -> None:
    log, labels = DataPlace(DataKind.LOG, endpoint="front"), DataPlace(DataKind.LABELS, endpoint="front")
    seen = (
        DataSighting("front/requests", log, size_bytes=9, files=2, owned_by=7),
        DataSighting("front/labels", labels),
    )
    found = {one.brief.name: one for one in joined([], {}, KnownData(seen))}
    assert found["front/requests"].brief.state is SetState.GROWS
    assert (found["front/requests"].brief.size_bytes, found["front/requests"].created_by) == (9, 7)
    assert not is_in(log, labels)
    assert not is_in(log, DataPlace(DataKind.LOG, endpoint="other"))


@given(st.text("/ab.", max_size=10))
@example("/data/../etc")
@example("/database")
@example("/data/")
def test_only_what_is_below_a_path_is_in_it(path: str) -> None:
    if is_in(folder(path), folder("/data")):
        assert path.rstrip("/") == "/data" or path.startswith("/data/")
        assert ".." not in path.split("/")
    assert not is_in(DataPlace(DataKind.MLFLOW, run="r", dataset="d"), folder("/data"))


def test_a_look_says_same_or_changed_only_where_there_is_a_hash_to_tell() -> None:
    first, made = judged(None, DataVersion("d", 0, sha256="a", seen_at=5.0), 5.0)
    assert (first.state, made.number) == (SetState.SAME, 1)
    again, same = judged(made, DataVersion("d", 0, sha256="a", seen_at=9.0, last_at=9.0), 9.0)
    assert (again.state, same.number, same.seen_at, same.last_at) == (SetState.SAME, 1, 5.0, 9.0)
    other, new = judged(same, DataVersion("d", 0, sha256="b", files=3, size_bytes=9), 11.0)
    assert (other.state, new.number) == (SetState.CHANGED, 2)
    nothing, kept = judged(None, DataVersion("d", 0, columns=(DataColumn("a", None),)), 1.0)
    assert (nothing.state, kept.number) == (SetState.UNKNOWN, 1)
    digest, _ = judged(DataVersion("d", 1, digest="x"), DataVersion("d", 0, digest="y"), 1.0)
    assert digest.state is SetState.CHANGED


def test_what_differs_is_told_in_numbers() -> None:
    before = DataVersion("d", 1, sha256="a", files=3, size_bytes=10)
    look, _ = judged(before, DataVersion("d", 0, sha256="b", files=4, size_bytes=1200), 1.0)
    assert look.text == "It is not what it was: 4 files instead of 3, 1,200 bytes instead of 10."
    look, _ = judged(before, DataVersion("d", 0, sha256="b", files=3, size_bytes=10), 1.0)
    assert look.text.endswith("as many bytes, and other content.")


def test_what_a_run_calls_its_data_takes_neither_the_name_of_a_log_nor_that_of_a_registered_set() -> None:
    hostile = DataSighting("front/requests", DataPlace(DataKind.MLFLOW, run="r1", dataset="front/requests"), (MODEL,))
    log = DataSighting("front/requests", DataPlace(DataKind.LOG, endpoint="front"), size_bytes=9)
    entry = CatalogueEntry("train", folder("/d"), 1.0)
    other = DataSighting("train", DataPlace(DataKind.MLFLOW, run="r1", dataset="train"), (RUN,))
    found = {one.brief.name: one for one in joined([entry], {}, KnownData((hostile, other, log)))}
    assert set(found) == {"front/requests", "front/requests (mlflow)", "train", "train (mlflow)"}
    assert (found["front/requests"].brief.kind, found["front/requests"].users) == (DataKind.LOG, ())
    assert (found["train"].users, len(found["train (mlflow)"].users)) == ((), 1)


def test_a_log_is_as_large_as_its_files_whoever_else_reads_it() -> None:
    place = DataPlace(DataKind.LOG, endpoint="front")
    monitor = DataSighting("front/requests", place, (DataUser(DataUserKind.MONITOR, "front", "what it watches"),))
    log = DataSighting("front/requests", place, size_bytes=9, files=2)
    (found,) = joined([], {}, KnownData((monitor, log)))
    assert (found.brief.size_bytes, found.brief.files) == (9, 2)
    (unknown,) = joined([], {}, KnownData((monitor,)))
    assert (unknown.brief.size_bytes, unknown.brief.files) == (None, None), "not told, and so not 0"
