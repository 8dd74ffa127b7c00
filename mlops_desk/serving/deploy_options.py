"""What an endpoint's parts are called, and what the words of ``deploy`` mean. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

PORT = 8080  # that of the containers that MLflow itself builds
LABEL_INSTANCE = "io.mlops-desk.instance"
LABEL_ENDPOINT = "io.mlops-desk.endpoint"
LABEL_REVISION = "io.mlops-desk.revision"
LABEL_REPLICA = "io.mlops-desk.replica"
LABEL_STAGE = "io.mlops-desk.build"
LABEL_BESIDE = "io.mlops-desk.beside"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,46}[a-z0-9])?")
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VERSION = re.compile(r"[0-9]{1,18}")
_SHARE = re.compile(r"([0-9]{1,9})=([0-9]{1,3}(?:\.[0-9]{1,6})?)%?")
_FORM = "Write MODEL, MODEL@ALIAS or MODEL/VERSION, for example digits@champion or digits/3."


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """Which version is meant: by alias, by number, or (neither) the newest."""

    name: str
    alias: str | None = None
    version: str | None = None


def parse_model(text: str) -> ModelQuery:
    """Read ``MODEL[@ALIAS|/VERSION]``; the last ``@`` or ``/`` decides. Raises Invalid."""
    cut = max(text.rfind("@"), text.rfind("/"))
    name, mark, rest = (text, "", "") if cut < 0 else (text[:cut], text[cut], text[cut + 1 :])
    if not name.strip() or len(name) > 256 or any(ord(character) < 32 for character in name):
        raise Invalid(f"{plain(text)!r} names no model.", _FORM)
    if not mark:
        return ModelQuery(name)
    if mark == "@":
        if not _ALIAS.fullmatch(rest):
            raise Invalid(f"{plain(rest)!r} is not an alias.", _FORM)
        return ModelQuery(name, alias=rest)
    if not _VERSION.fullmatch(rest):
        raise Invalid(f"{plain(rest)!r} is not a version's number.", _FORM)
    return ModelQuery(name, version=rest)


def followed(query: ModelQuery, alias: str | None) -> str | None:
    """Return the alias that an endpoint is to follow, the one that it is deployed by. Raises Invalid."""
    if alias is None:
        return None
    if not _ALIAS.fullmatch(alias):
        raise Invalid(f"{plain(alias)!r} is not an alias.", _FORM)
    if query.version is not None or query.alias not in {None, alias}:
        asked = query.version or query.alias or ""
        text = f"An endpoint that follows {plain(alias)} can't begin with {plain(asked)}."
        raise Invalid(text, f"Deploy {plain(query.name)}@{plain(alias)}, or leave --follow out.")
    return alias


def first_percent(*, shadow: bool, canary: float | None) -> float | None:
    """Return the share of requests with which a new revision begins; None lets it take over. Raises Invalid."""
    if shadow and canary is not None:
        raise Invalid("A new revision is a shadow or a canary, not both.", "Leave --shadow or --canary out.")
    if canary is not None and not 0.0 < canary < 100.0:
        raise Invalid(f"A canary can't have {canary:g} % of the requests.", "Take between 1 and 99: --canary 5")
    return 0.0 if shadow else canary


def parse_shares(words: Sequence[str]) -> dict[int, float]:
    """Read ``REVISION=PERCENT`` words. Raises Invalid."""
    shares: dict[int, float] = {}
    for word in words:
        found = _SHARE.fullmatch(word.strip())
        if found is None:
            raise Invalid(f"{plain(word)!r} is no share of the requests.", "Write REVISION=PERCENT: 1=90 2=10")
        if int(found[1]) in shares:
            raise Invalid(f"Revision {found[1]} has two shares.", "Name each revision once: 1=90 2=10")
        shares[int(found[1])] = float(found[2])
    return shares


def check_name(name: str) -> str:
    """Return ``name`` if it can stand in a URL, a folder's and a container's name. Raises Invalid."""
    if not _NAME.fullmatch(name) or ".." in name:
        text = f"{plain(name)!r} can't be an endpoint's name."
        raise Invalid(text, "Use up to 48 small letters and digits, with dashes, dots or underscores between.")
    return name


def container_name(instance: str, endpoint: str, revision: int, replica: int = 1) -> str:
    """Name a replica's container; the first is called as agents have called the only one there was."""
    return f"mlops-desk-{instance}-{endpoint}-r{revision}" + (f"-{replica}" if replica > 1 else "")


def beside(relay: str) -> str:
    """Name the container of an image that serves by itself, after the relay whose network it shares."""
    return f"{relay}-image"


def is_endpoints(instance: str, name: str, labels: Mapping[str, str]) -> bool:
    """Tell whether a container is an endpoint's. Its labels alone may come from the image of another container."""
    endpoint, revision = labels.get(LABEL_ENDPOINT, ""), labels.get(LABEL_REVISION, "")
    return revision.isdecimal() and name == container_name(instance, endpoint, int(revision), replica_of(labels))


def replica_of(labels: Mapping[str, str]) -> int:
    """Return which replica of its revision a container is; agents that had only one have not said so."""
    told = labels.get(LABEL_REPLICA, "")
    return int(told) if told.isdecimal() else 1


def network_name(instance: str) -> str:
    """Name the internal bridge on which older agents have put this instance's endpoints."""
    return f"mlops-desk-{instance}-endpoints"


def image_tag(instance: str, digest: str) -> str:
    """Name the image of a content hash: the same requirements on the same base are built once."""
    return f"{_repository(instance)}:{digest[:24]}"


def machine_tag(instance: str, digest: str) -> str:
    """Name the base image of this machine's own Python."""
    return f"mlops-desk-{instance}/python:{digest[:24]}"


def is_built(instance: str, image: str) -> bool:
    """Tell whether an image is one that was built for endpoints, and not somebody else's that one serves from."""
    return image.startswith(f"{_repository(instance)}:")


def _repository(instance: str) -> str:
    return f"mlops-desk-{instance}/serving"


def labels(instance: str, endpoint: str, revision: int, replica: int = 1) -> dict[str, str]:
    return {
        LABEL_INSTANCE: instance,
        LABEL_ENDPOINT: endpoint,
        LABEL_REVISION: str(revision),
        LABEL_REPLICA: str(replica),
    }
