"""What an alias wants before it moves, and how a version stands to that, in words. No Qt here but for facts."""

from mlops_desk.governance.records.policy import OWN_REGISTRY, ApprovalPolicy, PolicyStanding
from mlops_desk.governance.records.signers import signers_of
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact
from mlops_desk.kit.window.words import numbers

_NAMED = 4  # chosen: accounts that a line still names, so that what is wanted besides stands in a cell as well
_NAME = 40  # chosen: characters of a name in a sentence
_TEXT = 600  # characters: eight lines beside the list
_MOST = 20  # chosen: more lines than a standing has


def alias_name(policy: ApprovalPolicy) -> str:
    """Return what a policy is of, as MODEL@ALIAS."""
    return f"{plain(policy.model, 200)}@{plain(policy.alias, 100)}"


def wants(policy: ApprovalPolicy) -> str:
    """Return what an alias wants before it moves, as one sentence without its end."""
    if policy.is_damaged:
        return "nobody can tell"
    parts = []
    if policy.people:
        of = f" of {_names(policy.who)}" if policy.who else ""
        parts.append(f"{numbers.count(policy.people, 'person', 'people')}{of}")
    parts += ["the card approved"] if policy.card else []
    parts += ["not by its author"] if not policy.author and policy.people else []
    parts += ["a signed tag"] if policy.signed_tag else []
    return "; ".join(parts) or "nothing: whoever may move aliases moves it"


def policy_facts(policy: ApprovalPolicy) -> list[Fact]:
    """Return the whole policy, what keeps it from working first."""
    facts = [Fact("Trouble", f"{numbers.WARNING} {plain(policy.trouble, _TEXT)}", "warning")] if policy.trouble else []
    if policy.registry != OWN_REGISTRY:
        facts.append(Fact("Registry", plain(policy.registry, 300)))
    if policy.is_damaged:
        return [*facts, Fact("Alias", alias_name(policy))]
    return [
        *facts,
        Fact("Alias", alias_name(policy)),
        Fact("People", f"{policy.people}" if policy.people else "nobody has to approve"),
        Fact("Who may approve", plain(", ".join(policy.who), _TEXT) or "whoever this agent lets in"),
        Fact("Author", "may approve" if policy.author else "may not approve"),
        Fact("Card", "has to be approved" if policy.card else "not asked for"),
        _tag(policy),
        Fact("Back", "freely, to where it was before" if policy.free_rollback else "as any other move"),
        moment_fact("Set", policy.set_at or None),
        Fact("Set by", plain(policy.set_by or numbers.NOTHING, 100)),
    ]


def signers_words(text: str) -> str:
    """Say whose keys may sign; what keeps them from being read where they can't be."""
    found = signers_of(text)
    if found.trouble is not None:
        return f"its keys can't be read: {found.trouble}"
    parts = [f"SSH key of {plain(name, _NAME)}" for name in found.names[:_NAMED]]
    parts += [f"{len(found.names) - _NAMED} more SSH keys"] if len(found.names) > _NAMED else []
    parts += [numbers.count(len(found.gpg), "block of GPG keys", "blocks of GPG keys")] if found.gpg else []
    return ", ".join(parts) or "nobody"


def standing_facts(standing: PolicyStanding) -> list[Fact]:
    """Return whether an alias may move to a version, who has agreed, and what lacks."""
    version = plain(standing.version, _NAME)
    passes = standing.passes
    mark, tone = (numbers.OK, "ok") if passes else (numbers.WARNING, "warning")
    facts = [Fact("Version", f"{mark} {version} {'may' if passes else 'may not'} be put there now", tone)]
    if standing.policy is None:
        return [*facts, Fact("Policy", "there is none any more; load anew to see it", "muted")]
    agreed = plain(", ".join(standing.agreed), _TEXT) or "nobody yet"
    facts.append(Fact("Agreed", agreed, "text" if standing.agreed else "muted"))
    if standing.lapsed:
        told = f"{plain(', '.join(standing.lapsed), _TEXT)}: on another comparison, which counts no more"
        facts.append(Fact("Lapsed", told, "warning"))
    facts += [Fact("Lacks", plain(line, _TEXT), "warning") for line in standing.lacking[:_MOST]]
    facts += [Fact("Next", plain(standing.hint, _TEXT))] if standing.hint else []
    return facts


def _tag(policy: ApprovalPolicy) -> Fact:
    if not policy.signed_tag:
        return Fact("Signed tag", "not asked for")
    trouble = signers_of(policy.signers).trouble
    told = signers_words(policy.signers)
    return Fact("Signed tag", f"wanted, {'but ' if trouble else 'by '}{told}", "warning" if trouble else "text")


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(plain(name, _NAME) for name in names[:_NAMED]) + more
