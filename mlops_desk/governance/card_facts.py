"""What the desk knows of a version for its card: each part asked by itself, and a gap where it is not told."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeVar

from mlops_desk.automation.records.pipelines.comparison import PairedScore, Scored
from mlops_desk.automation.records.pipelines.run import StepName
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.governance.records.card import CardData, CardEnvironment, CardFacts, CardFigure, CardGap, CardMonitor
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.default_registry import OWN
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.runs import RunsService
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.service import EndpointsService

T = TypeVar("T")
_MOST = 50  # chosen: figures, data sets and packages; of more a reader looks at the run
_MOST_RUNS = 500  # chosen: as many retrainings as a pipeline looks back
_TEXT = 300  # chosen: a path of three lines
_LICENCES = ("licence", "license", "mlops-desk.licence")
"""Tags of a version or its model in which people name its terms."""
_NO_DATA: tuple[CardData, ...] = ()
_NO_FIGURES: tuple[CardFigure, ...] = ()
_NO_MONITORS: tuple[CardMonitor, ...] = ()
_NO_WORDS: Mapping[str, str] = {}


class CardHouse(Protocol):
    """The services that are asked, and the state."""

    models: ModelsService
    runs: RunsService
    jobs: JobsService
    endpoints: EndpointsService
    monitors: MonitorService
    state: State


class HouseFacts:
    """Implements ``governance.cards.ports.CardSources``."""

    def __init__(self, house: CardHouse, now: Callable[[], float]) -> None:
        self._house = house
        self._now = now

    def facts(self, version: ModelVersion, uri: str | None) -> tuple[CardFacts, Mapping[str, str]]:
        """Return the facts, and what the desk can say in words; never raises for a part that can't be told."""
        gaps: list[CardGap] = []

        def asked(what: str, ask: Callable[[], T], nothing: T) -> T:
            try:
                return ask()
            except NotFound:
                return nothing
            except DeskError as error:
                gaps.append(CardGap(what, plain(error.message, _TEXT)))
                return nothing

        job = asked("the job that trained it", lambda: self._job(version, uri), None)
        owner = plain(job.user) if job is not None else None
        data = asked("its data", lambda: self._data(version, job, uri), _NO_DATA)
        figures = asked("its figures", lambda: self._figures(version, uri), _NO_FIGURES)
        monitors = asked("its monitors", lambda: self._monitors(version, uri), _NO_MONITORS)
        environment = asked("its environment", lambda: self._environment(version, job, uri), CardEnvironment())
        known = asked("what its registry says of it", lambda: self._known(version, uri), _NO_WORDS)
        facts = CardFacts(
            self._now(), version.run_id, None if job is None else job.id, version.created_at, owner, data, figures,
            monitors, environment, tuple(gaps),
        )  # fmt: skip
        return facts, dict(known) | ({} if owner is None else {"owner": owner})

    def _job(self, version: ModelVersion, uri: str | None) -> Job | None:
        """Return the job of this desk that made the version; jobs log to the desk's own registry."""
        return self._house.jobs.find_by_run(version.run_id) if version.run_id and uri is None else None

    def _data(self, version: ModelVersion, job: Job | None, uri: str | None) -> tuple[CardData, ...]:
        """Return the data sets that the run was given, and what its job had mounted, each with its hash."""
        given = self._house.runs.datasets(version.run_id, uri or OWN) if version.run_id else []
        found = [
            CardData(plain(one.name), plain(one.digest), one.context and plain(one.context), plain(one.source, _TEXT))
            for one in given
        ]
        capsule = None if job is None else job.capsule
        for one in () if capsule is None else capsule.data:
            digest = "not hashed" if one.sha256 is None else f"sha256:{one.sha256}"
            found.append(CardData(plain(one.target), digest, "mount", plain(one.source, _TEXT)))
        return tuple(found[:_MOST])

    def _figures(self, version: ModelVersion, uri: str | None) -> tuple[CardFigure, ...]:
        """Return what the desk has scored, with intervals, and then what the run has logged about itself."""
        found = [] if uri is not None else [*self._scored(version)]
        metrics = self._house.runs.show(version.run_id, uri or OWN).metrics if version.run_id else {}
        found += [CardFigure(plain(name), value) for name, value in sorted(metrics.items())]
        return tuple(found[:_MOST])

    def _scored(self, version: ModelVersion) -> Iterator[CardFigure]:
        """Yield the version's figures of the newest retraining that scored it on rows that the desk knows."""
        for run in self._house.state.pipelines.list(limit=_MOST_RUNS):
            evaluation = run.step(StepName.EVALUATE).evidence.evaluation
            if run.model != version.name or evaluation is None:
                continue
            if version.version in {run.challenger_version, run.champion_version}:
                is_challenger = version.version == run.challenger_version
                yield from (_figure(one, is_challenger=is_challenger) for one in evaluation.scores)
                return

    def _monitors(self, version: ModelVersion, uri: str | None) -> tuple[CardMonitor, ...]:
        """Return the monitors of the endpoints that serve the version, and those of the version itself."""
        serving = [one.name for one in self._house.endpoints.list() if _serves(one, version, uri)]
        exact = f"{version.name}/{version.version}"
        return tuple(
            CardMonitor(
                plain(one.monitor.name), one.monitor.endpoint, one.verdict and str(one.verdict), one.newest_window_end
            )
            for one in self._house.monitors.list()
            if one.monitor.endpoint in serving or one.monitor.model == exact
        )[:_MOST]

    def _environment(self, version: ModelVersion, job: Job | None, uri: str | None) -> CardEnvironment:
        facts = self._house.models.facts(version.name, version.version, uri or OWN)
        capsule = None if job is None else job.capsule
        image = None if job is None else job.spec.image or None
        return CardEnvironment(
            image and plain(image, _TEXT),
            None if capsule is None else capsule.image.digest or capsule.image.id,
            None if capsule is None else capsule.git.commit,
            tuple(plain(one) for one in sorted(facts.flavors))[:_MOST],
            tuple(plain(one) for one in facts.requirements)[:_MOST],
        )

    def _known(self, version: ModelVersion, uri: str | None) -> Mapping[str, str]:
        """Return what the registry says in words: the description, and terms that a tag names."""
        model = self._house.models.show(version.name, uri or OWN)
        said = version.description or model.description
        licence = next((tags[key] for tags in (version.tags, model.tags) for key in _LICENCES if tags.get(key)), None)
        told = {"notes": said, "licence": licence}
        return {name: text for name, text in told.items() if text}


def _figure(score: PairedScore, *, is_challenger: bool) -> CardFigure:
    scored: Scored = score.challenger if is_challenger else score.champion
    return CardFigure(plain(score.metric), scored.value, scored.low, scored.high, score.rows, plain(score.data, _TEXT))


def _serves(endpoint: Endpoint, version: ModelVersion, uri: str | None) -> bool:
    model = endpoint.model
    return (model.name, model.version, model.registry) == (version.name, version.version, uri)
