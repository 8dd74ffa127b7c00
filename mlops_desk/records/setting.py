"""One setting as the dialog and the command line see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting's current value beside its declaration. A ``secret`` value is masked: only that it is set shows."""

    key: str
    title: str
    help: str
    kind: str
    value: str | int | float | bool
    default: str | int | float | bool
    section: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    secret: bool = False
