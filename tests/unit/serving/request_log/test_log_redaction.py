"""By which rules a log is written: one key for each endpoint, and nothing hashed without one."""

import stat
from pathlib import Path

import pytest

from mlops_desk.governance.records.data.redaction import RedactionWay
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.serving.request_log.redaction import HiddenColumns, LogRedaction

WAYS = {"ssn": RedactionWay.DROP, "name": RedactionWay.MASK, "mail": RedactionWay.HASH, "id": RedactionWay.HASH}


def redaction(folder: Path) -> LogRedaction:
    made = LogRedaction(folder)
    made.columns = lambda name: WAYS if name == "front" else {}
    return made


def test_the_key_is_kept_private_and_is_another_for_each_endpoint(tmp_path: Path) -> None:
    found = redaction(tmp_path).of("front")
    assert found == redaction(tmp_path).of("front"), "the next agent makes the same words"
    assert (found.dropped, found.masked, found.hashed) == (("ssn",), ("name",), ("id", "mail"))
    assert redaction(tmp_path).key("other") != found.key
    assert stat.S_IMODE((tmp_path / "_redaction/key").stat().st_mode) == 0o600


def test_without_rules_nothing_is_hidden_and_no_key_is_made(tmp_path: Path) -> None:
    assert redaction(tmp_path).of("other") == HiddenColumns()
    assert LogRedaction(tmp_path).of("front") == HiddenColumns()
    assert list(tmp_path.iterdir()) == []


def test_with_a_damaged_key_what_was_to_be_hashed_is_not_logged(tmp_path: Path) -> None:
    redaction(tmp_path).key("front")
    (tmp_path / "_redaction/key").write_bytes(b"short")
    assert redaction(tmp_path).of("front") == HiddenColumns(("ssn", "id", "mail"), ("name",))
    with pytest.raises(Unavailable):
        redaction(tmp_path).key("front")


def test_a_key_that_can_t_be_kept_hides_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "_redaction").write_text("a file where the folder should be")
    assert redaction(tmp_path).of("front").dropped == ("ssn", "id", "mail")
