"""A document of JSON on stdout, apart from all forms for people: with ``--json`` none of them is loaded."""

import json
import sys


def write(document: object) -> None:
    """Write it, and nothing else."""
    json.dump(document, sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def show(document: object, text: str, *, as_json: bool) -> None:
    """Write one answer to stdout: the document as JSON, or the text for people."""
    if as_json:
        write(document)
    elif text:
        sys.stdout.write(text + "\n")
