"""A rule in a real agent fires by what the agent measures, once, also over a kill -9."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: {name}\nwhen: {when}\nthen:\n{then}"
ALWAYS = "{metric: system.memory.usage, device: host, above: 1}"  # bytes: it holds on every machine that runs this


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    desk.json("settings", "show", "ui.theme")
    yield desk
    desk.stop()


def made(desk: Desk, folder: Path, name: str, when: str, then: str) -> dict:
    file = folder / f"{name}.yaml"
    file.write_text(HEAD.format(name=name, when=when, then=then))
    return desk.json("rules", "create", str(file))


def kill_agent(desk: Desk) -> None:
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)


def test_a_rule_fires_by_what_is_measured_and_not_again_after_a_kill(desk: Desk, tmp_path: Path) -> None:
    made(desk, tmp_path, "busy", ALWAYS, "- notify: [desktop]\n")
    shown = desk.wait(
        lambda: desk.json("rules", "show", "busy"),
        lambda rule: rule["firings"] and rule["firings"][0]["state"] != "intended",
    )  # fmt: skip
    assert shown["standings"][0]["holds"] is True
    assert shown["firings"][0]["state"] == "done"
    kill_agent(desk)
    desk.wait(lambda: desk.json("rules", "show", "busy"), lambda rule: rule["standings"][0]["holds"])
    assert len(desk.json("rules", "firings")) == 1
    desk.json("rules", "pause", "busy")
    assert desk.json("rules", "list")[0]["enabled"] is False
    fired = desk.json("rules", "fire", "busy")
    assert (fired["state"], fired["firing"]["by_hand"], fired["firing"]["number"]) == ("done", True, 2)
    desk.json("rules", "remove", "busy")
    assert all(rule["built_in"] for rule in desk.json("rules", "list"))
    assert len(desk.json("rules", "firings")) == 2
