"""Records of the state database come back in the order that is promised."""

import time
from pathlib import Path

import pytest

from mlops_desk.records.audit import AuditEntry
from mlops_desk.storage.state import State


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
