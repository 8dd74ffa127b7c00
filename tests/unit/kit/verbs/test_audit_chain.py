"""An exported audit is one that ``audit verify --file`` takes, however many pages it comes in."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mlops_desk.governance.verbs import audit_export
from mlops_desk.governance.verbs.audit_export import write_chain
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.storage.audit.chain import ChainEnd
from mlops_desk.kit.storage.audit.worker import links_of
from mlops_desk.kit.verbs.desk import DeskVerbs

CHAIN = [AuditLink(number, "e", "{}", f"{number:064x}") for number in range(1, 6)]


def desk(chain: list[AuditLink]) -> DeskVerbs:
    def audit_links(after: int, limit: int) -> list[AuditLink]:
        return [one for one in chain if one.number > after][:limit]

    return cast("DeskVerbs", SimpleNamespace(agent=SimpleNamespace(audit_links=audit_links)))


def test_all_pages_are_written_and_told_and_the_file_can_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "_PAGE", 2)
    heard: list[int] = []
    out = tmp_path / "audit.jsonl"
    with out.open("w") as stream:
        assert write_chain(desk(CHAIN), stream, heard.append) == (5, f"{5:064x}")
    assert heard == [2, 4, 5]
    assert list(links_of(out)) == [*CHAIN, ChainEnd(f"{5:064x}", 5, is_last=True)]


def test_an_audit_without_records_is_a_whole_file_too(tmp_path: Path) -> None:
    out = tmp_path / "audit.jsonl"
    with out.open("w") as stream:
        assert write_chain(desk([]), stream, lambda _records: None) == (0, None)
    assert list(links_of(out)) == [ChainEnd(None, 0, is_last=True)]


def test_who_hears_may_end_it() -> None:
    def stop(_records: int) -> None:
        raise Refused("It was stopped.")

    with pytest.raises(Refused, match="stopped"):
        write_chain(desk(CHAIN), io.StringIO(), stop)
