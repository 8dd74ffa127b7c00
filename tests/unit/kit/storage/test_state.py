"""Records of the state database come back in the order that is promised, and without a walk where there may be many."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.state import State


@pytest.mark.parametrize("newest_first", [True, False])
def test_what_was_made_in_one_moment_is_listed_by_when_it_was_put_in(tmp_path: Path, *, newest_first: bool) -> None:
    state = State(tmp_path / "state.db")
    try:
        keys = ["c", "a", "d", "b"]
        now = time.time()
        for key in keys:
            state.audit.put(AuditEntry(now, 0, "me", "jobs.submit", "{}", None, None, id=key))
        state.audit.put(AuditEntry(now, 0, "me", "jobs.submit", "changed", None, None, id="a"))
        found = [entry.id for entry in state.audit.list(newest_first=newest_first)]
        assert found == (keys[::-1] if newest_first else keys)
        assert state.audit.list(limit=1)[0].id == "b"
    finally:
        state.close()


@pytest.mark.parametrize(
    ("look", "index"),
    [
        (lambda state: state.jobs.newest_with("mlflow_run_id", "run-7"), "jobs_by_run"),
        (lambda state: state.jobs.list(parent="retraining:7", limit=1)[0], "jobs_by_origin"),
        (lambda state: state.jobs.newest_with("name", "train 7"), "jobs_by_name"),
        (lambda state: state.jobs.all_with("group", "group-7")[0], "jobs_by_group"),
    ],
)
def test_the_newest_job_of_a_run_an_origin_a_name_and_a_group_is_found_by_an_index(
    tmp_path: Path, look: Callable[[State], Job], index: str
) -> None:
    state = State(tmp_path / "state.db")
    try:
        for number in range(30):
            run, origin, group = f"run-{number % 10}", f"retraining:{number % 10}", f"group-{number % 10}"
            spec = JobSpec("train", "image")
            state.jobs.put(
                Job(
                    str(number), f"train {number % 10}", JobState.QUEUED, spec, float(number), 0, "me",
                    mlflow_run_id=run, origin=origin, group=group,
                )
            )  # fmt: skip
        assert look(state).id == "27"
        assert state.jobs.newest_with("mlflow_run_id", "run-70") is None
        found = plan(state, lambda: look(state))
        assert index in found
        # The index has them in the order that is asked for; of a run there are few jobs.
        assert ("TEMP B-TREE" in found) is (index == "jobs_by_run")
    finally:
        state.close()


def plan(state: State, work: Callable[[], object]) -> str:
    """Return how SQLite finds what ``work`` asks for; what is bound stays so, for it has no part in the plan."""
    asked: list[tuple[str, Any]] = []
    with state._database.transaction() as connection:
        engine = connection.engine

    def note(_connection: object, _cursor: object, query: str, values: object, *_rest: object) -> None:
        asked.append((query, values))

    event.listen(engine, "before_cursor_execute", note)
    work()
    event.remove(engine, "before_cursor_execute", note)
    ((query, values),) = asked
    with state._database.transaction() as connection:
        return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all())
