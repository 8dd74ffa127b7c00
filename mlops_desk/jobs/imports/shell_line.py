"""A line as a shell takes it apart, as far as that goes without one: quotes, and variables whose value is known.

People paste what a README shows: the ``$`` of its prompt, comments, and ``NAME=value`` on lines before the command,
which are put in where the command uses them. What only a shell knows stays as it is written, and its word is marked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid

HINT = "Give one whole line in quotes, as it is typed into a shell."
_OPERATORS = "|&;<>"
_ENDS = "; \t\r\n"
_NAME = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_BRACES = re.compile(r"\$\{[^{}]{0,200}\}")  # chosen: nobody reads more of it
_TICKS = re.compile(r"\x60([^\x60]{0,200})\x60")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_ESCAPED = frozenset('$`"\\')
"""What a backslash takes its meaning from between double quotes."""
_LONGEST = 200  # chosen: of what is between $( and ), as above


@dataclass(frozen=True, slots=True)
class ShellWord:
    """A word. ``open``: something in it stands as it was written, which a shell would have put in."""

    text: str
    open: bool = False


@dataclass(frozen=True, slots=True)
class ShellLine:
    """A command, and the variables (``given``) that were set before it."""

    words: tuple[ShellWord, ...]
    given: Mapping[str, str]


def read_line(text: str, known: Mapping[str, str]) -> ShellLine:
    """Take one command apart; ``known`` are variables of the shell that it is for. Raises Invalid."""
    reader = _Reader(text.replace("\\\r\n", "").replace("\\\n", ""), known)
    given: dict[str, str] = {}
    while True:
        words, stop = reader.command()
        if words and words[0].text in {"$", "%", ">"}:  # the prompts of shells
            words = words[1:]
        if words and words[0].text == "export":
            words = words[1:]
        while words and (found := _ASSIGNMENT.fullmatch(words[0].text)) is not None:
            given[found[1]] = found[2]
            if not words.pop(0).open:
                reader.values[found[1]] = found[2]
        if words:
            _nothing_follows(reader, stop)
            return ShellLine(tuple(words), given)
        if not stop:
            return ShellLine((), given)
        if stop.strip(_ENDS):
            raise _goes_on(stop)


def _nothing_follows(reader: "_Reader", stop: str) -> None:
    while stop:
        more, after = reader.command()
        if stop.strip(_ENDS) not in {"", "&"} or (more and stop.strip()):
            raise _goes_on(stop)
        if more:
            raise Invalid("More than one command is given.", f"{HINT} A line that goes on ends with a backslash.")
        stop = after


def _goes_on(stop: str) -> Invalid:
    return Invalid(f"The line goes on after {stop!r}, with what only a shell does.", HINT)


class _Reader:
    """Reads one command after the other; ``values`` are the variables that are known by then."""

    def __init__(self, text: str, known: Mapping[str, str]) -> None:
        self._text = text
        self._at = 0
        self.values = dict(known)
        self._parts: list[str] = []
        self._begun = self._open = False

    def command(self) -> tuple[list[ShellWord], str]:
        """Return the next command's words, and what ended it ("" at the end of the text). Raises Invalid."""
        words: list[ShellWord] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in " \t\r":
                self._end_word(words)
                self._at += 1
            elif char == "\n" or char in _OPERATORS:
                self._end_word(words)
                return words, self._operator(char)
            elif char == "#" and not self._begun:
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                self._take(char)
        self._end_word(words)
        return words, ""

    def _operator(self, char: str) -> str:
        same = "\n\r\t " if char == "\n" else _OPERATORS
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in same:
            self._at += 1
        return self._text[start : self._at]

    def _end_word(self, words: list[ShellWord]) -> None:
        if self._begun:
            words.append(ShellWord("".join(self._parts), self._open))
        self._parts, self._begun, self._open = [], False, False

    def _take(self, char: str) -> None:
        self._begun = True
        if char == "'":
            end = self._closing("'")
            self._parts.append(self._text[self._at + 1 : end])
            self._at = end + 1
        elif char == '"':
            self._at += 1
            self._quoted()
        elif char == "\\":
            self._parts.append(self._text[self._at + 1 : self._at + 2])
            self._at += 2
        else:
            self._plain(char)

    def _quoted(self) -> None:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in _ESCAPED:
                self._parts.append(self._text[self._at + 1 : self._at + 2])
                self._at += 2
            else:
                self._plain(char)
        raise _unclosed()

    def _plain(self, char: str) -> None:
        """Take in a character, or what stands for something there."""
        name = _NAME.match(self._text, self._at) if char == "$" else None
        value = self.values.get(name[1] or name[2]) if name is not None else None
        if name is not None and value is not None:
            self._parts.append(value)
            self._at = name.end()
            return
        raw = self._raw(char, name)
        if name is None and raw.strip("$()\x60 ") == "pwd" and "PWD" in self.values:
            self._parts.append(self.values["PWD"])
        else:
            self._parts.append(raw)
            self._open = self._open or len(raw) > 1
        self._at += len(raw)

    def _raw(self, char: str, name: re.Match[str] | None) -> str:
        """Return a reference, a substitution or one character, as it is written."""
        if name is not None:
            return name[0]
        if self._text.startswith("$(", self._at):
            return self._text[self._at : self._substituted()]
        other = {"$": _BRACES, "\x60": _TICKS}.get(char)
        found = other.match(self._text, self._at) if other is not None else None
        return char if found is None else found[0]

    def _substituted(self) -> int:
        """Return where what begins with ``$(`` ends."""
        depth = 0
        for at in range(self._at + 1, min(len(self._text), self._at + _LONGEST)):
            depth += {"(": 1, ")": -1}.get(self._text[at], 0)
            if depth == 0:
                return at + 1
        return self._at + 1

    def _closing(self, quote: str) -> int:
        end = self._text.find(quote, self._at + 1)
        if end < 0:
            raise _unclosed()
        return end


def _unclosed() -> Invalid:
    return Invalid("The line can't be read: No closing quotation.", "Look for a quote that is not closed.")
