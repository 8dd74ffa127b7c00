"""``drift profile`` as people type it, and a report by what it wrote."""

import json
from pathlib import Path

import pytest

from mlops_desk.desk.cli.commands import ACTS
from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.drift.cli import profile, report
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Invalid

NO_AGENT = AgentAddress.of_folder(Path("/proc/none"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = [{"a": at % 7, "note": f"n{at}", "y": at % 2} for at in range(100)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "c.csv").write_text("a\n" + "".join(f"{at % 7 + 3}\n" for at in range(100)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_profile_is_written_and_taken_for_the_reference(folder, capfd):
    given = parse(["drift", "profile", "--reference", "r.jsonl", "--out", "r.profile", "--target", "y"])
    assert given.act == "drift-profile"
    assert profile.make(NO_AGENT, given, as_json=False) == 0
    text = capfd.readouterr().out
    assert text.startswith("100 rows of 2 columns in ")
    assert "Left out: note (Nearly all values are distinct: an identifier.)." in text
    assert text.endswith(f"Profile: {folder / 'r.profile'}\n")
    asked = parse(["drift", "report", "--reference", "r.profile", "--current", "c.csv"])
    assert report.make(NO_AGENT, asked, as_json=True) == 0
    document = json.loads(capfd.readouterr().out)
    found = {column["name"]: column["verdict"] for column in document["columns"]}
    assert (document["verdict"], found["a"]) == ("drift", "drift")
    assert document["dataset"]["left_out"]["y"] == "A target that is not sent."


def test_the_answer_as_json(folder, capfd):
    given = parse(
        ["drift", "profile", "--reference", "r.jsonl", "--out", "p", "--columns", "a", "--kind", "a=categorical"]
    )
    assert profile.make(NO_AGENT, given, as_json=True) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["rows"], document["columns"], sorted(document["left_out"])) == (100, ["a"], ["note", "y"])
    assert document["bytes"] == (folder / "p").stat().st_size


def test_a_reference_that_is_nowhere_is_refused(folder):
    given = parse(["drift", "profile", "--reference", "no.csv", "--out", "p"])
    with pytest.raises(Invalid, match="no file or folder") as caught:
        profile.make(NO_AGENT, given, as_json=True)
    assert caught.value.hint


def test_progress_is_told_in_plain_words_and_not_too_often(capsys, monkeypatch):
    times = iter([0.0, 0.5, 1.2, 1.9, 2.3])
    monkeypatch.setattr("mlops_desk.drift.progress.time.monotonic", lambda: next(times))
    tell = WorkerProgress()
    for at in range(4):
        tell(at, 9, f"price\x1b[31m{at}")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["1 of 9 columns", "3 of 9 columns"]
    assert "\x1b" not in "".join(lines)


def test_a_versions_profile_is_asked_of_the_agent():
    given = parse(["drift", "profile", "cells/1", "--uri", "far"])
    assert (given.act, given.verb.service, given.verb.name) == ("drift-profile", "drift", "profile")
    profile.check_shown(given)
    assert arguments_of(given.verb, given) == {"version": "cells/1", "uri": "far"}
    with pytest.raises(DeskError):  # no agent answers there, and none is started where its folder can't be
        ACTS[given.act](NO_AGENT, given, False)


def test_a_versions_profile_is_not_made_and_a_made_one_needs_both_ends():
    with pytest.raises(Invalid, match="--target is for one that is made"):
        ACTS["drift-profile"](NO_AGENT, parse(["drift", "profile", "cells/1", "--target", "y"]), False)
    for words, lacking in (
        (["--reference", "r.csv"], "--out"),
        (["--out", "p"], "--reference"),
        ([], "--reference and --out"),
    ):
        with pytest.raises(Invalid, match=f"^{lacking} is missing"):
            profile.make(NO_AGENT, parse(["drift", "profile", *words]), as_json=False)
