"""The list of registries: what is kept, what its names mean, and that no password is in it."""

import base64
import contextlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.storage.secrets import SecretStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.mirror.wire_format import source_written
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.model import Model, Run
from mlops_desk.registry.records.tracker import KeptTracker, TrackerKind
from mlops_desk.registry.trackers import probe_worker, probes
from mlops_desk.registry.trackers.probe_worker import RegistryLook
from mlops_desk.registry.trackers.probes import Looks
from mlops_desk.registry.trackers.trackers import OwnStore, Trackers
from tests.registry_list_reader import ListReader
from tests.registry_stores import empty_store, small_store
from tests.unit.registry.rest.rig import Question, ScriptedServer, ok

ME = os.getuid()


class House:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = State(root / "state.db")
        self.secrets = SecretStore(root / "secrets")
        self.own = root / "registry" / "mlflow.db"
        self.address: str | None = None
        self.setting = ""
        self.found: dict[str, dict[str, str]] = {}
        self.trackers = Trackers(
            self.state.trackers,
            self.secrets,
            OwnStore(self.own, lambda: self.address),
            Default(lambda: self.setting),
            Looks(lambda sources: {name: self.found.get(name, {"via": "sql"}) for name in sources}),
        )

    def secret(self, name: str) -> bytes:
        return self.secrets.value(ME, name)

    def stored(self) -> str:
        query = "SELECT group_concat(document) FROM trackers"
        return str(sqlite3.connect(self.root / "state.db").execute(query).fetchone()[0])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def store_at(path: Path, *tables: str) -> Path:
    connection = sqlite3.connect(path)
    for table in tables or ("experiments", "runs", "alembic_version"):
        connection.execute(f"CREATE TABLE {table} (x)")
    connection.close()
    return path


def test_the_desks_own_is_always_there_and_can_not_be_taken_off(house: House) -> None:
    (own,) = house.trackers.list()
    assert (own.name, own.kind, own.is_default) == ("own", TrackerKind.OWN, True)
    with pytest.raises(Refused, match="always there"):
        house.trackers.remove("own")
    with pytest.raises(Invalid) as refused:
        house.trackers.add("own", "http://h")
    assert "own is taken" in str(refused.value.hint)
    source = house.trackers.source(None)
    assert (source.kind, source.path) == (TrackerKind.OWN, house.own)
    house.address = "http://127.0.0.1:5000"
    for named in ("own", "", " own ", "http://127.0.0.1:5000"):
        assert house.trackers.source(named) == source


def test_a_name_is_what_every_uri_takes(house: House) -> None:
    house.trackers.add("prod", "http://ml.example:5000/")
    assert house.trackers.source("prod").uri == "http://ml.example:5000"
    assert house.trackers.source("prod").headers == {}
    assert [one.name for one in house.trackers.list()] == ["own", "prod"]
    assert not house.trackers.show("prod").is_default
    house.setting = "prod"
    assert house.trackers.show("prod").is_default
    assert not house.trackers.show("own").is_default
    assert house.trackers.source(None).shown == "http://ml.example:5000"
    house.setting = "http://ml.example:5000"
    assert house.trackers.show("prod").is_default
    house.setting = ""
    assert house.trackers.remove("prod").name == "prod"
    for act in (house.trackers.show, house.trackers.remove):
        with pytest.raises(NotFound, match="No registry is kept as 'prod'"):
            act("prod")


@pytest.mark.parametrize("name", ["", "a b", "http://x", "/srv", "a/b", "OWN", "none", "x" * 61, "é", ".x", "\u202ea"])
def test_a_name_that_could_be_a_uri_or_be_misread_is_refused(house: House, name: str) -> None:
    with pytest.raises(Invalid, match="can't be the name"):
        house.trackers.add(name, "http://h:1")


def test_two_of_one_name_are_refused(house: House) -> None:
    house.trackers.add("a", "http://h:1")
    with pytest.raises(Refused, match="kept as a already"):
        house.trackers.add("a", "http://h:2")
    assert house.trackers.source("a").uri == "http://h:1"


def test_a_password_of_a_uri_goes_to_the_secrets_and_is_in_nothing_that_is_stored_or_shown(house: House) -> None:
    told = house.trackers.add("prod", "https://ann:p%40ss:w@ml.example/base")
    assert told.uri == "https://ml.example/base"
    assert told.login == "registry-prod"
    assert house.secret("registry-prod") == b"ann:p@ss:w"
    assert "p@ss" not in house.stored()
    assert "p%40ss" not in house.stored()
    source = house.trackers.source("prod")
    assert base64.b64decode(source.headers["Authorization"].removeprefix("Basic ")) == b"ann:p@ss:w"
    assert source.uri == source.shown == "https://ml.example/base"
    house.trackers.remove("prod")
    with pytest.raises(NotFound):
        house.secret("registry-prod")


def test_a_database_is_connected_to_with_its_password_and_shown_without(house: House) -> None:
    told = house.trackers.add("pg", "postgresql://ann:a%2Fb@db.example:5433/ml?sslmode=require")
    assert told.uri == "postgresql://ann@db.example:5433/ml?sslmode=require"
    assert house.secret("registry-pg") == b"a/b"
    source = house.trackers.source("pg")
    assert source.uri == "postgresql://ann:a%2Fb@db.example:5433/ml?sslmode=require"
    assert source.shown == "postgresql://db.example:5433/ml?sslmode=require"
    assert source.headers == {}


@pytest.mark.parametrize("key", ["password", "passwd"])
def test_a_password_in_the_query_of_a_database_is_none_of_its_address(house: House, key: str) -> None:
    told = house.trackers.add("pg", f"postgresql://ann@db.example/ml?{key}=geheim&sslmode=require")
    assert told.uri == "postgresql://ann@db.example/ml?sslmode=require"
    assert house.secret("registry-pg") == b"geheim"
    assert "geheim" not in house.stored()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://ann@db.example/ml?sslpassword=geheim",
        "mssql+pyodbc:///?odbc_connect=PWD%3Dgeheim",
        "mysql://ann@db.example/ml?Access_Token=geheim",
        "https://ml.example/base?token=geheim",
    ],
)
def test_what_may_hold_a_secret_is_not_kept_and_the_refusal_does_not_show_it(house: House, uri: str) -> None:
    with pytest.raises(Invalid, match="secret") as raised:
        house.trackers.add("odd", uri)
    assert "geheim" not in f"{raised.value.message} {raised.value.hint}"
    assert [one.name for one in house.trackers.list()] == ["own"]


@pytest.mark.parametrize(
    ("kept", "meant", "is_default"),
    [
        ("https://ml.example", "https://ML.example:443/", True),
        ("https://ml.example", "http://ml.example", False),
        ("https://ml.example", "https://ml.example/team", False),
        ("postgresql://ann@db.example/ml", "postgresql+psycopg://bo@db.example/ml", True),
    ],
)
def test_the_registry_that_is_meant_is_marked_however_the_setting_spells_it(
    house: House, kept: str, meant: str, is_default: bool
) -> None:
    house.trackers.add("prod", kept)
    house.setting = meant
    assert house.trackers.show("prod").is_default is is_default


def test_a_secret_that_is_there_already_logs_in_and_stays(house: House) -> None:
    house.secrets.set(ME, "token", "abc-123\n")
    house.trackers.add("prod", "https://ml.example", login="token")
    assert house.trackers.source("prod").headers == {"Authorization": "Bearer abc-123"}
    house.trackers.remove("prod")
    assert house.secret("token") == b"abc-123\n"


def test_a_login_that_is_none_is_refused_at_once(house: House, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no secret gone"):
        house.trackers.add("prod", "https://ml.example", login="gone")
    house.secrets.set(ME, "s", "x")
    with pytest.raises(Invalid, match="holds a password"):
        house.trackers.add("prod", "https://a:b@ml.example", login="s")
    with pytest.raises(Invalid, match="no login"):
        house.trackers.add("here", str(store_at(tmp_path / "m.db")), login="s")
    assert len(house.trackers.list()) == 1


def test_another_secret_logs_in_from_now_on_and_one_that_was_made_for_it_goes(house: House) -> None:
    house.trackers.add("prod", "https://a:old@ml.example")
    house.secrets.set(ME, "token", "abc-123")
    assert house.trackers.log_in("prod", "token").login == "token"
    assert house.trackers.source("prod").headers == {"Authorization": "Bearer abc-123"}
    with pytest.raises(NotFound):
        house.secret("registry-prod")
    assert house.trackers.log_in("prod", None).login is None
    assert house.trackers.source("prod").headers == {}
    assert house.secret("token") == b"abc-123"


def test_a_login_that_is_put_in_its_place_goes_with_the_registry(house: House) -> None:
    house.trackers.add("prod", "https://a:old@ml.example")
    house.secrets.set(ME, "registry-prod", "ana:new")
    house.trackers.log_in("prod", "registry-prod")
    assert house.secret("registry-prod") == b"ana:new"
    house.trackers.remove("prod")
    with pytest.raises(NotFound):
        house.secret("registry-prod")


def test_a_login_is_only_where_somebody_asks_for_one(house: House, tmp_path: Path) -> None:
    house.secrets.set(ME, "s", "x")
    house.trackers.add("here", str(store_at(tmp_path / "m.db")))
    with pytest.raises(Invalid, match="no login"):
        house.trackers.log_in("here", "s")
    with pytest.raises(Refused, match="by itself"):
        house.trackers.log_in("own", "s")
    with pytest.raises(NotFound, match="kept as"):
        house.trackers.log_in("gone", "s")
    house.trackers.add("prod", "https://ml.example")
    with pytest.raises(NotFound, match="no secret gone"):
        house.trackers.log_in("prod", "gone")


def test_a_secret_that_was_removed_is_said_when_it_is_needed(house: House) -> None:
    house.trackers.add("prod", "https://a:b@ml.example")
    house.secrets.remove(ME, "registry-prod")
    with pytest.raises(NotFound, match="no secret registry-prod"):
        house.trackers.source("prod")
    assert [one.name for one in house.trackers.list()] == ["own", "prod"]
    assert house.trackers.remove("prod").name == "prod"


def test_a_disk_that_is_full_leaves_no_secret_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_record: KeptTracker) -> None:
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(house.state.trackers, "put", full)
    with pytest.raises(Unavailable):
        house.trackers.add("prod", "https://a:b@ml.example")
    assert house.secrets.names(ME) == []


def test_what_lies_on_this_disk_has_to_be_there_and_be_known(house: House, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing at"):
        house.trackers.add("x", f"sqlite:///{tmp_path}/gone.db")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no runs that are known"):
        house.trackers.add("x", str(tmp_path / "empty"))
    path = store_at(tmp_path / "my store.db")
    assert house.trackers.add("one", str(path)).kind is TrackerKind.SQLITE
    assert house.trackers.add("two", f"sqlite:///{path}").kind is TrackerKind.SQLITE
    assert house.trackers.source("one").path == house.trackers.source("two").path == path
    with pytest.raises(Invalid, match="is sqlite, not trackio"):
        house.trackers.add("three", f"sqlite:///{path}", kind="trackio")
    with pytest.raises(Invalid, match="no kind of registry"):
        house.trackers.add("three", f"sqlite:///{path}", kind="own")


def test_a_name_that_nobody_kept_is_no_address(house: House) -> None:
    with pytest.raises(Invalid, match="neither a URI nor an absolute path"):
        house.trackers.source("prod")


def test_the_list_is_there_after_a_restart(house: House) -> None:
    house.trackers.add("b", "http://h:1")
    house.trackers.add("a", "http://h:2")
    house.state.close()
    assert [one.name for one in House(house.root).trackers.list()] == ["own", "b", "a"]


def test_one_that_can_not_be_read_stays_in_the_list_and_says_why(house: House) -> None:
    house.found["down"] = {"error": "Nothing answers at http://h:1.", "hint": "Is it running?"}
    house.trackers.add("down", "http://h:1")
    house.trackers.add("up", "http://h:2")
    _, down, up = house.trackers.list()
    assert (down.name, down.problem, down.hint, down.via) == (
        "down",
        "Nothing answers at http://h:1.",
        "Is it running?",
        None,
    )
    assert (up.name, up.problem, up.via) == ("up", None, "sql")


def test_a_login_that_is_gone_is_the_problem_of_its_registry_alone(house: House) -> None:
    house.trackers.add("up", "http://h:2")
    house.trackers.add("prod", "https://a:b@ml.example")
    house.secrets.remove(ME, "registry-prod")
    house.trackers._looks.forget("prod")
    _, up, prod = house.trackers.list()
    assert up.problem is None
    assert prod.problem == "You have no secret registry-prod."
    assert prod.command == "mlops-desk secrets set registry-prod"


def test_a_folder_of_runs_is_offered_the_way_into_a_store(house: House, tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    told = house.trackers.add("old", str(tmp_path / "mlruns"))
    assert (told.kind, told.problem) == (TrackerKind.FOLDER, None)
    assert told.command == "mlops-desk registry migrate old"


def test_the_default_registry_is_not_taken_off_the_list_under_the_setting_that_names_it(house: House) -> None:
    house.trackers.add("prod", "http://h:1")
    assert (house.trackers.is_kept("prod"), house.trackers.is_kept("none"), house.trackers.is_kept("a/b")) == (
        True, False, False,
    )  # fmt: skip
    house.setting = "prod"
    with pytest.raises(Refused, match=r"meant where none is named \(the setting registry.uri\)") as refused:
        house.trackers.remove("prod")
    assert refused.value.hint is not None
    assert "settings set registry.uri ''" in str(refused.value.hint)
    house.setting = "http://h:1"  # by its address, which needs no name
    assert house.trackers.remove("prod").name == "prod"


def test_what_was_counted_is_told_and_why_when_not(house: House) -> None:
    house.found = {
        "full": {"via": "sql", "n_runs": 20, "n_models": 0},
        "slow": {"via": "rest", "n_models": 3, "uncounted": "Its runs were not all counted within 4 s."},
        "huge": {"via": "rest", "least_models": 12_000, "uncounted": "Its models and runs were not all counted."},
    }
    for name in house.found:
        house.trackers.add(name, f"http://{name}:1")
    own, full, slow, huge = house.trackers.list()
    assert (huge.n_models, huge.least_models, huge.n_runs, huge.least_runs) == (None, 12_000, None, None)
    assert (own.n_runs, own.n_models, own.uncounted) == (None, None, "Nothing was recorded there yet.")
    assert (full.n_runs, full.n_models, full.uncounted) == (20, 0, None)
    assert (slow.n_runs, slow.n_models, slow.uncounted) == (None, 3, "Its runs were not all counted within 4 s.")
    assert slow.problem is None


@pytest.mark.slow
def test_who_is_slower_than_the_look_is_counted_as_far_as_one_came_and_never_as_if_that_were_all() -> None:
    def answer(question: Question) -> Iterator[bytes]:
        page = int(question.given["page_token"][0]) if "page_token" in question.given else 0
        if question.path.endswith("registered-models/search"):
            if page == 2:
                time.sleep(3.0)
            models = [{"name": f"m{page}-{number}"} for number in range(1000)]
            yield from ok({"registered_models": models, "next_page_token": str(page + 1)})
        else:
            yield from ok({"experiments": []})

    server = ScriptedServer(answer)
    source = RegistrySource(TrackerKind.HTTP, server.uri, "huge")
    found = probe_worker.look_at_all({"sources": written(source), "seconds": 2.0})["huge"]
    server.close()
    assert (found.get("n_models"), found["least_models"], found.get("n_runs")) == (None, 2000, None)
    assert found["uncounted"] == "Its models and runs were not all counted within 2 s."


def test_what_is_looked_at_is_reached_as_pages_reach_it(house: House) -> None:
    seen: list[RegistrySource] = []

    def look(sources: Mapping[str, RegistrySource]) -> dict[str, dict[str, str]]:
        seen.extend(sources.values())
        return {name: {"via": "rest"} for name in sources}

    house.trackers._looks = Looks(look)
    house.trackers.reached = lambda source: replace(source, proxy="http://proxy:3128", ca_file=Path("/ca.pem"))
    house.trackers.add("prod", "https://ml.example")
    assert [(one.uri, one.proxy, one.ca_file) for one in seen] == [
        ("https://ml.example", "http://proxy:3128", Path("/ca.pem"))
    ]


def test_who_takes_long_to_count_is_asked_less_often_and_who_is_down_is_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    now = [1000.0]
    monkeypatch.setattr(probes.time, "monotonic", lambda: now[0])
    answers = {
        "quick": {"via": "sql", "n_runs": 1, "took_seconds": 0.1},
        "slow": {"via": "rest", "n_runs": 9, "took_seconds": 3.0},
        "late": {"via": "rest", "uncounted": "Its runs were not all counted within 4 s."},
        "down": {"error": "Nothing answers.", "took_seconds": 3.0},
    }

    def look(sources: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
        asked.append(sorted(sources))
        return {name: answers[name] for name in sources}

    house.trackers._looks = Looks(look)
    for name in answers:
        house.trackers.add(name, f"http://{name}:1")
    asked.clear()
    for seconds in (5, 6, 50, 20):
        now[0] += seconds
        house.trackers.list()
    assert asked == [["down", "quick"], ["down", "quick", "slow"], ["down", "late", "quick"]]


@pytest.mark.slow
def test_one_that_lets_us_in_no_more_is_looked_at_less_and_less_but_at_once_with_another_login(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    now = [1000.0]
    monkeypatch.setattr(probes.time, "monotonic", lambda: now[0])
    answer: dict[str, Any] = Refused("It does not accept the login.").told()

    def look(sources: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
        asked.append(now[0] - 1000)
        return dict.fromkeys(sources, answer)

    def pass_seconds(seconds: int) -> list[float]:
        asked.clear()
        for _ in range(seconds):
            now[0] += 1
            house.trackers.list()
        return list(asked)

    house.trackers._looks = Looks(look)
    house.secrets.set(ME, "lab", "ana:wrong")
    house.trackers.add("lab", "https://ml.example", "lab")
    assert pass_seconds(1400) == [11, 32, 73, 154, 315, 616, 917, 1218]
    house.trackers.show("lab")
    assert asked[-1] == 1400, "who names it has it looked at"
    house.secrets.set(ME, "lab", "ana:right")
    assert pass_seconds(20) == [1411], "ten seconds later, by the new login"
    answer = {"via": "rest", "n_runs": 1, "took_seconds": 0.1}
    house.trackers.log_in("lab", "lab")
    assert house.trackers.list()[-1].problem is None
    answer = Refused("It does not accept the login.").told()
    assert pass_seconds(45) == [1431, 1442, 1463], "it begins anew"


def test_looks_are_not_taken_again_at_once_and_one_that_fails_is_every_registrys_problem(house: House) -> None:
    asked: list[list[str]] = []

    def look(sources: Mapping[str, object]) -> dict[str, dict[str, str]]:
        asked.append(sorted(sources))
        if len(asked) > 1:
            raise TimedOut("The look took too long.")
        return {name: {"via": "rest"} for name in sources}

    house.trackers._looks = Looks(look)
    house.trackers.add("a", "http://h:1")
    house.trackers.list()
    house.trackers.add("b", "http://h:2")
    assert asked == [["a"], ["b"]], "the desk's own has no store yet"
    assert [one.problem for one in house.trackers.list()] == [None, None, "The look took too long."]


@pytest.mark.slow
def test_a_worker_looks_at_all_of_them(tmp_path: Path) -> None:
    sources = {
        "down": RegistrySource(TrackerKind.HTTP, "http://127.0.0.1:9", "http://127.0.0.1:9"),
        "gone": RegistrySource(TrackerKind.SQLITE, f"sqlite:///{tmp_path}/x.db", "x.db", tmp_path / "x.db"),
        "store": RegistrySource(TrackerKind.SQLITE, "", "s.db", empty_store(tmp_path / "s.db")),
    }
    found = probes._looked(sources)
    assert found["down"]["error"].startswith("Nothing answers at http://127.0.0.1:9")
    assert "x.db" in found["gone"]["error"]
    assert (found["store"]["via"], bool(found["store"]["schema"])) == ("sql", True)
    assert (found["store"]["n_runs"], found["store"]["n_models"]) == (0, 0)
    assert "n_runs" not in found["gone"]


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def written(*sources: RegistrySource) -> dict[str, str]:
    return {one.shown: base64.b64encode(source_written(one)).decode() for one in sources}


@pytest.mark.slow
def test_however_many_hang_all_are_told_after_one_deadline_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[float] = []
    real = threading.Thread.join

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name.startswith("registry-look"):
            joined.append(timeout or 0.0)
        real(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", join)
    path = small_store(tmp_path / "s.db", 50, 3)
    with silent_server() as uri:
        hung = [RegistrySource(TrackerKind.HTTP, uri, f"hung {number}") for number in range(3)]
        store = RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", "store", path)
        found = probe_worker.look_at_all({"sources": written(*hung, store), "seconds": 1.5})
    assert sum(joined) < 2 * 1.5, "they wait side by side"
    for one in hung:
        assert found[one.shown]["error"] == f"{one.shown} did not answer within 1.5 s."
    with closing(sqlite3.connect(path)) as connection:
        (n_runs,) = connection.execute(
            "SELECT count(*) FROM runs JOIN experiments USING (experiment_id) "
            "WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'"
        ).fetchone()
    assert found["store"]["n_runs"] == n_runs


def test_what_was_found_by_the_deadline_is_told_and_what_was_not_counted_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = RegistrySource(TrackerKind.HTTP, "http://h", "http://h")
    reader = ListReader([Run("r", None, "FINISHED", 1)])
    reader.model_list = [Model("m", None)]
    monkeypatch.setattr(probe_worker, "open_reader", lambda _source: reader)
    whole = RegistryLook("a", source)
    whole.work()
    told = whole.told(4.0)
    assert (told["n_runs"], told["n_models"], told.get("uncounted")) == (1, 1, None)
    counting = threading.Event()

    def slowly() -> Iterator[int]:
        yield 1000
        yield 1900
        counting.wait(20)
        yield 2100

    monkeypatch.setattr(reader, "count_runs", slowly)
    slow = RegistryLook("a", source)
    thread = threading.Thread(target=slow.work)
    thread.start()
    while slow.told(4.0).get("least_runs") != 1900:
        time.sleep(0.01)
    assert (slow.told(4.0)["via"], slow.told(4.0).get("n_runs")) == ("files", None)
    assert (slow.told(4.0)["n_models"], slow.told(4.0)["least_models"]) == (1, None)
    assert slow.told(4.0)["uncounted"] == "Its runs were not all counted within 4 s."
    counting.set()
    thread.join(20)
    assert (slow.told(4.0)["n_runs"], slow.told(4.0)["least_runs"]) == (2100, None)

    def broken() -> Iterator[int]:
        raise Unavailable("http://h failed at this (status 500).")

    monkeypatch.setattr(reader, "count_runs", broken)
    failing = RegistryLook("a", source)
    failing.work()
    assert (failing.told(4.0)["via"], failing.told(4.0)["uncounted"]) == (
        "files",
        "http://h failed at this (status 500).",
    )
    monkeypatch.setattr(reader, "count_models", lambda: None)
    monkeypatch.setattr(reader, "count_runs", lambda: iter([7]))
    foreign = RegistryLook("a", source)
    foreign.work()
    assert (foreign.told(4.0)["n_runs"], foreign.told(4.0)["n_models"]) == (7, None)
    assert "no models" in foreign.told(4.0)["uncounted"]


def test_a_folder_without_runs_that_has_the_name_of_a_kept_registry_says_so(house: House) -> None:
    house.trackers.add("prod", "http://lab:5000")
    odd = house.root / "prod"
    odd.mkdir()
    (house.root / "other").mkdir()
    with pytest.raises(NotFound) as caught:
        house.trackers.source(str(odd))
    assert "A registry is kept as prod." in (caught.value.hint or "")
    with pytest.raises(NotFound) as caught:
        house.trackers.source(str(house.root / "other"))
    assert "kept as" not in (caught.value.hint or "")


def test_each_change_of_the_list_is_told_and_what_was_refused_is_not(house: House) -> None:
    told: list[list[str]] = []
    house.trackers.tell_changed = lambda: told.append([one.name for one in house.trackers.list()])
    house.trackers.add("prod", "http://ml.example:5000/")
    with pytest.raises(Refused):
        house.trackers.add("prod", "http://other.example/")
    house.secrets.set(ME, "token", "t0ken")
    house.trackers.log_in("prod", "token")
    house.trackers.remove("prod")
    with pytest.raises(NotFound):
        house.trackers.remove("prod")
    assert told == [["own", "prod"], ["own", "prod"], ["own"]]
