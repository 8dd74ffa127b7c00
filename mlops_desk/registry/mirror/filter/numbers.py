"""Which texts are numbers: parameters are texts in every tracker, and most of them are meant as numbers."""


def number_of(text: str) -> float | None:
    """Return the number that a text is; None where it is none. NaN and infinities are numbers too."""
    # Python takes 1_000 for a number; whoever wrote it into a parameter meant a name.
    if "_" in text or len(text) > _LONGEST_CHARACTERS:
        return None
    try:
        return float(text)
    except ValueError:
        return None


_LONGEST_CHARACTERS = 64  # chosen: no float has more digits that count
