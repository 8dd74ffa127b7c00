"""A signed tag as a word for a move of an alias: by the policy's keys, and through the gate of every other word."""

import re
from shlex import quote

from mlops_desk.automation.records.approval import Approval
from mlops_desk.governance import tag_worker
from mlops_desk.governance.policies.decision import MoveAsked
from mlops_desk.governance.policy_gate import Governing
from mlops_desk.governance.records.policy import PromotionState
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain

_TAG = re.compile(r"promote/([^/\s]{1,200})/([0-9]{1,18})", re.ASCII)


class SignedTags:
    """``governing`` has the policies, and makes the moves."""

    def __init__(self, governing: Governing, loop: Loop) -> None:
        self._governing = governing
        self._loop = loop

    def promote(self, repository: str, tag: str, alias: str) -> Approval:
        """Take a tag promote/MODEL/VERSION as a word, and move the alias if that is all that was lacking.

        Asked for again, it tells of the move that the tag has made, and makes no other.
        Raises Invalid, NotFound, Refused, and what moving an alias raises.
        """
        found = _TAG.fullmatch(tag)
        if found is None:
            raise Invalid(
                f"The tag {plain(tag)} names no version.", "Call it promote/MODEL/VERSION, as promote/iris/3."
            )
        model, number = found.groups()
        promotions = self._governing.promotions
        where, registry = self._governing.registries.where(None)
        wanted = MoveAsked(registry, model, alias, number, where)
        policy = self._governing.ledger.policy(wanted)
        if policy is None or not policy.signed_tag:
            hint = Hint(f"mlops-desk policies set {quote(model)} --alias {quote(alias)} --signed-tag --signers FILE")
            raise Refused(f"No policy of {wanted.shown} wants a signed tag.", hint)
        request = {"repository": repository, "tag": tag, "signers": policy.signers}
        told = run_worker(tag_worker.__name__, request, 2 * tag_worker.SECONDS, ending=self._loop.ending)
        named = tag, told["payload"], told["object"]  # by the last an earlier program knew a tag again
        made = promotions.made_by(wanted, named)
        if made is not None:
            return made
        promotions.check_tag(wanted, named)
        asked = promotions.ask(f"{model}/{number}", alias, None, f"The signed tag {tag} of {repository}.")
        if asked.state != PromotionState.WAITING:
            return asked
        promotions.tagged(wanted, told["fingerprint"], told["signer"], named)
        return promotions.told(promotions.find(asked.id))
