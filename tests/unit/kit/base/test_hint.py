"""A hint's command goes with it, as a field, from who says it to who runs it."""

import copy
import json
import pickle
from dataclasses import replace

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Place, command_of, heard, hint_of
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.records.status import Sample

HINT = Hint("mlops-desk jobs list", before="Look: ", after=" shows them all.")


@given(st.text(), st.text(), st.text())
def test_a_hint_is_the_text_that_its_parts_make(before: str, command: str, after: str) -> None:
    hint = Hint(command, before=before, after=after)
    assert (hint, hint.command) == (before + command + after, command)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda hint: pickle.loads(pickle.dumps(hint))])
def test_a_copy_has_the_command_too(again) -> None:
    assert (again(HINT), again(HINT).command) == ("Look: mlops-desk jobs list shows them all.", "mlops-desk jobs list")


def test_an_error_takes_its_command_along() -> None:
    error = NotFound("There is no job x.", HINT)
    told = {"error": "There is no job x.", "hint": str(HINT), "command": "mlops-desk jobs list", "code": "not_found"}
    assert error.told() == told
    assert type(error.told()["hint"]) is str, "what writes it into a pipe may take no other"
    again = heard(told)
    assert (type(again), again.message, again.hint, again.command) == (NotFound, error.message, HINT, HINT.command)
    assert Notice("info", "jobs", again.message, again.hint, about=("job", "x")).command == "mlops-desk jobs list"


@pytest.mark.parametrize("place", [Place(5, 12, "resources.gpus"), Place(1)])
def test_an_error_takes_its_place_along(place: Place) -> None:
    told = Invalid("No.", None, place=place).told()
    assert told["place"] == {"line": place.line, "column": place.column, "field": place.field}
    assert heard(json.loads(json.dumps(told))).place == place
    assert heard({**told, "place": {**told["place"], "of a newer program": 1}}).place == place
    assert "place" not in Invalid("No.").told()


def test_an_older_program_tells_no_command_and_a_sentence_has_none() -> None:
    assert heard({"error": "No.", "hint": "mlops-desk jobs list", "code": "later"}).command is None
    assert DeskError("No.", "Wait a moment.").command is None
    assert type(heard({"error": "No."})) is DeskError


@pytest.mark.parametrize(
    "record",
    [
        Notice("info", "jobs", "Text.", HINT),
        Reason("failed", "Text.", None, HINT),
        Incident("i", 1.0, "gpu", "alert", "Title", "Text.", HINT),
        Alert("a", "r", "T", "alert", "d", "D", "Text.", HINT, 1.0, None, "1"),
    ],
)
def test_a_record_keeps_the_command_in_a_field(record) -> None:
    document = wire.to_builtins(record)
    assert (document["hint"], document["command"]) == (str(HINT), "mlops-desk jobs list")
    assert wire.from_builtins(document, type(record)).command == "mlops-desk jobs list"
    assert replace(record, hint=Hint("df -h")).command == "df -h"
    assert type(wire.from_builtins(document, type(record)).hint) is Hint
    assert replace(record, hint="Wait a moment.").command is None
    del document["command"]
    assert wire.from_builtins(document, type(record)).command is None


def test_a_sample_keeps_the_command_on_its_way_from_the_collector() -> None:
    document = wire.to_builtins(Sample(1, 2.0, (), Host("h"), gpu_hint=HINT))
    again = wire.from_builtins(document, Sample)
    assert (again.gpu_hint, again.gpu_command) == (str(HINT), HINT.command)
    assert replace(again, gpu_hint=None).gpu_command is None
    fresh = Sample(1, 2.0, (), Host("h"), gpu_hint=HINT)
    assert msgspec.json.decode(msgspec.json.encode(fresh))["gpu_command"] == HINT.command


@given(st.text(), st.text(), st.text())
@example("a ", "a", " a")
@example("", "", "")
def test_a_hint_survives_its_way_as_a_text_and_a_field(before: str, command: str, after: str) -> None:
    hint = Hint(command, before=before, after=after)
    again = hint_of(str(hint), hint.command)
    assert again == hint
    assert command_of(again) == (command or None)
