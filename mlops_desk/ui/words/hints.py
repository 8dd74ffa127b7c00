"""What to do next, told apart: a sentence to read and a command to paste. No Qt here."""

import re

_PROGRAMS = (
    "sudo|mlops-desk|nvidia-smi|nvidia-ctk|dmesg|journalctl|docker|podman|systemctl|kill|df|du|lspci|lsmod|modprobe|"
    "modinfo|ldconfig|apt|apt-get|curl|cat|ls|ps|mokutil|usermod|newgrp|smartctl|nvme|ip|ethtool|free|uname"
)
_QUOTED = re.compile(r"`([^`]+)`")
_AT_END = re.compile(rf"(?:^|[:,]\s+(?:run\s+)?)((?:{_PROGRAMS})\s+\S.*?)\.?$")
_ALONE = re.compile(rf"(?:{_PROGRAMS})(?:\s+\S+)*")
# A command at the start, of which the rest tells what it is for: "mlops-desk jobs list shows them all."
_TOLD = re.compile(rf"((?:{_PROGRAMS})\s[^;:]*?)(?:\s+(?:says|tells|shows|lists)\s|\s{{2,}}\()")
_PROSE = re.compile(
    r"\b(?:the|and|is|are|that|your|which|or|a|says|tells|shows|lists|then)\b|\S\.\s+[A-Z]", re.IGNORECASE
)


def parts(hint: str | None, command: str | None = None) -> tuple[str, str | None]:
    """Return the sentence of a hint ("" where it is all command) and its command (None where it is all sentence).

    ``command`` is what the agent says it is. A hint that comes without one is looked through for it.
    """
    text = (hint or "").strip()
    if command is not None or not text:
        return _sentence(text, command), command
    quoted = _QUOTED.search(text)
    if quoted:
        return text.replace("`", ""), quoted[1].strip()
    told = _TOLD.match(text)
    if told is not None and _is_command(told[1]):
        return text, told[1]
    if "\n" not in text and _is_command(text):
        return "", text
    last = text.splitlines()[-1].strip()
    ending = _AT_END.search(last)
    if ending is not None and _is_command(ending[1]):
        sentence = text[: len(text) - len(last) + ending.start(1)].rstrip(" ,:\n")
        return f"{sentence}:" if sentence else "", ending[1].strip()
    return text, None


def _sentence(text: str, command: str | None) -> str:
    """Return a hint without the command that ends it, which stands below; one that goes on after it is kept whole."""
    before = text.removesuffix(".").removesuffix(command or "").rstrip(" ,:\n")
    if before == text.removesuffix(".").rstrip(" ,:\n"):
        return text
    return f"{before}:" if before else ""


def _is_command(text: str) -> bool:
    """Tell whether a text can be pasted as it is: it begins with a program and has no words of a sentence."""
    return bool(_ALONE.fullmatch(text)) and not _PROSE.search(text)
