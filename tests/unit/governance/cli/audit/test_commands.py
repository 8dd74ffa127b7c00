"""An export of the audit is whole or it is not there, and nothing of somebody else is written over."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.governance.cli.audit import commands as audit
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Refused, Unavailable
from mlops_desk.kit.records.audit import AuditLink


class Agent:
    """Gives one page of links, and then fails."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure

    def audit_links(self, after: int, _limit: int) -> list[AuditLink]:
        if after:
            raise self._failure
        return [AuditLink(1, "e1", "{}", "1" * 64)]


def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> Path:
    client = SimpleNamespace(agent=Agent(failure), close=lambda: None)
    monkeypatch.setattr(audit, "connect", lambda *_, **__: client)
    out = tmp_path / "audit.jsonl"
    audit.export(AgentAddress.of_folder(tmp_path), argparse.Namespace(out=str(out), demo=False), as_json=False)
    return out


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Unavailable("The agent is gone."), "The agent is gone"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyboardInterrupt("Ctrl+C"), "Ctrl"),
    ],
)
def test_an_export_that_breaks_off_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, told: str
) -> None:
    expected = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else DeskError
    with pytest.raises(expected, match=told):
        export(tmp_path, monkeypatch, failure)
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audit.jsonl").write_text("of last year")
    with pytest.raises(Refused, match="is there already"):
        export(tmp_path, monkeypatch, Unavailable("The agent is gone."))
    assert (tmp_path / "audit.jsonl").read_text() == "of last year"
