"""What a clean-up is to take: everything that it asks for has to be true of a run, or of a version."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.registry.clean_up import CleanUpItem
from mlops_desk.registry.comparing.direction import LOWER, direction


@dataclass(frozen=True, slots=True)
class CleanUpRule:
    """``experiment``: of which runs; ``model``: of which versions ("" all), of those without an alias; None: of none.

    ``keep_best`` runs by ``metric`` stay; ``at`` (Unix seconds) is what ``older_than_seconds`` is counted from.
    """

    at: float
    experiment: str | None = None
    keep_best: int | None = None
    metric: str | None = None
    lower_is_better: bool | None = None
    older_than_seconds: float | None = None
    failed: bool = False
    model: str | None = None

    def check(self) -> None:
        """Refuse a rule that takes nothing, or all without a condition. Raises Invalid."""
        if self.experiment is None and self.model is None:
            raise Invalid("A clean-up is of the runs of an experiment, or of the versions of a model.", _FORMS)
        if (self.keep_best is None) != (self.metric is None):
            raise Invalid("The best runs are kept by a metric: how many, and by which.", _FORMS)
        if self.keep_best is not None and self.keep_best < 1:
            raise Invalid(f"{self.keep_best} runs can't be the best; at least one is kept.")
        if self.metric is not None and self.lower_is_better is None and direction(self.metric) is None:
            text = f"Whether more or less of {plain(self.metric)} is better its name does not tell; nothing is guessed."
            raise Invalid(text, "Say --higher or --lower.")
        if self.older_than_seconds is not None and not 0 <= self.older_than_seconds < self.at:
            raise Invalid(f"{self.older_than_seconds:g} s is no age.")
        has_condition = self.keep_best is not None or self.older_than_seconds is not None or self.failed
        if self.experiment is not None and not has_condition:
            text = f"Of all runs of {plain(self.experiment)} nothing says which are to go."
            raise Invalid(text, _FORMS)
        if self.model is not None and (self.failed or self.keep_best is not None) and self.experiment is None:
            raise Invalid("Versions do not fail and have no metric of their own.", _FORMS)

    @property
    def prefers_lower(self) -> bool:
        """Tell whether less of the metric is better: as it was said, else by the metric's name."""
        if self.lower_is_better is not None:
            return self.lower_is_better
        return self.metric is not None and direction(self.metric) == LOWER


_FORMS = (
    "clean-up --experiment NAME with one or more of --keep-best N --metric KEY, --older-than 30d, --failed; "
    "or --model NAME for its versions without an alias."
)


def token_of(rule: CleanUpRule, uri: str | None, going: Iterable[CleanUpItem]) -> str:
    """Return what names a preview: another rule, place or set of things has another token."""
    told = [asdict(rule), uri, sorted((item.kind, item.name, item.why) for item in going)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_TOKEN_CHARACTERS]


_TOKEN_CHARACTERS = 24  # 96 bits: no two previews have the same
