"""Starting a revision's container and trying it: it goes live when it answers, and answers its own example.

The container has no network, so it reaches nothing; the way in is a socket (``handover``). A time-out of
the engine is no failure: the step is asked for again until the deadline.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, Engine
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.serving import deploy_options
from mlops_desk.serving.custom_image import ImagePair, PairLaunch
from mlops_desk.serving.image.model_files import ModelFiles, files_bytes, read_model
from mlops_desk.serving.probe import EXAMPLE_FAILED, INVOCATIONS, PING, answers, first_answer, health, later_answer
from mlops_desk.serving.progress import Tell, untold
from mlops_desk.serving.records.endpoint import Replica
from mlops_desk.serving.records.own_image import GoldenRequest, OwnImage
from mlops_desk.serving.revision import Failed, Interrupted, Revision, Shelf, plain_lines
from mlops_desk.serving.runtimes.choice import short
from mlops_desk.serving.runtimes.fit import Fit, GpuFit, free_bytes, overhead_bytes
from mlops_desk.serving.runtimes.gpus import ReplicaClaim, ReplicaGpus
from mlops_desk.serving.socket_handover import COMMAND, Handover, address_of

T = TypeVar("T")
_NOBODY = 65534  # the kernel's overflow uid, nobody everywhere
_POLL_SECONDS = 0.1  # chosen: a model takes seconds to load, and a ping three milliseconds of a processor
_EVIDENCE_LINES = 15  # chosen: a Python traceback names the error in its last lines
_GRACE_SECONDS = 10  # the engine's own default
_MEMORY_SHARE = 0.8  # chosen: jobs may have 0.9; an endpoint must not push them out


class Trial:
    """Starts, tries and ends the containers of one instance's endpoints."""

    def __init__(
        self, instance: str, shelf: Shelf, settings: SettingsStore, engine: Engine, ending: threading.Event,
        gpus: ReplicaGpus,
    ) -> None:  # fmt: skip
        self._gpus = gpus
        self._instance = instance
        self._shelf = shelf
        self._settings = settings
        self._engine = engine
        self._ending = ending
        self._network = deploy_options.network_name(instance)
        self._pairs = PairLaunch(instance, engine, ending)

    def launch(self, revision: Revision, tell: Tell = untold, number: int = 1, gpus: tuple[str, ...] = ()) -> Replica:
        """Start a fresh container of ``revision``, its replica ``number``, and try it. ``tell`` hears of its steps.

        It gets the ``gpus`` that it had before, or as many free ones as the revision wants.

        Raises Failed, with nothing left running, and Interrupted.
        """
        name = self.name_of(revision, number)
        seconds = self._settings.number("serving.start_timeout_seconds")
        deadline = time.monotonic() + seconds
        place = self._shelf.place(revision.endpoint, revision.number)
        try:
            if revision.served is not None:
                return self._launch_pair(revision, revision.served, number, gpus, tell, deadline)
            files = read_model(place / "model")
            self._check_fit(files.size_bytes, tell)
            self._patiently(lambda: self._engine.remove(name), deadline)
            fit = GpuFit(files.size_bytes, overhead_bytes(files.flavors), revision.gpus)
            claim = self._claim_of(revision, number, fit)
            gpus = self._leased(claim, gpus, tell)
            tell("start", f"a container of {short(revision.image or 'no image')} is started, and loads the model")
            with Handover(self._shelf.replica_place(revision.endpoint, revision.number, number)) as handover:
                mounts = (Mount(str(files.folder), "/model", "ro"), handover.mount)
                self._patiently(lambda: self._start(revision, number, mounts, claim, gpus), deadline)
                self._wait_until_ready(name, handover, deadline, files)
            tell("probe", "its own example" if files.example else "that it is well: it brings no example")
            self._try_example(name, place, handover.address, _invocation(files.example))
        except Failed:
            self.end(name)
            raise
        except (DeskError, OSError) as error:
            self.end(name)
            text, hint = (error.message, error.hint) if isinstance(error, DeskError) else (str(error), None)
            raise Failed("start_failed", text, None, hint) from error
        return Replica(name, revision.number, "running", handover.address, number, gpus)

    def _claim_of(self, revision: Revision, number: int, fit: GpuFit | None = None) -> ReplicaClaim:
        uid, name = os.getuid() if revision.uid is None else revision.uid, self.name_of(revision, number)
        runs_in = None if revision.served is None else deploy_options.beside(name)
        return ReplicaClaim(name, revision.endpoint, uid, revision.gpus, fit, runs_in)

    def _leased(self, claim: ReplicaClaim, before: tuple[str, ...], tell: Tell) -> tuple[str, ...]:
        gpus = self._gpus.take(claim, before, partial(tell, "fit"))
        if gpus:
            tell("gpus", f"{len(gpus)} leased: {', '.join(gpus)}")
        return gpus

    def keep_gpus(self, revision: Revision, replica: Replica) -> None:
        """Go on holding the GPUs of a replica that an earlier agent has started."""
        self._gpus.keep(self._claim_of(revision, replica.number), replica.gpus)

    def _launch_pair(
        self, revision: Revision, served: OwnImage, number: int, gpus: tuple[str, ...], tell: Tell, deadline: float
    ) -> Replica:
        name, place = self.name_of(revision, number), self._shelf.place(revision.endpoint, revision.number)
        size_bytes = 0 if served.mount is None else files_bytes(place / served.files)
        if size_bytes and not revision.gpus:  # on GPUs the weights pass through, and have to fit there
            self._check_fit(size_bytes, tell)
        fit = None if served.mount is None else GpuFit(size_bytes, overhead_bytes(()), revision.gpus)
        claim = self._claim_of(revision, number, fit)
        labels = deploy_options.labels(self._instance, revision.endpoint, revision.number, number)
        gpus = self._leased(claim, gpus, tell)
        mounts = () if served.mount is None else (Mount(str(place / served.files), served.mount, "ro"),)
        pair = ImagePair(name, revision.image or "", served, labels, _user(), self._memory_bytes(), gpus, mounts)
        address = self._pairs.launch(
            pair, self._shelf.replica_place(revision.endpoint, revision.number, number), place,
            deadline - time.monotonic(), tell, lambda work: self._patiently(work, deadline),
            lambda pid: self._gpus.keep(claim, gpus, pid),
        )  # fmt: skip
        self._try_example(name, place, address, served.golden)
        return Replica(name, revision.number, "running", address, number, gpus)

    def speaker(self, endpoint: str, replica: Replica) -> str:
        """Name the container whose log tells of a replica."""
        revision = self._shelf.read(endpoint, replica.revision)
        return (
            deploy_options.beside(replica.container) if revision is not None and revision.served else replica.container
        )

    def is_well(self, endpoint: str, number: int, address: str) -> bool:
        """Tell whether a replica of a revision says it is well, by the path that is its own."""
        revision = self._shelf.read(endpoint, number)
        return answers(address, revision.served.health if revision is not None and revision.served else PING)

    def name_of(self, revision: Revision, number: int = 1) -> str:
        return deploy_options.container_name(self._instance, revision.endpoint, revision.number, number)

    def containers_of(self, endpoint: str) -> list[str]:
        """Name the containers of an endpoint; none while the engine does not answer."""
        labels = {deploy_options.LABEL_INSTANCE: self._instance, deploy_options.LABEL_ENDPOINT: endpoint}
        with contextlib.suppress(Unavailable):
            found = self._engine.containers(labels)
            return [one.name for one in found if deploy_options.is_endpoints(self._instance, one.name, one.labels)]
        return []

    def end(self, name: str) -> None:
        """Stop and remove a container; what an absent engine keeps is removed when it is back."""
        with contextlib.suppress(Unavailable):
            self._pairs.end_beside(name)  # first: who finds its relay later looks for it again
            self._engine.stop(name, _GRACE_SECONDS)
            self._engine.remove(name)
            self._gpus.release(name)  # not before: a lease of a container that still runs would give its GPUs out twice

    def drop_network(self) -> None:
        """Remove the bridge on which an older agent has put containers, once none is on it."""
        with contextlib.suppress(DeskError):  # still in use, or no engine: a bridge in the way of nobody
            self._engine.remove_network(self._network)

    def evidence(self, name: str) -> str | None:
        """Return the last lines that a container has written, if they can be had."""
        for one in (deploy_options.beside(name), name):
            with contextlib.suppress(DeskError):
                return plain_lines(list(self._engine.logs(one, tail=_EVIDENCE_LINES)))
        return None

    def address_of(self, endpoint: str, number: int, facts: ContainerFacts) -> str:
        """Return where a container of a revision answers; one that an older agent has started is on a bridge."""
        bridged = facts.addresses.get(self._network)
        if bridged:
            return f"{bridged}:{deploy_options.PORT}"
        return address_of(self._shelf.replica_place(endpoint, number, deploy_options.replica_of(facts.labels)))

    def _start(
        self, revision: Revision, number: int, mounts: tuple[Mount, ...], claim: ReplicaClaim, gpus: tuple[str, ...]
    ) -> None:
        labels = deploy_options.labels(self._instance, revision.endpoint, revision.number, number)
        spec = self.spec(self.name_of(revision, number), revision.image or "", labels, mounts, gpus)
        created = self._engine.create(spec)
        self._gpus.keep(claim, gpus, self._engine.start(created.name).pid)

    def check_gpus(self, count: int) -> None:
        """Raise Failed where so many GPUs are not free now, and Unavailable where that can't be seen."""
        self._gpus.check(count)

    def start_beside(
        self, name: str, image: str, labels: Mapping[str, str], mounts: tuple[Mount, ...], called: str, gpus: int
    ) -> None:
        """Start a container beside endpoints, with so many GPUs, which ``end`` gives back.

        Raises Failed where they are not free, and DeskErrors of the engine.
        """
        claim = ReplicaClaim(name, "", os.getuid(), gpus, called=called)
        try:
            leased = self._gpus.take(claim)
        except Interrupted as ended:
            raise Unavailable("The agent ends while GPUs are waited for.") from ended
        created = self._engine.create(self.spec(name, image, labels, mounts, leased))
        self._gpus.keep(claim, leased, self._engine.start(created.name).pid)

    def spec(
        self,
        name: str,
        image: str,
        labels: Mapping[str, str],
        mounts: tuple[Mount, ...],
        gpus: tuple[str, ...] = (),
    ) -> ContainerSpec:
        """Return what a container is that serves a model: it has no network, and no more memory than is set."""
        return ContainerSpec(
            name=name,
            image=image,
            command=(),
            entrypoint=COMMAND,
            env={"MLFLOW_DISABLE_TELEMETRY": "true"},
            labels=labels,
            own_mounts=mounts,
            gpus=gpus,
            memory_bytes=self._memory_bytes(),
            user=_user(),
            network="none",
            working_dir="/tmp",  # noqa: S108 - the container's own tmpfs
            stop_grace_seconds=_GRACE_SECONDS,
        )

    def _memory_bytes(self) -> int:
        """Return the memory from the settings, but no more than a small machine can give."""
        most = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)
        return min(int(self._settings.number("serving.memory_mebibytes")) << 20, most)

    def _wait_until_ready(self, name: str, handover: Handover, deadline: float, files: ModelFiles) -> None:
        while (said := health(handover.address)) != HTTPStatus.OK:
            if said == HTTPStatus.INTERNAL_SERVER_ERROR:  # it has loaded, and failed its own example
                raise Failed("example_failed", f"{EXAMPLE_FAILED}.", self.evidence(name))
            facts = self._patiently(lambda: self._engine.inspect(name), deadline)
            if facts.status in {"exited", "dead"}:
                text = f"The container ended with code {facts.exit_code} before it answered."
                hint = f"The model was saved with Python {files.python_version}; the log says which one the image has."
                raise Failed("container_died", text, self.evidence(name), hint if files.python_version else None)
            if time.monotonic() >= deadline:
                text = "The container runs, but the model did not answer in time."
                hint = Hint(
                    "mlops-desk settings set serving.start_timeout_seconds 600", before="A large model may need more: "
                )
                raise Failed("not_ready", text, self.evidence(name), hint)
            self._pause(0.0)
            handover.give(_POLL_SECONDS)  # the container begins with asking for it, and loads the model then

    def _try_example(self, name: str, place: Path, address: str, example: GoldenRequest | None) -> None:
        """Send the request that was saved with the model: an endpoint that can't answer it does not go live."""
        wrong = None if example is None else first_answer(place, address, example, is_compared=self._compares())
        if wrong is not None:
            raise Failed(wrong.class_, wrong.text, wrong.evidence or self.evidence(name), wrong.hint)

    def correctness(self, endpoint: str, number: int, address: str) -> Reason | None:
        """Return how a replica answers its own example otherwise than at first; None where it does not."""
        place = self._shelf.place(endpoint, number)
        if not self._compares():
            return None
        revision = self._shelf.read(endpoint, number)
        if revision is not None and revision.served is not None:
            example = revision.served.golden
        else:
            try:
                example = _invocation(read_model(place / "model").example)
            except (DeskError, OSError):
                return None  # its files are gone: nothing to ask it
        return None if example is None else later_answer(place, address, example)

    def _compares(self) -> bool:
        return self._settings.switch("serving.compare_answers")

    def fit(self, size_bytes: int) -> Fit:
        """Tell whether files of so many bytes fit into a container's memory, and into what the machine has free."""
        return Fit(size_bytes, self._memory_bytes(), free_bytes())

    def _check_fit(self, size_bytes: int, tell: Tell) -> None:
        fit = self.fit(size_bytes)
        tell("fit", fit.text())
        if not fit.can_be:
            wanted = (fit.needed_bytes >> 20) + 1
            hint = Hint(f"mlops-desk settings set serving.memory_mebibytes {wanted}", before="To give it more: ")
            raise Failed("does_not_fit", f"The model does not fit into its container: it {fit.text()}.", None, hint)

    def _patiently(self, work: Callable[[], T], deadline: float) -> T:
        """Do ``work``, again and again while the engine does not answer, until the deadline."""
        while True:
            try:
                return work()
            except NotFound:
                raise
            except Unavailable:
                if time.monotonic() >= deadline:
                    raise
            self._pause(1.0)

    def _pause(self, seconds: float) -> None:
        if self._ending.wait(seconds):
            raise Interrupted


def _invocation(example: bytes | None) -> GoldenRequest | None:
    return None if example is None else GoldenRequest(INVOCATIONS, example)


def _user() -> str:
    # Root's own rights mean nothing in the container (no capabilities), and a model needs none.
    return f"{_NOBODY}:{_NOBODY}" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"
