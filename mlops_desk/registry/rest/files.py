"""Lists what runs and models have left, a folder at a time, as the server sees it: also what it could not serve."""

import posixpath
import re
from builtins import list as list_of
from urllib.parse import urlsplit

from mlops_desk.base.errors import Refused
from mlops_desk.base.text import plain
from mlops_desk.records.model import Artifact
from mlops_desk.registry.address import host_of
from mlops_desk.registry.location import is_plain_path
from mlops_desk.registry.rest.pages import pages
from mlops_desk.registry.rest.session import RestSession
from mlops_desk.registry.rest.shapes import FilesAnswer

_PROXIED = "/api/2.0/mlflow-artifacts/artifacts"
_OF_RUN = "/api/2.0/mlflow/artifacts/list"
_OF_MODEL = "/api/2.0/mlflow/logged-models/{}/artifacts/directories"
_RUN_AT_END = re.compile(r"/([0-9a-f]{32})/artifacts/?$")
_MODEL_AT_END = re.compile(r"/(m-[0-9a-f]{32})/artifacts/?$")
_MOST = 1000  # chosen: more of one folder nobody reads


def artifacts(session: RestSession, uri: str, artifact_uri: str, path: str) -> list_of[Artifact]:
    """List a folder of the files at ``artifact_uri``, on the server at ``uri``. Raises DeskErrors."""
    if not is_plain_path(path):
        raise Refused(f"{plain(path)!r} is no folder of these files.")
    split = urlsplit(artifact_uri)
    if split.scheme == "mlflow-artifacts":
        if split.netloc and host_of(f"{urlsplit(uri).scheme}://{split.netloc}") != host_of(uri):
            raise Refused(f"The server sends us to another host for the files, {plain(split.netloc)}.")
        root = split.path.strip("/")
        if not is_plain_path(root):
            raise Refused(f"{plain(artifact_uri)!r} is no place of files.")
        return _listed(session, _PROXIED, {"path": posixpath.join(root, path) if path else root}, path)
    if run := _RUN_AT_END.search(artifact_uri):
        return _listed(session, _OF_RUN, {"run_id": run[1], **({"path": path} if path else {})}, None)
    if model := _MODEL_AT_END.search(artifact_uri):
        asked = {"artifact_directory_path": path} if path else {}
        return _listed(session, _OF_MODEL.format(model[1]), asked, None)
    text = f"The files are said to lie at {plain(artifact_uri)}, which the server can't be asked to list."
    raise Refused(text, "Look there with the program that the place belongs to.")


def _listed(session: RestSession, address: str, asked: dict[str, str], below: str | None) -> list_of[Artifact]:
    """``below``: the paths of the answer are told from this folder on, and not from the files' root."""
    found: list_of[Artifact] = []
    for answer in pages(lambda token: session.get(address, FilesAnswer, {**asked, **token})):
        for one in answer.files:
            if not one.path or not is_plain_path(one.path):
                continue  # a name that leads elsewhere is none of a file
            path = posixpath.join(below, one.path) if below else one.path
            found.append(Artifact(path, one.is_dir, None if one.is_dir else one.file_size))
        if len(found) >= _MOST:
            break
    return sorted(found, key=lambda one: (not one.is_folder, one.path))[:_MOST]
