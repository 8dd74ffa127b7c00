"""What a command begins with is read once; the login in it does not stay on the disk."""

import json
from pathlib import Path

import pytest

from mlops_desk.jobs.cli.bare.command import _environment
from mlops_desk.kit.base.errors import Unavailable


def test_what_it_begins_with_is_emptied_once_it_is_read(tmp_path: Path) -> None:
    place = tmp_path / "environment.json"
    place.write_text(json.dumps({"MLFLOW_TRACKING_TOKEN": "token-1"}))
    place.chmod(0o400)
    assert _environment({"environment": str(place)}) == {"MLFLOW_TRACKING_TOKEN": "token-1"}
    assert place.read_text() == "{}"
    assert place.stat().st_mode & 0o777 == 0o400
    assert list(tmp_path.iterdir()) == [place]


def test_what_can_t_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="can't be read"):
        _environment({"environment": str(tmp_path / "none")})
