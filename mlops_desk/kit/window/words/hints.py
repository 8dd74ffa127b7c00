"""What to do next, told apart: a sentence to read and a command to paste. No Qt here."""


def parts(hint: str | None, command: str | None) -> tuple[str, str | None]:
    """Return the sentence of a hint ("" where it is all command), and its command as the agent gives it.

    The command that ends a hint stands below and not in the sentence; a hint that goes on after it is kept whole.
    """
    text = (hint or "").strip()
    bare = text.removesuffix(".")
    before = bare.removesuffix(command or "").rstrip(" ,:\n")
    if before == bare.rstrip(" ,:\n"):
        return text, command
    return f"{before}:" if before else "", command
