"""What tests leave at an engine is cleared away; what a person made there stays, whatever the engine answers."""

import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from desk_setup.engine_traces import Traces, line_to

HOUR = 3600


class Engine:
    """Answers as Docker does; images are found by their label, and one that is built on must not go first."""

    def __init__(self):
        self.images = {}
        self.containers = {}
        self.cache = {}
        self.down = False
        self.refuses = set()
        self.pruned = []

    def image(self, name, age=0.0, label=True, built_on=None):
        self.images[name] = {"Id": name, "Created": time.time() - age, "label": label, "on": built_on}

    def cached(self, name, size=100, in_use=False, shared=False):
        self.cache[name] = {"ID": name, "Size": size, "InUse": in_use, "Shared": shared}

    def ask(self, method, path):
        where = urlsplit(path)
        if self.down:
            raise ConnectionRefusedError
        if method == "GET" and where.path == "/images/json":
            assert json.loads(parse_qs(where.query)["filters"][0]) == {"label": ["io.mlops-desk.test"]}
            return 200, [one for one in self.images.values() if one["label"]]
        if method == "GET" and where.path == "/containers/json":
            query = parse_qs(where.query)
            assert (query["all"], json.loads(query["filters"][0])) == (["1"], {"label": ["io.mlops-desk.test"]})
            return 200, [{"Id": name} for name, of_tests in self.containers.items() if of_tests]
        if method == "DELETE" and where.path.startswith("/containers/"):
            name = where.path.removeprefix("/containers/")
            assert parse_qs(where.query) == {"force": ["1"], "v": ["1"]}
            if name in self.refuses:
                return 409, {"message": "removal is under way"}
            del self.containers[name]
            return 204, None
        if method == "DELETE":
            name = where.path.removeprefix("/images/")
            if name in self.refuses or any(one["on"] == name for one in self.images.values()):
                return 409, {"message": "conflict"}
            del self.images[name]
            return 200, []
        if where.path == "/system/df":
            return 200, {"BuildCache": list(self.cache.values()) or None}
        if method == "POST" and where.path == "/build/prune":
            query = parse_qs(where.query)
            assert query["all"] == ["1"]
            if "filters" not in query:
                free = [name for name, record in self.cache.items() if not record["InUse"]]
                return 200, {"SpaceReclaimed": sum(self.cache.pop(name)["Size"] for name in free)}
            names = json.loads(query["filters"][0])["id"][0].split("|")
            self.pruned.append(len(names))
            return 200, {"SpaceReclaimed": sum(self.cache.pop(name)["Size"] for name in names)}
        return 200, {"DockerRootDir": "/srv/docker"}


@pytest.fixture
def engine():
    return Engine()


def test_images_of_runs_that_are_over_go_and_nothing_else(engine):
    engine.image("base", age=4 * HOUR)
    engine.image("endpoint", age=3.5 * HOUR, built_on="base")
    engine.image("of a run under way", age=HOUR)
    engine.image("a person's", age=9 * HOUR, label=False)
    said = Traces(engine).clear_old()
    assert set(engine.images) == {"of a run under way", "a person's"}
    assert said == "Images of the tests that earlier runs left: 2 were cleared away."


def test_containers_of_tests_go_and_a_persons_stay(engine):
    engine.containers |= {"job": True, "stuck": True, "a person's": False}
    engine.refuses.add("stuck")
    assert Traces(engine).clear_containers() == 1
    assert set(engine.containers) == {"stuck", "a person's"}
    engine.down = True
    assert Traces(engine).clear_containers() == 0


def test_an_image_in_use_stays_and_is_told(engine):
    engine.image("old", age=4 * HOUR)
    engine.image("served", age=4 * HOUR)
    engine.refuses.add("served")
    assert Traces(engine).clear_old().endswith("1 were cleared away, and 1 are in use.")
    assert set(engine.images) == {"served"}


def test_at_the_end_goes_what_came_since_the_beginning(engine):
    engine.image("earlier")
    engine.image("a person's", label=False)
    engine.cached("earlier's")
    before = Traces(engine).all()
    engine.image("new")
    engine.image("a person's new one", label=False)
    engine.cached("new's", size=2 * 10**9)
    engine.cached("in use", in_use=True)
    engine.cached("a person's", shared=True)
    said = Traces(engine).clear_new(before)
    assert set(engine.images) == {"earlier", "a person's", "a person's new one"}
    assert set(engine.cache) == {"earlier's", "in use", "a person's"}
    assert said == (
        "Images of the tests that this run left: 1 were cleared away. "
        "Build cache of this run that was cleared away: 2.0 GB."
    )


def test_much_cache_goes_in_several_requests(engine):
    before = Traces(engine).all()
    for number in range(250):
        engine.cached(f"c{number}")
    Traces(engine).clear_new(before)
    assert engine.cache == {}
    assert engine.pruned == [100, 100, 50]


def test_all_that_nothing_uses_goes_whoever_made_it(engine):
    engine.cached("mine", size=1_500_000_000)
    engine.cached("in use", in_use=True)
    assert Traces(engine).clear_cache() == "Build cache that nothing used, cleared away: 1.5 GB."
    assert set(engine.cache) == {"in use"}
    engine.down = True
    assert Traces(engine).clear_cache() == "Build cache that nothing used, cleared away: 0.0 GB."


def test_what_nothing_uses_is_what_a_person_could_have_back(engine):
    engine.cached("free", size=7)
    engine.cached("in use", size=100, in_use=True)
    engine.cached("shared", size=1000, shared=True)
    assert Traces(engine).unused_cache_bytes() == 7


def test_an_engine_that_does_not_answer_is_told_of_and_unknown(engine):
    engine.image("old", age=4 * HOUR)
    engine.down = True
    traces = Traces(engine)
    assert traces.folder() is None
    assert traces.all() is None
    assert traces.unused_cache_bytes() is None
    assert traces.clear_old().startswith("The engine does not tell")
    assert traces.clear_new({"images": [], "cache": []}).startswith("The engine does not tell")
    assert "old" in engine.images


def test_an_engine_elsewhere_is_left_alone():
    assert line_to({"DOCKER_HOST": "tcp://10.0.0.7:2376"}) is None
    assert line_to({}) is not None
