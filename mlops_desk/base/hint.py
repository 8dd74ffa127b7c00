"""What to do next, with the command in it: a text wherever a text is wanted, and the command for whoever runs it."""

from typing import Self


class Hint(str):
    """A hint that holds a command, as a text: ``before``, the command, ``after``, as they are.

    Records keep the command in a field of their own beside the text, where only that travels.
    """

    __slots__ = ("command",)

    command: str

    def __new__(cls, command: str, *, before: str = "", after: str = "") -> Self:
        made = super().__new__(cls, f"{before}{command}{after}")
        made.command = command
        return made
