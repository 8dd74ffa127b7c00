"""One action of a firing that is to be done: what is known of it, and whether an agent has begun it before."""

from dataclasses import dataclass

from mlops_desk.automation.records.firing import FiringStep, KeptFiring
from mlops_desk.automation.records.rule_record import KeptRule


@dataclass(frozen=True, slots=True)
class Deed:
    """``again``: an earlier agent began it and did not tell what came of it. ``number`` counts actions from 0.

    ``rule`` is the rule as it is shown, None where it was removed since. ``holds`` tells whether its condition holds.
    """

    firing: KeptFiring
    number: int
    rule: KeptRule | None
    again: bool
    holds: bool | None = None

    @property
    def step(self) -> FiringStep:
        return self.firing.steps[self.number]

    @property
    def key(self) -> str:
        """The same whenever this action of this firing is done, and of no other."""
        return f"{self.firing.id}/{self.number}"

    @property
    def asked(self) -> dict[str, str]:
        return dict(self.firing.asked)
