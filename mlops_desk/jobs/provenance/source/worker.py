"""Worker: read the code of a job as its submitter, and write its snapshot to stdout (see ``packing``).

In a process of its own because a share can hang in the kernel, and because what the agent may read says nothing about
what this person may read.

How git gets out while a source is fetched: the settings' proxy and certificates, in this short-lived process alone.

A proxy's login is in no argument, which everybody could read, and in no file: git takes it from the environment of a
process that is its person's own. What they have set for git themselves (http.proxy) goes before it.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mlops_desk.jobs.provenance.source import checkout, git_fetch
from mlops_desk.jobs.provenance.source.folder import (
    content,
    context_listing,
    examined,
    git_beside,
    listing,
    real_folder,
)
from mlops_desk.jobs.provenance.source.git import checked_address, local_path
from mlops_desk.jobs.provenance.source.snapshot_stream import (
    FileEntry,
    Limits,
    LinkEntry,
    file_head,
    link_head,
    write_head,
)
from mlops_desk.kit.base import network as certificates
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.people.mount_roots import check_root
from mlops_desk.kit.base.process import end_with_parent


@contextmanager
def way_out(network: Mapping[str, Any]) -> Iterator[None]:
    """Let git go by ``environment`` and trust what is in ``ca_bundle``. Raises Invalid where that is no bundle."""
    with scratch("ca") as folder:
        environment = {str(name): str(value) for name, value in dict(network.get("environment") or {}).items()}
        if network.get("ca_bundle"):
            file = Path(folder) / "ca.pem"
            file.write_bytes(certificates.with_usual(certificates.read_bundle(str(network["ca_bundle"]))))
            environment["GIT_SSL_CAINFO"] = str(file)
        os.environ.update(environment)
        yield


def write_folder(request: dict[str, Any], to: IO[bytes]) -> None:
    """Write the snapshot of a folder."""
    private = [str(path) for path in request["private"]]
    folder = real_folder(request["folder"], private)
    check_root(folder, request["roots"], os.getuid())
    built = request.get("dockerfile")  # that of a folder that is built, of which all counts, tracked by git or not
    git = None if built is not None else git_beside(folder, float(request["seconds"]))
    reports = _below(folder, request.get("reports") or ())
    found = listing(folder, git, reports=reports) if built is None else context_listing(folder, str(built))
    entries = examined(folder, found.files, private, _limits(request))
    if git is not None:
        write_head(to, {"kind": "facts", "facts": checkout.facts(git, folder, found)})
    for entry in entries:
        if isinstance(entry, LinkEntry):
            write_head(to, link_head(entry))
        else:
            data = content(folder, entry)
            write_head(to, file_head(entry))
            to.write(data)


def write_fetched(request: dict[str, Any], to: IO[bytes]) -> None:
    """Write the snapshot of a commit that is fetched first."""
    address, ref = str(request["git"]), request["ref"]
    git_fetch.checked_ref(ref)
    checked_address(address)
    if (local := local_path(address)) is not None:
        check_root(os.path.realpath(local), request["roots"], os.getuid())
    with way_out(request.get("network") or {}), git_fetch.mirror(address, float(request["seconds"])) as git:
        commit = git_fetch.fetched(git, address, ref)
        entries = git_fetch.tree(git, commit, _limits(request))
        lacking = git_fetch.submodules(git, commit)
        write_head(to, {"kind": "facts", "facts": git_fetch.facts(address, ref, commit, lacking)})
        blobs = git_fetch.Blobs(git)
        try:
            for entry, blob in entries:
                if isinstance(entry, FileEntry):
                    write_head(to, file_head(entry))
                    blobs.copy(blob, entry.size_bytes, to)
                else:
                    write_head(to, link_head(entry))
        finally:
            blobs.close()


def _below(folder: str, paths: Iterable[str]) -> set[str]:
    """Return those of some absolute paths that lie in the folder, as they are called there."""
    real = (os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in paths)  # noqa: PTH118, PTH119, PTH120 - texts: names need not be UTF-8
    return {os.path.relpath(path, folder) for path in real if path.startswith(f"{folder.rstrip('/')}/")}


def _limits(request: dict[str, Any]) -> Limits:
    return Limits(int(request["limit_bytes"]), int(request["limit_files"]))


def main() -> None:
    end_with_parent()
    with os.fdopen(os.dup(1), "wb") as to:
        os.dup2(2, 1)  # what anything prints goes to stderr, never into the snapshot
        request = json.load(sys.stdin)
        try:
            (write_folder if request["git"] is None else write_fetched)(request, to)
            write_head(to, {"kind": "end"})
        except DeskError as error:
            write_head(to, {"kind": "error", **error.told()})


if __name__ == "__main__":
    main()
