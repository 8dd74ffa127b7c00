"""A version's columns weighed: what the container is given, what comes of what it says, and what is left of it."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_desk.drift.records.importance import ImportanceMethod
from mlops_desk.kit.base.errors import Invalid, Refused, TimedOut
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.experiments.version_scorer import MOST_COLUMNS, VersionWeighing, WeighingOrder
from mlops_desk.serving.image.model_files import ModelFiles

VERSION = ModelVersion("iris", "2", "run", None, "READY")
FEATURES = (LoggedFeature("width", "double"), LoggedFeature("count", "long"), LoggedFeature("colour", "text"))
SAID = [json.dumps({"at": 0, "means": [0.7, 0.3]}), json.dumps({"method": "gain"})]


class Made:
    """A version that is there; its first image refuses where ``images`` has a second one."""

    def __init__(self, place: Path, features=FEATURES):
        self.place = place
        self.files = ModelFiles(place / "model", "", None, None, features, None)
        self.images = ["trained", "built"]

    def tried(self, use):
        try:
            return use(self.images[0])
        except Refused:
            return use(self.images[1])


class Asides:
    """Containers that say what they are told to; ``seen`` is what each found in its folder."""

    def __init__(self):
        self.said = {"trained": SAID, "built": SAID}
        self.seen = []

    def lines(self, image, mounts, command, seconds, work, heard):
        told = self.said[image]
        if isinstance(told, Exception):
            raise told
        assert [one.mode for one in mounts] == ["ro", "ro"]
        assert command == ("python3", "/mlops-desk/column_importance.py")
        place = Path(mounts[1].source)
        rows = [json.loads(line) for line in (place / "rows.jsonl").read_text().splitlines()]
        self.seen.append((image, json.loads((place / "order.json").read_text()), rows))
        assert {one.name for one in place.iterdir()} >= {"serve.py", "model_says.py", "column_importance.py"}
        assert all(one.stat().st_mode & 0o044 == 0o044 for one in place.iterdir()), "whichever user it runs as"
        heard(told)
        return told


class World:
    def __init__(self, folder: Path):
        self.folder = folder
        self.asides = Asides()
        self.features = FEATURES
        self.work = BesideWork("The weighing", Loop("test").ending)

    @contextmanager
    def made(self, version, work):
        assert (version, work) == (VERSION, self.work)
        yield Made(self.folder, self.features)

    def weigh(self, rows, **more):
        laid = self.folder / "laid.jsonl"
        laid.write_text("".join(json.dumps(row) + "\n" for row in rows))
        asked = {"columns": ("colour", "width", "other"), "features": ("a", "b"), "repeats": 5, "seed": 0, **more}
        return VersionWeighing(self, self.asides).weigh(VERSION, WeighingOrder(laid, **asked), self.work)


def row(at, label="x"):
    return {"features": {"width": str(at), "count": at, "colour": "red", "more": 1}, "label": label, "groups": {}}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_the_model_gets_its_own_columns_as_its_signature_has_them_and_is_asked_of_those_that_are_compared(
    world,
) -> None:
    found = world.weigh([row(at) for at in range(40)])
    ((image, order, rows),) = world.asides.seen
    assert image == "trained"
    assert order == {
        "columns": ["width", "count", "colour"], "wanted": ["colour", "width"], "metric": None, "is_asked": False,
        "repeats": 5, "seed": 0,
    }  # fmt: skip
    assert rows[7] == [[7.0, 7, "red"], "x"]
    assert found.columns == ("colour", "width")
    assert found.told.method is ImportanceMethod.GAIN
    assert found.n_rows == 40


def test_rows_without_a_label_are_left_out_where_enough_have_one_and_labels_where_too_few_do(world) -> None:
    world.weigh([row(at, None if at % 2 else "x") for at in range(80)])
    world.weigh([row(at, "x" if at < 29 else None) for at in range(40)])
    (_, _, first), (_, _, second) = world.asides.seen
    assert [one[1] for one in first] == ["x"] * 40
    assert [one[1] for one in second] == [None] * 40
    with pytest.raises(Invalid, match="29 rows"):
        world.weigh([row(at) for at in range(29)])


def test_a_metric_asks_also_where_the_model_would_say_it(world) -> None:
    with pytest.raises(Invalid, match="not asked for"):
        world.weigh([row(at) for at in range(40)], metric="accuracy")
    assert world.asides.seen[0][1]["is_asked"] is True
    with pytest.raises(Invalid, match="not asked for"):
        world.weigh([row(at) for at in range(40)], permute=True)


def test_where_the_training_image_can_not_load_it_one_is_built_and_tried(world) -> None:
    world.asides.said["trained"] = [json.dumps({"failed": "no mlflow", "loads": False})]
    assert world.weigh([row(at) for at in range(40)]).told.method is ImportanceMethod.GAIN
    assert [one[0] for one in world.asides.seen] == ["trained", "built"]
    world.asides.seen.clear()
    world.asides.said["trained"] = [json.dumps({"failed": "no answer", "loads": True})]
    with pytest.raises(Invalid, match="no answer"):
        world.weigh([row(at) for at in range(40)])
    assert len(world.asides.seen) == 1, "another image would say the same"


def test_a_model_without_signature_gets_what_the_reference_takes_for_inputs(world) -> None:
    world.features = ()
    rows = [{"features": {"a": 1, "b": None, "c": 2}, "label": None, "groups": {}}] * 40
    world.weigh(rows, columns=("a", "b"))
    assert world.asides.seen[0][1]["columns"] == ["a", "b"]
    assert world.asides.seen[0][2][0] == [[1, None], None]


def test_a_model_of_other_columns_or_of_too_many_is_refused_before_anything_runs(world) -> None:
    with pytest.raises(Invalid, match="takes none of the columns that are compared \\(age"):
        world.weigh([row(at) for at in range(40)], columns=("age",))
    world.features = tuple(LoggedFeature(f"c{at}", "double") for at in range(MOST_COLUMNS + 1))
    with pytest.raises(Invalid, match="no more than 500"):
        world.weigh([row(at) for at in range(40)], columns=tuple(f"c{at}" for at in range(MOST_COLUMNS + 1)))
    assert world.asides.seen == []


def test_one_that_takes_too_long_says_what_to_take_less_of(world) -> None:
    world.asides.said["trained"] = TimedOut("It took longer than 3600 s.")
    with pytest.raises(TimedOut) as raised:
        world.weigh([row(at) for at in range(40)])
    assert "--rows" in (raised.value.hint or "")


def test_how_far_it_is_is_told(world) -> None:
    world.asides.said["trained"] = [json.dumps({"done": 1, "of": 2}), *SAID]
    world.weigh([row(at) for at in range(40)])
    assert (world.work.told.text, world.work.told.done, world.work.told.total) == ("Columns are shuffled.", 1, 2)
