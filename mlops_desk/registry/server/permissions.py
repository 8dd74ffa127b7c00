"""What the holder of a job's ticket may ask of the tracking server: a list of what is allowed, never of what is not.

It may read; write its own run and that run's children (metrics, parameters, tags, files, logged models); and
register new versions of models from them, under names that are its own to use. All else, in particular whatever moves
an alias or a stage, deletes, or changes what another run made, takes a person's or the agent's token.

Which names are its own to use is chosen so: those that its file names, where it names any. Else every name that no
policy of approvals is about, as an alias moves by a person's hand alone and a training of hours must not end with an
error for its name. A model that has a policy is one that people look after: a version is added to it by a job of whose
name there is one already, so that the same training goes on when it is run again, by a person or by a rule, and else by
none whose file does not say so. The file of a repository's pipeline is whoever's that can push there: it opens nothing,
and its stages are told apart by the repository too, whose first version a person registers. What somebody got from
elsewhere thus puts nothing before those who approve. A policy counts for the attempts that begin after it.

Reading is not narrowed: a job reads what its owner reads, all runs, parameters, tags and files of this server. For
trainings look at their siblings' metrics, go on where another run has ended, and begin with the champion's weights, by
searches and ids of any kind; a server that hid some would answer them wrongly instead of not at all, and code that has
a container with your data has more to tell than parameters. What must not be read by code that one does not trust
belongs on another server, or the job gets no `mlflow`; what is secret is no parameter (`secrets:`).
"""

import re
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.location import named_by
from mlops_desk.registry.server.facts import StoreFacts
from mlops_desk.registry.server.request import RegistryRequest
from mlops_desk.registry.server.tickets import Grant

PARENT_TAG = "mlflow.parentRunId"
OWN_TAGS = ("mlops_desk.", "mlops-desk.")
"""Tags that begin so are the desk's: which job a run is of, and the card of a version with who agreed to it."""
_PROMPT_TAG = "mlflow.prompt.is_prompt"
SEARCHES = frozenset(
    {
        "experiments/search", "experiments/search-datasets", "runs/search", "logged-models/search",
        "registered-models/get-latest-versions", "datasets/search", "traces/search", "traces/batchGetInfos",
        "traces/metrics",
    }
)  # fmt: skip
_RUN_FILES = re.compile(r"([0-9]+)/([A-Za-z0-9_-]+)/artifacts(?:/.*)?", re.DOTALL)
_MODEL_FILES = re.compile(r"([0-9]+)/models/([A-Za-z0-9_-]+)/artifacts(?:/.*)?", re.DOTALL)


class Permits:
    """Judges requests of ticket holders by what the store knows of runs, models and versions."""

    def __init__(self, facts: StoreFacts) -> None:
        self._facts = facts

    def refusal(self, request: RegistryRequest, grant: Grant) -> str | None:
        """Return why the holder of ``grant`` may not have this, None if they may. Raises Invalid, sqlite3.Error.

        A run or logged model that names no parent is given the job's own run as such, in the request's fields.
        """
        if request.reads or (request.method == "POST" and request.call in SEARCHES):
            return None
        check = _WRITES.get((request.method, request.call))
        if check is None:
            return (
                f"{plain(request.shown)} is refused: a job's token reads, writes the job's own run and registers "
                "versions. Use your own token for more (mlops-desk models server names its file)."
            )
        return check(self, request, grant)

    # -- runs ------------------------------------------------------------------------------------

    def own_run(self, request: RegistryRequest, grant: Grant) -> str | None:
        runs = request.values("run_id", "run_uuid")
        if not runs:
            return f"{request.shown} is refused: it names no run."
        return self._not_own(request, runs, grant) or self._odd_tags(request, grant)

    def new_run(self, request: RegistryRequest, grant: Grant) -> str | None:
        refused = self._odd_tags(request, grant)
        if refused is None and PARENT_TAG not in request.tags():
            request.fields["tags"] = [*request.fields.get("tags", []), {"key": PARENT_TAG, "value": grant.run_id}]
        return refused

    def _odd_tags(self, request: RegistryRequest, grant: Grant) -> str | None:
        parent = request.tags().get(PARENT_TAG)
        return _desks_tags(request) or (self._not_own(request, [parent], grant) if parent else None)

    def _not_own(self, request: RegistryRequest, runs: list[str], grant: Grant) -> str | None:
        for run_id in runs:
            if not self._facts.belongs_to(run_id, grant.run_id):
                return (
                    f"{request.shown} is refused: run {plain(run_id)} is another's; this token writes run "
                    f"{grant.run_id} and its children only."
                )
        return None

    # -- logged models and files -----------------------------------------------------------------

    def new_model(self, request: RegistryRequest, grant: Grant) -> str | None:
        runs = request.values("source_run_id")
        if not runs:
            request.fields["source_run_id"] = grant.run_id
        return self._not_own(request, runs, grant)

    def own_model(self, request: RegistryRequest, grant: Grant) -> str | None:
        for model_id in {request.target, *request.values("model_id")}:
            if not self._made(model_id, grant):
                return f"{request.shown} is refused: the logged model {plain(model_id)} is another run's."
        return None

    def _made(self, model_id: str, grant: Grant) -> bool:
        model = self._facts.model(model_id)
        return model is not None and model.run_id is not None and self._facts.belongs_to(model.run_id, grant.run_id)

    def own_files(self, request: RegistryRequest, grant: Grant) -> str | None:
        path = request.target.removeprefix("create/").removeprefix("complete/").removeprefix("abort/")
        model, run = _MODEL_FILES.fullmatch(path), _RUN_FILES.fullmatch(path)
        if model is not None:
            found = self._facts.model(model[2])
            place = None if found is None or not self._made(model[2], grant) else found.location
            wanted = f"mlflow-artifacts:/{model[1]}/models/{model[2]}/artifacts"
        else:
            made = None if run is None else self._facts.run(run[2])
            own = run is not None and self._facts.belongs_to(run[2], grant.run_id)
            place = made.artifact_uri if made is not None and own else None
            wanted = "" if run is None else f"mlflow-artifacts:/{run[1]}/{run[2]}/artifacts"
        if place is not None and place.rstrip("/") == wanted:
            return None
        return f"{request.shown} is refused: {plain(request.target)} is not among the files of run {grant.run_id}."

    # -- the registry ----------------------------------------------------------------------------

    def new_name(self, request: RegistryRequest, grant: Grant) -> str | None:
        if _PROMPT_TAG in request.tags():
            return f"{request.shown} is refused: a job's token registers models, not prompts."
        return _desks_tags(request) or self._not_its_name(request, grant)

    def _not_its_name(self, request: RegistryRequest, grant: Grant) -> str | None:
        name = request.value("name")
        if grant.models is not None and name not in grant.models:
            return (
                f"{request.shown} is refused: the job's file names the models that it registers, and {plain(name)} is "
                f"none of them. Add it there to the list mlflow.models."
            )
        if grant.models is not None and not grant.is_strangers:
            return None
        if grant.job is None or name not in grant.governed or grant.job in self._facts.jobs_of(name):
            return None
        if grant.is_strangers:
            return f"{request.shown} is refused: {not_of_the_pipeline(name)} {register_command(name, grant.run_id)}"
        return (
            f"{request.shown} is refused: {plain(name)} has a policy of approvals, and no job called "
            f"{plain(grant.job)} has registered a version of it before. If this one is to, say so in the job's file: "
            f'mlflow: {{models: ["{plain(name)}"]}}.'
        )

    def new_version(self, request: RegistryRequest, grant: Grant) -> str | None:
        source = named_by(request.value("source"))
        runs, models = request.values("run_id"), request.values("model_id")
        if source is not None:
            runs += [source.run_id] if source.run_id is not None else []
            models += [source.model_id] if source.model_id is not None else []
        if not runs and not models:
            return f"{request.shown} is refused: it names no run or logged model that the version comes from."
        for model_id in models:
            if not self._made(model_id, grant):
                return f"{request.shown} is refused: the logged model {plain(model_id)} is another run's."
        return self.new_name(request, grant) or self._not_own(request, runs, grant)

    def own_version(self, request: RegistryRequest, grant: Grant) -> str | None:
        name, number = request.value("name"), request.value("version")
        found = self._facts.versions(name, number) if name and number else []
        if not found:
            return f"{request.shown} is refused: there is no version {plain(number)} of {plain(name)}."
        if all(one.run_id is not None and self._facts.belongs_to(one.run_id, grant.run_id) for one in found):
            return _desks_tags(request)
        return f"{request.shown} is refused: another run registered version {plain(number)} of {plain(name)}."

    def new_experiment(self, request: RegistryRequest, _grant: Grant) -> str | None:
        if request.values("artifact_location"):
            return f"{request.shown} is refused: where an experiment's files lie is not for a job to choose."
        return None


def not_of_the_pipeline(name: str) -> str:
    """Say why a repository's pipeline registers no version of a model that has a policy."""
    return (
        f"{plain(name)} has a policy of approvals, and no version of it is from this stage of this repository's "
        "pipeline yet. A person who has looked at it registers the first one, and the pipeline those that follow."
    )


def register_command(name: str, run_id: str) -> str:
    """Return the command by which a person registers what a run has made."""
    return f"mlops-desk models register {shlex.quote(plain(name))} {shlex.quote(plain(run_id))}"


def _desks_tags(request: RegistryRequest) -> str | None:
    """Return why tags can't be set or taken by a job: what the desk says of a run or version, no job says."""
    key = next((one for one in request.tags() if one.startswith(OWN_TAGS)), None)
    return None if key is None else f"{request.shown} is refused: the tag {plain(key)} is the desk's, and no job's."


Check = Callable[[Permits, RegistryRequest, Grant], str | None]

_OWN_RUN = (
    "update", "log-metric", "log-parameter", "log-batch", "set-tag", "delete-tag", "log-inputs", "log-model",
    "outputs",
)  # fmt: skip

_WRITES: Mapping[tuple[str, str], Check] = MappingProxyType(
    {
        ("POST", "experiments/create"): Permits.new_experiment,
        ("POST", "runs/create"): Permits.new_run,
        **{("POST", f"runs/{name}"): Permits.own_run for name in _OWN_RUN},
        ("POST", "logged-models"): Permits.new_model,
        ("PATCH", "logged-models/*"): Permits.own_model,
        ("POST", "logged-models/*/params"): Permits.own_model,
        ("PATCH", "logged-models/*/tags"): Permits.own_model,
        ("DELETE", "logged-models/*/tags/*"): Permits.own_model,
        ("PUT", "mlflow-artifacts/artifacts"): Permits.own_files,
        ("POST", "mlflow-artifacts/mpu"): Permits.own_files,
        ("POST", "registered-models/create"): Permits.new_name,
        ("POST", "model-versions/create"): Permits.new_version,
        ("POST", "model-versions/set-tag"): Permits.own_version,
        ("PATCH", "model-versions/update"): Permits.own_version,
        ("DELETE", "model-versions/delete-tag"): Permits.own_version,
    }
)
