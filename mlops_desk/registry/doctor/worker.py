"""The worker that looks into a store and mends it: ``python -m mlops_desk.registry.doctor.worker``.

It may be killed at any moment: at its deadline, with the agent, or because a disk hangs.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.process import limit_memory, serve_one
from mlops_desk.records.registry.doctor import StoreFixed, StoreReport
from mlops_desk.registry.doctor import examining, mending
from mlops_desk.registry.doctor.checks import files
from mlops_desk.registry.doctor.quiet import QuietStore

_MEMORY_BYTES = 2 << 30  # chosen: the ids of some million runs, and SQLite's own cache


def work(request: dict[str, Any]) -> Any:
    """Do one of: ``examine`` the database, look for its ``files``, ``mend`` it in one way."""
    limit_memory(_MEMORY_BYTES)
    return wire.to_builtins({"examine": _examine, "files": _files, "mend": _mend}[request["act"]](request))


def _path(request: dict[str, Any]) -> Path | None:
    return None if request["path"] is None else Path(request["path"])


def _examine(request: dict[str, Any]) -> StoreReport:
    path = _path(request)
    if path is not None:
        return examining.file_report(path, request["shown"], is_ours=bool(request["is_ours"]))
    from mlops_desk.registry.doctor import postgres  # noqa: PLC0415 - a driver, for those alone who have such a store

    with closing(postgres.ServerStore(request["uri"], request["shown"])) as store:
        return examining.server_report(store, request["shown"], store.size_bytes())


def _files(request: dict[str, Any]) -> dict[str, Any]:
    path = _path(request)
    if path is not None:
        with closing(QuietStore(path)) as store:
            known = files.known(store)
    else:
        from mlops_desk.registry.doctor import postgres  # noqa: PLC0415 - a driver, for those alone who have such a store

        with closing(postgres.ServerStore(request["uri"], request["shown"])) as server:
            known = files.known(server)
    own = path.parent / "artifacts" if path is not None and request["is_ours"] else None
    findings, sizes = files.look(known, own)
    return {"findings": findings, "sizes": sizes}


def _mend(request: dict[str, Any]) -> StoreFixed:
    path = _path(request)
    if path is not None:
        return mending.mend(path, request["fix"])
    from mlops_desk.registry.doctor import postgres  # noqa: PLC0415 - a driver, for those alone who have such a store

    return postgres.mend(request["uri"], request["shown"], request["fix"])


if __name__ == "__main__":
    serve_one(work)
