"""What became of each test of a run, as the plugin `desk_setup.bookkeeper` writes it down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Account:
    """`failed` and `skipped` are tests, or whole files where a file did not load; `skipped` has the reasons.

    `said` has the end of what pytest told of each that failed, in whichever of its phases; `seconds` is how long each
    took with its fixtures.
    """

    ran: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    deselected: int = 0
    said: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Account:
        """Raises OSError and ValueError where a run did not get as far as to write one."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @property
    def files(self) -> set[str]:
        """The files of which something is told."""
        return {name.partition("::")[0] for name in (*self.ran, *self.failed, *self.skipped)}
