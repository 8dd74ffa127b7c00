"""The steps until there is a challenger: freeze the data, look whether they are whole, train by the old recipe."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.automation.records.pipelines.evidence import DataManifest, StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.automation.records.pipelines.synthetic import Augmentation
from mlops_desk.automation.rules.pipeline.augmentation import made_for
from mlops_desk.automation.rules.pipeline.machine import StepOutcome, failed_outcome, same_before, words
from mlops_desk.automation.rules.pipeline.origins import origin_of
from mlops_desk.automation.rules.pipeline.ports import PipelineParts
from mlops_desk.automation.rules.pipeline.validation import NotComparable, checks_of
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Hint, Refused, TimedOut
from mlops_desk.kit.base.text import bytes_text, plain

# What makes two trainings the same but for their data: the code, the image, the parameters and the seed. Pure.
_NO_MATTER = frozenset({
    "mounts", "name", "priority", "preemptible", "begin_at", "after", "after_success", "retries", "warning",
    "grace_seconds", "time_limit_seconds", "mlflow", "ports",
    "network",
})  # fmt: skip
"""What of a job's spec changes nothing of what is learned: where and when it runs. Data are in the manifest."""


def recipe_of(job: Job, augment: Augmentation | None = None) -> str:
    """Return the SHA-256 of a job's recipe, and of how rows are made for it besides.

    Where its mounts lie is no part of it, what lies on them is in the data.
    """
    capsule = job.capsule or Capsule()
    spec = {name: value for name, value in wire.to_builtins(job.spec).items() if name not in _NO_MATTER}
    targets = sorted(mount.target for mount in job.spec.mounts)
    made_of: list[object] = [
        spec, targets, job.image_id, capsule.image.digest, capsule.source_sha256, capsule.build_sha256,
        capsule.git.commit, capsule.seed, dict(capsule.params),
    ]  # fmt: skip
    if augment is not None:
        made_of.append(augment)
    text = json.dumps(wire.to_builtins(made_of), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_ENDED = {JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}
_DECIDED = frozenset({PipelineState.PROMOTED, PipelineState.REJECTED, PipelineState.NOT_BETTER})
_CHANGED = "The data have changed since they were frozen, so"


class Preparing:
    """``earlier`` returns runs, newest first."""

    def __init__(self, parts: PipelineParts, earlier: Callable[[], list[PipelineRun]]) -> None:
        self._parts = parts
        self._earlier = earlier

    def freeze(self, run: PipelineRun) -> StepOutcome:
        """Hash the data; what was trained by the same recipe before is not trained again."""
        job = self._job(run)
        manifest = self._parts.manifest(run, job)
        run = replace(run, manifest_sha256=manifest.sha256, recipe_sha256=recipe_of(job, run.augment))
        evidence = StepEvidence(_frozen(manifest), manifest=manifest)
        before = same_before(run, self._earlier())
        if before is None:
            return StepOutcome(run, evidence)
        version = before.challenger_version
        same = f"The same data were trained by the same recipe before: version {version}, pipeline {before.id}"
        if version == run.champion_version or (
            before.champion_version == run.champion_version and _is_decided(before, run)
        ):
            ended = "it is the champion" if version == run.champion_version else f"it is {words(before.state)}"
            text = f"{same}; {ended}, so nothing is trained."
            evidence = replace(evidence, text=text, same_as=before.id, version=version)
            return StepOutcome(run, evidence, StepState.DONE, PipelineState.ALREADY_TRAINED)
        run = replace(run, challenger_version=version, job_id=before.job_id)
        return StepOutcome(run, replace(evidence, text=f"{same}.", same_as=before.id, version=version))

    def validate(self, run: PipelineRun) -> StepOutcome:
        """Look whether the new data are of the same kind as what the champion was trained on."""
        try:
            report = self._parts.report(run, self._job(run))
        except NotComparable as error:
            return StepOutcome(run, StepEvidence(error.message, hint=error.hint), StepState.SKIPPED)
        checks = checks_of(report)
        failed = [one for one in checks if one.passed is False]
        if failed:
            more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
            text = f"The new data are not such as the champion was trained on. {failed[0].text}{more}"
            hint = Hint(f"mlops-desk pipelines retry {run.id}", before="Once the data are mended: ")
            return failed_outcome(run, text, hint, evidence=StepEvidence(checks=checks))
        return StepOutcome(run, StepEvidence(f"All {len(checks)} checks of the data pass.", checks=checks))

    def train(self, run: PipelineRun) -> StepOutcome:
        """Run the champion's job again on the new data, and find the version that it registers."""
        before = run.step(StepName.FREEZE).evidence
        if before.same_as is not None and run.challenger_version is not None:
            text = f"Version {run.challenger_version} of pipeline {before.same_as} is taken: nothing is trained twice."
            evidence = StepEvidence(text, job_id=run.job_id, version=run.challenger_version, same_as=before.same_as)
            return StepOutcome(run, evidence, StepState.SKIPPED)
        job = self._parts.job_of_origin(origin_of(run))
        if job is None and run.job_id is not None:
            text = f"Job {run.job_id}, which trained, is not among the jobs any more, so nothing is proposed."
            return failed_outcome(run, text, evidence=StepEvidence(job_id=run.job_id))
        if job is None and self._is_changed(run):
            return _changed(run, f"{_CHANGED} nothing is trained on them.", StepEvidence())
        job = job or self._submitted(run)
        run = replace(run, job_id=job.id)
        if not job.state.is_final:
            return StepOutcome(run, StepEvidence(f"Job {job.id} trains.", job_id=job.id), StepState.RUNNING)
        return self._ended(run, job)

    def _submitted(self, run: PipelineRun) -> Job:
        """Submit the training."""
        if run.champion_job is None:  # begun before there were pipelines, and its job was never written down
            raise Refused("The job was never submitted.", Hint(f"mlops-desk rules fire {run.rule}"))
        try:
            made = made_for(run)
            over = {} if made is None else {made.target: made.path}
            return self._parts.resubmit(run.champion_job, run.data, origin_of(run), over, run.chain)
        except TimedOut:  # whether it was submitted is unknown: it is looked for by its origin
            found = self._parts.job_of_origin(origin_of(run))
            if found is None:
                hint = Hint(f"mlops-desk pipelines retry {run.id}", before="To train all the same: ")
                raise Refused("The queue did not answer, and the job was never submitted.", hint) from None
            return found

    def _is_changed(self, run: PipelineRun) -> bool:
        made = made_for(run)
        if made is not None and not self._parts.rows.is_whole(made):
            return True
        if run.manifest_sha256 is None:  # begun before data were frozen
            return False
        now: DataManifest = self._parts.manifest(run, self._job(run))
        return now.sha256 != run.manifest_sha256

    def _ended(self, run: PipelineRun, job: Job) -> StepOutcome:
        evidence = StepEvidence(job_id=job.id)
        if job.state is JobState.UNKNOWN:
            text = "Nobody saw how the job ended, so nothing is proposed."
            return failed_outcome(run, text, ends_in=PipelineState.UNKNOWN, evidence=evidence)
        if job.state is not JobState.SUCCEEDED:
            reason = f": {plain(job.reason.text, 500)}" if job.reason else "."
            hint = _next_of(job)
            return failed_outcome(run, f"The job has {_ENDED[job.state]}{reason}", hint, evidence=evidence)
        registered = self._parts.versions_of_training(job.mlflow_run_id, run.model) if job.mlflow_run_id else []
        if not registered:
            text = f"The job registered no version of {plain(run.model)}, neither from its run nor from one below it."
            return failed_outcome(run, text, Hint(f"mlops-desk jobs logs {job.id}"), evidence=evidence)
        if self._is_changed(run):
            return _changed(run, f"{_CHANGED} it is not known on what it was trained.", evidence)
        made = made_for(run)
        if made is not None and job.mlflow_run_id is not None:
            self._parts.rows.tell(job.mlflow_run_id, made)
        newest = max(registered, key=lambda one: (len(one.version), one.version))
        below = "" if newest.run_id == job.mlflow_run_id else f" from run {plain(newest.run_id or '')} below its own"
        text = f"Job {job.id} has registered version {plain(newest.version)}{below}."
        evidence = replace(evidence, text=text, version=newest.version)
        return StepOutcome(replace(run, challenger_version=newest.version), evidence)

    def _job(self, run: PipelineRun) -> Job:
        if run.champion_job is None:
            shown = f"version {plain(run.champion_version)} of {plain(run.model)}"
            raise Refused(
                f"Which job trained {shown} is not known any more, so there is none to run again.",
                Hint(f"mlops-desk rules fire {run.rule}", after=" begins with the champion of now."),
            )
        return self._parts.job(run.champion_job)


def _next_of(job: Job) -> str:
    """Return what helps a training that did not succeed: of one that was never started there is no log to read."""
    known = None if job.reason is None else job.reason.hint
    if known is None or job.started_at is not None:
        return Hint(f"mlops-desk jobs logs {job.id}")
    return f"{known} Its image: {plain(job.spec.image, 120)}." if job.spec.image else known


def _frozen(manifest: DataManifest) -> str:
    """Say what was frozen; of a job without mounts nobody knows what it reads."""
    if not manifest.targets:
        return "Nothing is mounted, so there is nothing to freeze: what the command reads is not known."
    where = ", ".join(plain(target, 80) for target in manifest.targets)
    files = f"{manifest.files:,} file{'' if manifest.files == 1 else 's'}"
    return f"{files} of {bytes_text(manifest.size_bytes)} on {where} are frozen by their hashes."


def _changed(run: PipelineRun, text: str, evidence: StepEvidence) -> StepOutcome:
    """Return what comes of data that are not those that were frozen: a retry freezes those that are there now."""
    hint = Hint(f"mlops-desk pipelines retry {run.id}", before="Once nobody writes them any more: ")
    return failed_outcome(replace(run, manifest_sha256=None), text, hint, evidence=evidence)


def _is_decided(before: PipelineRun, run: PipelineRun) -> bool:
    """Tell whether what became of an earlier run holds for this one too.

    That it was not better holds only as long as both are judged alike: a rule may have been changed since, and then its
    version is scored and judged again without another training.
    """
    if before.state is PipelineState.NOT_BETTER and _judged_by(before) != _judged_by(run):
        return False
    return before.state in _DECIDED


def _judged_by(run: PipelineRun) -> tuple[object, ...]:
    return run.plan, run.metric, run.higher_is_better
