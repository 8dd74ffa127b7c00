"""How a file that is a profile begins; told without loading what reads one."""

from pathlib import Path

from mlops_desk.base.disk.files import open_plain

MARK = b"MLOPS-DESK-DRIFT-PROFILE"


def is_profile(path: Path) -> bool:
    """Tell a profile by its beginning. Raises OSError."""
    if not path.is_file():
        return False
    with open_plain(path, links=True) as file:
        return file.read(len(MARK)) == MARK
