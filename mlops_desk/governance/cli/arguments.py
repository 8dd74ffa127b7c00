"""What ``cards export`` takes beside its verb's options: the file that is written is one of whoever asks."""

from typing import Any


def add_out(parser: Any) -> None:
    """Let the word that exports a card take the file to write."""
    parser.add_argument("out", metavar="OUT", help="file to write: OUT.md, OUT.html or OUT.pdf; none is overwritten")
    parser.set_defaults(act="cards-export", form=None)
