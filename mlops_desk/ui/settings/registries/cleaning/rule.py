"""What a clean-up is to take, as a person asks for it. No Qt here."""

from dataclasses import dataclass

from mlops_desk.base.errors import Invalid

DAY_SECONDS = 86_400.0
AGES = (("of any age", None), ("older than a week", 7 * DAY_SECONDS), ("older than 30 days", 30 * DAY_SECONDS),
        ("older than 90 days", 90 * DAY_SECONDS), ("older than a year", 365 * DAY_SECONDS))  # fmt: skip


@dataclass(frozen=True, slots=True)
class CleanUpWish:
    """Of an experiment: runs; of a model: versions without an alias. All that is asked for has to be true of a run."""

    experiment: str | None = None
    model: str | None = None
    keep_best: int | None = None
    metric: str | None = None
    is_lower_better: bool | None = None
    older_than_seconds: float | None = None
    failed: bool = False

    def checked(self) -> "CleanUpWish":
        """Return it. Raises Invalid where it asks for nothing, or for what can't be told."""
        if not (self.experiment or self.model):
            raise Invalid("A clean-up is of an experiment's runs, or of a model's versions.", "Name one of them.")
        if self.experiment and not (self.keep_best or self.older_than_seconds or self.failed):
            raise Invalid("Every run would be meant.", "Say how many are kept, or how old they have to be.")
        if self.keep_best is not None and not self.metric:
            raise Invalid("The best by which metric?", "Name one, such as auc.")
        return self
