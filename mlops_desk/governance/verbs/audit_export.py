"""The audit's chain as a file: JSON lines, a head line, a link each, and the digest of the last, so that a cut is seen.

Window and command line write the same, and ``audit verify --file`` looks at either.
"""

import json
from collections.abc import Callable
from typing import TextIO

from mlops_desk.kit.base import wire
from mlops_desk.kit.records.audit import EXPORT_FORM
from mlops_desk.kit.verbs.desk import DeskVerbs

_PAGE = 2000  # chosen: some megabytes at a time


def write_chain(desk: DeskVerbs, stream: TextIO, hear: Callable[[int], None]) -> tuple[int, str | None]:
    """Write all links; return how many there are, and the head that they end with.

    ``hear`` is told after each page how many are written, and may raise to end it. Raises DeskError, OSError.
    """
    records, head = 0, None
    stream.write(json.dumps({"form": EXPORT_FORM}) + "\n")
    while page := desk.agent.audit_links(records, _PAGE):
        stream.writelines(wire.dumps(link) + "\n" for link in page)
        records, head = page[-1].number, page[-1].digest
        hear(records)
    stream.write(json.dumps({"head": head, "records": records}) + "\n")
    return records, head
