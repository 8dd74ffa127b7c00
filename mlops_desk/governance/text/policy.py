"""Policies of approval, and how a version stands to one, as text."""

from collections.abc import Callable
from typing import Any

from mlops_desk.governance.records.policy import OWN_REGISTRY, ApprovalPolicy, PolicyStanding
from mlops_desk.governance.records.signers import signers_of
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts

_TEXT = 400  # chosen: five lines of a terminal


def policy(item: ApprovalPolicy) -> str:
    """Return what an alias wants."""
    if item.is_damaged:
        return facts({"alias": f"{plain(item.model)}@{plain(item.alias)}", "trouble": plain(item.trouble or "", _TEXT)})
    told = {
        "alias": f"{plain(item.model)}@{plain(item.alias)}",
        "registry": "the desk's own" if item.registry == OWN_REGISTRY else plain(item.registry, _TEXT),
        "people": str(item.people),
        "who": ", ".join(map(plain, item.who)) or "whoever this agent lets in",
        "author": "may approve" if item.author else "may not approve",
        "card": "has to be approved" if item.card else "not asked for",
        "signed tag": f"wanted, {_signers(item.signers)}" if item.signed_tag else "not asked for",
        "back": "freely, to where it was before" if item.free_rollback else "as any other move",
        "set": f"{ago(item.set_at)} by {plain(item.set_by or '–')}",
    }
    if item.trouble is not None:
        told["trouble"] = plain(item.trouble, _TEXT)
    return facts(told)


def _signers(text: str) -> str:
    found = signers_of(text)
    if found.trouble is not None:
        return f"but its keys can't be read: {found.trouble}"
    parts = [f"SSH key of {name}" for name in found.names]
    if found.gpg:
        parts.append("one block of GPG keys" if len(found.gpg) == 1 else f"{len(found.gpg)} blocks of GPG keys")
    return plain(f"by {', '.join(parts)}", _TEXT)


def standing(item: PolicyStanding) -> str:
    """Return whether an alias may move to a version, and what lacks."""
    told = {
        "move": f"{plain(item.model)}@{plain(item.alias)} to version {plain(item.version)}",
        "may be made": "yes" if item.passes else "no",
    }
    if item.policy is None:
        told["policy"] = "there is none"
    else:
        told["agreed"] = f"{len(item.agreed)} of {item.policy.people}: {', '.join(map(plain, item.agreed)) or 'nobody'}"
    if item.lapsed:
        told["lapsed"] = f"{', '.join(map(plain, item.lapsed))}: the comparison is another by now"
    for at, line in enumerate(item.lacking):
        told["lacks" if at == 0 else " " * at] = plain(line, _TEXT)
    if item.hint is not None:
        told["next"] = item.hint
    return facts(told)


def _known(item: ApprovalPolicy, text: str) -> str:
    return "?" if item.is_damaged else text


FORMS: dict[type, Callable[[Any], str]] = {ApprovalPolicy: policy, PolicyStanding: standing}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    ApprovalPolicy: {
        "ALIAS": lambda item: f"{plain(item.model)}@{plain(item.alias)}",
        "PEOPLE": lambda item: _known(item, str(item.people)),
        "WHO": lambda item: _known(item, ", ".join(map(plain, item.who)) or "anybody"),
        "AUTHOR": lambda item: _known(item, "may" if item.author else "may not"),
        "CARD": lambda item: _known(item, "approved" if item.card else "–"),
        "TAG": lambda item: _known(item, "signed" if item.signed_tag else "–"),
        "TROUBLE": lambda item: plain(item.trouble or "–", 80),
    },
}
