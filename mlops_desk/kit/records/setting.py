"""One setting as the dialog and the command line see it."""

from dataclasses import dataclass

KEYRING = "keyring"
FILE = "file"
"""Where secrets are kept: in their person's keyring, or in a file of mode 0400 in the agent's data folder."""


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


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret that its owner's jobs can get as a file; ``changed_at`` is Unix time. What it says is in no record.

    ``kept_in`` is keyring or file; ``note`` says why it is no keyring, where one was wanted.
    """

    name: str
    changed_at: float
    kept_in: str = FILE
    note: str | None = None
