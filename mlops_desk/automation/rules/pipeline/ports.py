"""What a pipeline asks of jobs, registry, drift and endpoints, as plain callables. All may raise DeskError."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.automation.records.pipelines.comparison import ModelEvaluation
from mlops_desk.automation.records.pipelines.evidence import DataManifest, EndpointMove
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.records.pipelines.synthetic import SyntheticData
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.governance.records.policy import PolicyStanding
from mlops_desk.jobs.records.job import Job
from mlops_desk.registry.records.model import ModelVersion


class Rollouts(Protocol):
    """The endpoints of a model, led to another version beside what answers."""

    def moves(self, run: PipelineRun) -> Sequence[EndpointMove]:
        """Return the endpoints of the run's model in the desk's own registry, as they stand to its challenger."""

    def shadow(self, run: PipelineRun, name: str) -> None:
        """Let the challenger get copies of an endpoint's requests; nothing where it has begun."""

    def canary(self, run: PipelineRun, name: str) -> None:
        """Give the challenger a share of an endpoint's requests, more and more while it holds; likewise."""

    def promote(self, run: PipelineRun, name: str) -> None:
        """Let the challenger answer all requests of an endpoint, and let the endpoint follow its alias again."""

    def back(self, run: PipelineRun, name: str) -> None:
        """Take the challenger out of an endpoint again; nothing where it is not there."""

    def sweep(self, is_over: Callable[[str], bool]) -> None:
        """Take out what runs have left in endpoints that are over, as their ids tell."""


class Approving(Protocol):
    """What the policy of an alias wants of a challenger, and who has agreed to it."""

    def standing(self, run: PipelineRun) -> PolicyStanding | None:
        """Return how the run's challenger stands; None where its alias has no policy, and one person decides."""

    def agree(self, run: PipelineRun, why: str = "") -> PolicyStanding | None:
        """Take the caller's yes with why, and return how it stands then. Raises Refused where it would not count."""

    def take_back(self, run: PipelineRun) -> None:
        """Let what was agreed to count no more, as the caller says. Raises Refused where they have no say."""


class RowMaking(Protocol):
    """Rows that are made for a training besides the real ones, by a job of their own."""

    def begin(self, run: PipelineRun, job: Job, origin: str) -> Job:
        """Lay out what may be learned from, and queue the maker under an origin."""

    def take(self, run: PipelineRun, job: Job, maker: Job) -> SyntheticData:
        """Check what the maker wrote, judge it, keep the file for the training, and log the report to a run."""

    def is_whole(self, data: SyntheticData) -> bool:
        """Tell whether the file for the training is still the one that was made."""

    def tell(self, run_id: str, data: SyntheticData) -> None:
        """Write on the run of the training what rows it got, and how good they are."""


@dataclass(frozen=True, slots=True)
class PipelineParts:
    """``champion`` finds the version behind MODEL@ALIAS, ``version`` one by its number; ``job`` finds a job by its id.

    ``resubmit`` queues a job again with other sources of mounts, an origin, by which ``job_of_origin`` finds it, and
    files that lie over those of its mounts, and its chain. ``versions_of_training`` are those of a model registered
    from a run, or from runs below it, oldest first; ``set_alias`` moves an alias. ``manifest`` hashes what lies on the
    mounts that the run's job will have (and keeps the list); ``report`` compares the new data with what the
    champion was trained on (raises NotComparable where one of them is not known). ``evaluate`` scores both models on
    the same rows.
    """

    champion: Callable[[str, str], ModelVersion]
    version: Callable[[str, str], ModelVersion]
    job: Callable[[str], Job]
    resubmit: Callable[[str, Mapping[str, str], str, Mapping[str, str], int], Job]
    job_of_origin: Callable[[str], Job | None]
    cancel_job: Callable[[str], object]
    versions_of_training: Callable[[str, str], list[ModelVersion]]
    set_alias: Callable[[str, str, str], object]
    manifest: Callable[[PipelineRun, Job], DataManifest]
    report: Callable[[PipelineRun, Job], DriftReport]
    evaluate: Callable[[PipelineRun, ModelVersion, ModelVersion], ModelEvaluation]
    rollouts: Rollouts
    approving: Approving
    rows: RowMaking
