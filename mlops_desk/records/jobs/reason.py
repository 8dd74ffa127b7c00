"""Why something did not succeed, as fields."""

from dataclasses import dataclass, field

from mlops_desk.base.errors import keep_command


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something did not succeed. ``class_`` is a stable word (``class`` in JSON), evidence is quoted.

    ``command`` is the command in the hint that can be run as it is.
    """

    class_: str = field(metadata={"json": "class"})
    text: str
    evidence: str | None = None
    hint: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)
