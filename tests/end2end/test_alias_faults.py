"""Aliases under what goes wrong around a whole agent: many who move one at once, a full disk, and a clock that jumps."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Refused
from tests.end2end.chamber import chamber, fill, possible
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate
from tests.end2end.test_faults_clock import DAY, LIBRARY, Clock

pytestmark = [pytest.mark.end2end]

N_VERSIONS = 6
MIB = 1 << 20


def store_in(folder: Path) -> str:
    """Make a store with six versions of one model, as somebody's training does."""
    folder.mkdir(exist_ok=True)
    uri = f"sqlite:///{folder}/mlflow.db"
    runs = [{"name": f"r{number}", "start_time": 1000 + number} for number in range(N_VERSIONS)]
    versions = [{"name": "churn", "run": run["name"]} for run in runs]
    populate(uri, experiment="e", runs=runs, versions=versions, artifact_location=str(folder / "files"))
    return uri


def moves(desk: Desk, uri: str) -> list[tuple[str | None, str | None]]:
    history = desk.json("models", "history", "churn", "--uri", uri)
    return [(one["from"], one["to"]) for one in history]


def promote(desk: Desk, uri: str, version: str) -> dict[str, Any]:
    told: dict[str, Any] = desk.json(
        "models", "promote", "churn", "--alias", "champion", "--version", version, "--uri", uri
    )
    return told


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    yield made
    made.stop()


def test_of_two_windows_and_two_commands_that_saw_the_same_one_moves_it_and_the_others_are_asked_anew(
    desk: Desk, tmp_path: Path
) -> None:
    uri = store_in(tmp_path / "store")
    promote(desk, uri, "1")
    windows = [connect(AgentAddress.of_folder(desk.folder)) for _ in range(2)]
    outcomes: dict[str, str] = {}
    at_once = threading.Barrier(len(windows) + 1)

    def of_a_window(number: int, version: str) -> None:
        at_once.wait()
        try:
            windows[number].models.promote("churn", "champion", version, uri, expected="1")
            outcomes[version] = "moved"
        except Refused as error:
            outcomes[version] = error.message

    threads = [threading.Thread(target=of_a_window, args=(number, str(number + 2))) for number in range(2)]
    for thread in threads:
        thread.start()
    words = ["models", "promote", "churn", "--alias", "champion", "--uri", uri, "--expected", "1", "--version"]
    commands = {
        version: subprocess.Popen(
            [sys.executable, "-m", "mlops_desk", *words, version], env=desk.whole_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for version in ("4", "5")
    }  # fmt: skip
    at_once.wait()
    for version, command in commands.items():
        _, said = command.communicate(timeout=240)
        outcomes[version] = "moved" if command.returncode == 0 else said
    for thread in threads:
        thread.join(100)
    for window in windows:
        window.close()
    (winner,) = [version for version, outcome in outcomes.items() if outcome == "moved"]
    assert len(outcomes) == 4
    assert all("by now" in outcome for version, outcome in outcomes.items() if version != winner), outcomes
    assert moves(desk, uri) == [("1", winner), (None, "1")]
    told = [one for one in desk.json("audit") if one["verb"] == "models.promote"]
    assert (
        sorted((one["state"], one["error"] is None) for one in told) == [("ended", False)] * 3 + [("ended", True)] * 2
    )


@pytest.mark.skipif(not possible() and not os.environ.get("CI"), reason="no mount namespace can be had here")
def test_on_a_full_disk_an_alias_is_moved_and_the_history_catches_up_once_there_is_room(tmp_path: Path) -> None:
    uri = store_in(tmp_path / "store")
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with chamber() as inside:
        desk = Desk(folder, {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")}, prefix=inside.enter)
        try:
            inside.small_disk(folder, 4 * MIB)
            promote(desk, uri, "1")
            filler = fill(inside.path(folder))
            assert promote(desk, uri, "2")["aliases"] == {"champion": "2"}
            filler.unlink()
            desk.wait(lambda: moves(desk, uri), lambda found: found == [("1", "2"), (None, "1")], 240)
            desk.run("settings", "set", "ui.theme", "dark")  # what waits for the disk is written with the next change
            desk.wait(lambda: promotions(desk), lambda found: found == [("ended", None)] * 2, 240)
        finally:
            desk.stop()


def promotions(desk: Desk) -> list[tuple[str, str | None]]:
    return [(one["state"], one["error"]) for one in desk.json("audit") if one["verb"] == "models.promote"]


@pytest.mark.skipif(LIBRARY is None and not os.environ.get("CI"), reason="libfaketime is not installed")
def test_moves_stay_in_their_order_and_runs_are_seen_though_the_clock_jumps_by_a_day(tmp_path: Path) -> None:
    uri = store_in(tmp_path / "store")
    clock = Clock(tmp_path / "clock")
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases"), **clock.environment})
    try:
        promote(desk, uri, "1")
        for number, offset in enumerate((DAY, -DAY, 0)):
            clock.move(offset)
            promote(desk, uri, str(number + 2))
            name = f"after a jump of {offset}"
            place = str(tmp_path / "store" / "files")
            populate(uri, experiment="e", runs=[{"name": name, "start_time": 5000 + number}], artifact_location=place)
            desk.wait(
                lambda: [run["name"] for run in desk.json("runs", "list", "--uri", uri)],
                lambda names, name=name: name in names, 30,
            )  # fmt: skip
        expected = [("3", "4"), ("2", "3"), ("1", "2"), (None, "1")]
        assert moves(desk, uri) == expected
        rollback = desk.json("models", "rollback", "churn", "--alias", "champion", "--uri", uri)
        assert rollback["aliases"] == {"champion": "3"}
        desk.json("agent", "stop")
        assert moves(desk, uri) == [("4", "3"), *expected], "the next agent tells it in the same order"
    finally:
        clock.move(0)
        desk.stop()
