"""What goes over the wire comes back as it was, and is JSON that any reader takes."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, Mount, Resources
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.records.audit import AuditVerification
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.registry.records.model import Run

T = TypeVar("T")

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False)


@given(st.builds(Run, run_id=texts, name=st.none() | texts, status=texts, start_time=st.none() | st.integers(0, 2**53),
                 metrics=st.dictionaries(texts, numbers), params=st.dictionaries(texts, texts)))  # fmt: skip
def test_a_run_survives_the_wire(run: Run) -> None:
    assert wire.loads(wire.dumps(run), Run) == run


@given(
    st.builds(
        Job,
        id=texts,
        name=texts,
        state=st.sampled_from(JobState),
        spec=st.builds(
            JobSpec,
            name=texts,
            image=texts,
            command=st.lists(texts).map(tuple),
            env=st.dictionaries(texts, texts),
            resources=st.builds(Resources, gpus=st.integers(0, 8)),
            mounts=st.lists(st.builds(Mount, source=texts, target=texts)).map(tuple),
        ),
        submitted_at=st.floats(0, 1e10),
        submitted_by=st.integers(0, 2**31),
        user=texts,
        reason=st.none() | st.builds(Reason, class_=texts, text=texts),
        attempts=st.lists(
            st.builds(Attempt, number=st.integers(0, 9), id=texts, container=texts, state=st.sampled_from(JobState))
        ).map(tuple),
    )
)
def test_a_job_survives_the_wire(job: Job) -> None:
    assert wire.loads(wire.dumps(job), Job) == job


def test_numbers_without_a_json_word_travel_as_strings() -> None:
    run = Run("r", None, "FINISHED", 0, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.5})
    document = json.loads(wire.dumps(run))
    assert document["metrics"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 1.5}
    back = wire.from_builtins(document, Run).metrics
    assert math.isnan(back["a"])
    assert (back["b"], back["c"], back["d"]) == (math.inf, -math.inf, 1.5)


def test_a_page_of_waiting_jobs_survives_the_wire() -> None:
    """What a page holds stands in its type's brackets, and its records are read there as anywhere."""
    waits = JobBrief("j", "n", JobState.QUEUED, "i", 1, 1.0, 1000, "ana", reason=Reason("waiting", "waits"))
    page = ListPage((waits,), "more")
    assert wire.loads(wire.dumps(page), ListPage[JobBrief]) == page
    assert wire.to_builtins(page)["items"][0]["reason"]["class"] == "waiting"


@dataclass(frozen=True)
class Box(Generic[T]):
    inside: T


def test_what_stands_in_brackets_is_read_where_a_field_is_just_that() -> None:
    box = Box(Reason("waiting", "waits"))
    assert wire.loads(wire.dumps(box), Box[Reason]) == box


def test_class_is_class_outside_python() -> None:
    document = wire.to_builtins(Reason("oom_kernel", "text"))
    assert document["class"] == "oom_kernel"
    assert wire.from_builtins(document, Reason).class_ == "oom_kernel"


@pytest.mark.parametrize("text", ["", "{", '{"run_id": 1', "[]", '"x"', '{"run_id": {}}', "[" * 100_000])
def test_what_is_not_a_record_is_invalid_and_nothing_else(text: str) -> None:
    with pytest.raises(Invalid):
        wire.loads(text, Run)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"links": 1.5}', '{"links": NaN}', '"\ud800"', "[" * 100_000])
def test_what_a_glance_can_not_read_is_nothing_to_it(text: str) -> None:
    assert wire.glance(text, AuditVerification) is None
    assert wire.glance('{"records": 7, "intact": true}', AuditVerification) == AuditVerification(7, True)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
def test_bytes_are_utf_8_and_nothing_is_guessed(encoding: str) -> None:
    document = wire.dumps(Run("r", None, "FINISHED", 0, params={"é": "ü"}))
    assert wire.loads(document.encode(), Run).params == {"é": "ü"}
    with pytest.raises(Invalid, match="not a JSON document"):
        wire.loads(document.encode(encoding), Run)


def test_only_a_reason_is_read_as_one() -> None:
    looks_alike = {"class": "a", "text": "b", "evidence": "c", "hint": "d"}
    run = Run("r", None, "FINISHED", 0, params=looks_alike)
    assert wire.loads(wire.dumps(run), Run) == run
    assert wire.from_builtins([looks_alike], list[dict[str, str]]) == [looks_alike]


@pytest.mark.parametrize(
    "kind", [Reason, Reason | None, list[Reason], tuple[Reason, ...], dict[str, Reason], list[dict[str, Reason]]]
)
def test_a_reason_is_read_wherever_it_stands(kind: Any) -> None:
    reason = {"class": "a", "text": "b"}
    shapes = {list: [reason], tuple: [reason], dict: {"class": reason}}
    document = [{"class": reason}] if kind == list[dict[str, Reason]] else shapes.get(get_origin(kind), reason)
    assert "Reason(class_='a', text='b', " in repr(wire.from_builtins(document, kind))


def test_of_a_reason_fields_may_be_missing_or_new() -> None:
    assert wire.from_builtins({"class": "a", "text": "b", "later": 1}, Reason) == Reason("a", "b")


def test_a_key_that_a_person_chose_is_never_renamed() -> None:
    run = Run("r", None, "FINISHED", 0, params={"class": "a", "class_": "b"}, tags={"class": "x", "text": "y"})
    assert wire.to_builtins(run)["params"] == {"class": "a", "class_": "b"}
    assert wire.loads(wire.dumps(run), Run) == run


# What the library gathers of a class is awaited half way, which is where a busy machine takes the thread's turn.
_TWO_THREADS = """
import dataclasses, threading, msgspec._utils as gathering
from mlops_desk.kit.base import wire

@dataclasses.dataclass
class Inner:
    a: int = 0

@dataclasses.dataclass
class Outer:
    x: int
    inner: Inner

half_way, go_on, real = threading.Event(), threading.Event(), gathering.get_class_annotations

def slowly(kind):
    if kind is Inner:
        half_way.set()
        go_on.wait(0.5)
    return real(kind)

gathering.get_class_annotations = slowly
data = {{"x": 1, "inner": {{"a": 2}}}}
found = []
first = threading.Thread(target=lambda: found.append({call}))
second = threading.Thread(target=lambda: found.append({call}))
first.start()
half_way.wait(5)
second.start()
second.join(0.2)
go_on.set()
first.join(5), second.join(5)
assert found == [Outer(1, Inner(2))] * 2, found
print("both")
"""


@pytest.mark.parametrize("call", ["wire.convert(data, Outer)", "wire.from_builtins(data, Outer)"])
def test_two_threads_that_read_a_type_for_the_first_time_both_get_it(call: str) -> None:
    script = _TWO_THREADS.format(call=call)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "both\n"), done.stderr
