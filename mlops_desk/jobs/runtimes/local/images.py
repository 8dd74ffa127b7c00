"""Images of jobs: found, pulled, and looked at for the shell that can run our wrapper in them."""

import secrets
import threading
from collections.abc import Callable

from mlops_desk.engines.engine import ContainerSpec, Engine, ImageFacts, Obstacle
from mlops_desk.engines.images.tasks import ImageClaim, NotBuilt
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.jobs.records.job import ImageProgress, Job
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.runtimes.local.blockers import obstruction, unreachable
from mlops_desk.jobs.runtimes.local.container import INSTANCE_LABEL, PROBE_LABEL, probe_name
from mlops_desk.jobs.runtimes.local.ports import ImageSupply
from mlops_desk.jobs.runtimes.local.shell import IMAGE_SHELL, HostShell, Shell, host_shell
from mlops_desk.jobs.runtimes.runtime import Obstructed
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.kit.base.text import plain

_QUIET_SECONDS = 180.0  # chosen: a big layer is unpacked on a slow disk without a word for a minute or two
_SHELL = "/bin/sh"


class JobImages:
    """What the engine says of images. Safe to use from several threads.

    ``find_shell`` returns the shell of this machine that containers can be given, if there is one. ``private`` knows
    with which login a person pulls, and which images are not for everybody. ``supply`` brings images by tasks that
    people see; without it the engine is asked alone.
    """

    def __init__(
        self,
        engine: Engine,
        instance: str,
        find_shell: Callable[[], HostShell | None] = host_shell,
        private: PrivateImages | None = None,
        supply: ImageSupply | None = None,
    ) -> None:
        self._private = private or PrivateImages()
        self._engine = engine
        self._supply = supply
        self._instance = instance
        self._find_shell = find_shell
        self._lock = threading.Lock()
        self._shells: dict[str, bool] = {}
        self._probing: set[str] = set()

    def local(self, reference: str) -> ImageFacts | None:
        """Return a local image, or None. Raises Unavailable."""
        try:
            return self._engine.image(reference)
        except NotFound:
            return None

    def open_to(self, reference: str, uid: int) -> ImageFacts | None:
        """Return a local image that a person's jobs may have, or None. Raises Unavailable."""
        found = self.local(reference)
        return found if found is not None and self._private.may(found, uid) else None

    def pull(self, reference: str, uid: int, claim: ImageClaim | None = None) -> ImageFacts:
        """Pull an image as a person may have it, however long it takes; one that is here already costs a question.

        Raises NotFound, Refused, Obstructed, Unavailable.
        """
        login = self._login(reference, uid)
        try:
            facts = self.local(reference)
            if facts is None or self._private.may(facts, uid):
                facts = self._brought(reference, uid, login, claim)
            else:
                self._engine.ask_registry(self._private.asked_by(reference, facts), login)
        except Obstacle as obstacle:
            raise Obstructed(obstruction(obstacle, self._engine)) from obstacle
        except DeskError as error:
            reason = unreachable(reference, error)
            if reason is None:
                raise
            raise Obstructed(reason) from error
        self._private.pulled(reference, facts, uid, login)
        return facts

    def _brought(self, reference: str, uid: int, login: RegistryLogin | None, claim: ImageClaim | None) -> ImageFacts:
        if self._supply is None or claim is None:
            return self._engine.pull(reference, _QUIET_SECONDS, login)
        return self._supply.pull(reference, uid, login, claim)

    def show_right(self, image: ImageFacts, uid: int) -> None:
        """See that a person may have a local image, by its registry's word if need be. Raises what ``pull`` does."""
        if not self._private.may(image, uid):
            self.pull(next(iter((*image.repo_digests, *image.tags)), image.id), uid)

    def _login(self, reference: str, uid: int) -> RegistryLogin | None:
        try:
            return self._private.login(reference, uid)
        except DeskError as error:
            text = f"The job waits for the login at the registry of {plain(reference)}."
            raise Obstructed(Reason("registry_login", text, error.message, error.hint)) from error

    def build(self, job: Job, claim: ImageClaim) -> ImageFacts:
        """Build the image that a job asks for. Raises NotBuilt, Obstructed, Refused, Unavailable."""
        sha256 = None if job.capsule is None else job.capsule.build_sha256
        if self._supply is None or job.spec.build is None or sha256 is None:
            text = "The folder that its image is built of was not kept, so it can't be built."
            raise NotBuilt(Reason("build_failed", text, hint="Submit the job file once more.", title="Image not built"))
        try:
            return self._supply.build(sha256, job.spec.build.dockerfile, job.submitted_by, claim)
        except Obstacle as obstacle:
            raise Obstructed(obstruction(obstacle, self._engine)) from obstacle

    def progress(self, job_id: str) -> ImageProgress | None:
        """Return how far the image is that a job waits for."""
        return None if self._supply is None else self._supply.progress(job_id)

    def shell_for(self, image: ImageFacts) -> Shell | None:
        """Return what can run our wrapper in an image; None when nothing can. Raises NotFound for the image alone."""
        own = self._find_shell()
        if own is not None and own.architecture == image.architecture:
            return own.shell()
        return IMAGE_SHELL if self._has_shell(image.id) else None

    def is_probing(self, container: str) -> bool:
        """Tell whether a probe is one that is in use just now."""
        with self._lock:
            return container in self._probing

    def _has_shell(self, image_id: str) -> bool:
        """Look into a container that is never started; what was seen once is remembered, what failed is not."""
        with self._lock:
            known = self._shells.get(image_id)
        if known is None:
            known = self._probe(image_id)
            with self._lock:
                self._shells[image_id] = known
        return known

    def _probe(self, image_id: str) -> bool:
        name = probe_name(self._instance, secrets.token_hex(6))  # one for each look, so that none shares another's
        labels = {INSTANCE_LABEL: self._instance, PROBE_LABEL: image_id}
        with self._lock:
            self._probing.add(name)
        try:
            self._engine.create(
                ContainerSpec(name=name, image=image_id, command=("true",), labels=labels, network="none")
            )
            return self._look(name)
        finally:
            with self._lock:
                self._probing.discard(name)
            self._engine.remove(name)

    def _look(self, name: str) -> bool:
        try:
            return self._engine.has_file(name, _SHELL)
        except NotFound as error:
            text = f"The container {plain(name)}, made to look into the image, was removed by somebody meanwhile."
            raise Unavailable(text, "It is made again in a moment.") from error
