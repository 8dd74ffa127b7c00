"""Why something did not succeed, as fields."""

from dataclasses import dataclass, field

from mlops_desk.kit.base.errors import keep_command


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something did not succeed. ``class_`` is a stable word (``class`` in JSON), evidence is quoted.

    ``command`` is the command in the hint that can be run as it is. ``title`` says in a few words what happened, for a
    heading or a row; what is only waited for has none, nor what was written down before there were titles.
    """

    class_: str = field(metadata={"json": "class"})
    text: str
    evidence: str | None = None
    hint: str | None = None
    command: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)

    @property
    def brief(self) -> str:
        """What happened as shortly as it is known."""
        return self.title or self.text

    @property
    def told(self) -> str:
        """What happened in a line, the title first."""
        return self.text if self.title is None else f"{self.title}: {self.text}"
