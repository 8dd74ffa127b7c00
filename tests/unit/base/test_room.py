"""A folder that can't be written in is refused with a hint that can be read by itself."""

from pathlib import Path

import pytest

from mlops_desk.base import room
from mlops_desk.base.errors import Unavailable

HINT = "Choose another folder."


def refusal(folder: Path) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        room.check_room(folder, HINT)
    return caught.value


def test_the_hint_begins_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    assert refusal(tmp_path / "file").hint == HINT
    monkeypatch.setattr(room, "_free_bytes", lambda _facts: 3 << 10)
    full = refusal(tmp_path)
    assert "3 KiB are free" in full.message
    assert (full.hint or "").startswith("Free some space")
    assert (full.hint or "").endswith("). Or choose another folder.")
