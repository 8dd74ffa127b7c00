"""A deployment: a revision is made, launched, and put in the place of the old one, which answers until then.

Each step is written down before it is taken, so that the next agent goes on where this one ended. A
stop that comes in between wins: the deployment sees that it is not wanted any more and cleans up.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.caller import Caller
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.loop import Loop
from mlops_desk.engines.engine import Engine
from mlops_desk.records.endpoint import Endpoint, EndpointState, ModelRef, Replica
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.model import ModelVersion
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.revision import Failed, Interrupted, Revision, Shelf
from mlops_desk.serving.switchboard import Switchboard
from mlops_desk.serving.watch import Watch

_log = logging.getLogger(__name__)


class Deployments:
    """The deployments under way, at most one for each endpoint; the caller has claimed its name at ``watch``."""

    def __init__(
        self,
        board: EndpointBoard,
        shelf: Shelf,
        maker: Maker,
        trial: Trial,
        switchboard: Switchboard,
        watch: Watch,
        loop: Loop,
        engine: Engine,
    ) -> None:
        self._board = board
        self._shelf = shelf
        self._maker = maker
        self._trial = trial
        self._switchboard = switchboard
        self._watch = watch
        self._loop = loop
        self._engine = engine
        self._wanted: dict[str, int] = {}

    def begin(self, name: str, version: ModelVersion, alias: str | None, caller: Caller, done: threading.Event) -> None:
        """Write a new revision down, show the endpoint as building and begin. What answers now goes on answering.

        Sets ``done`` when the endpoint is live or the revision has failed. Raises OSError.
        """
        uri = f"models:/{version.name}/{version.version}"
        model = ModelRef(version.name, version.version, uri, alias, version.run_id, version.registry)
        known = self._board.find(name)
        newest_number = max([*self._shelf.numbers(name), known.revision if known else 0])
        revision = self._shelf.write(Revision(name, newest_number + 1, model, version))
        self._wanted[name] = revision.number
        if known is not None and known.replicas:
            self._board.put(replace(known, state=EndpointState.BUILDING, reason=None))
        else:
            self._board.put(self._fresh(revision, known, caller))
        self._switchboard.route()
        self._loop.start(f"deploy-{name}", lambda: self._bring_up(revision, done))

    def _fresh(self, revision: Revision, known: Endpoint | None, caller: Caller) -> Endpoint:
        return Endpoint(
            name=revision.endpoint,
            state=EndpointState.BUILDING,
            url=self._switchboard.url(revision.endpoint),
            revision=revision.number,
            model=revision.model,
            created_at=known.created_at if known else time.time(),
            request_log=str(self._switchboard.log_folder(revision.endpoint)),
            created_by=known.created_by if known else caller.uid,
        )

    def take_up(self, endpoint: Endpoint) -> None:
        """Go on with the deployment that an earlier agent left half done."""
        found = [self._shelf.read(endpoint.name, number) for number in reversed(self._shelf.numbers(endpoint.name))]
        pending = next((revision for revision in found if revision is not None and revision.state == "pending"), None)
        if pending is None:
            text = "The agent ended before this deployment was written down."
            reason = Reason("interrupted", text, None, "Deploy it again.")
            self._board.change(endpoint.name, lambda known: _with_failure(known, reason))
        elif self._watch.claim(endpoint.name):
            self._wanted[endpoint.name] = pending.number
            self._loop.start(f"deploy-{endpoint.name}", lambda: self._bring_up(pending, threading.Event()))

    def forget(self, name: str) -> None:
        """Let the deployment under way, if there is one, see that it is not wanted any more."""
        self._wanted.pop(name, None)

    def images(self, name: str) -> set[str]:
        """Return the tags of the images that an endpoint's revisions use."""
        found = [self._shelf.read(name, number) for number in self._shelf.numbers(name)]
        return {revision.image for revision in found if revision is not None and revision.image is not None}

    def drop_images(self, tags: set[str]) -> None:
        """Remove those of ``tags`` that no endpoint uses any more."""
        for tag in tags - {tag for endpoint in self._board.all() for tag in self.images(endpoint.name)}:
            with contextlib.suppress(DeskError):  # one that is still in use, or gone, is nobody's problem
                self._engine.remove_image(tag)

    def _bring_up(self, revision: Revision, done: threading.Event) -> None:
        """Make, launch and switch to a revision. Whatever happens, the endpoint ends in a state that says so."""
        try:
            self._go(revision)
        except Interrupted:
            _log.info("The deployment of %s is left to the next agent", revision.endpoint)
        except Failed as failure:
            self._give_up(revision, failure.reason)
        except NotFound:
            _log.info("Endpoint %s was removed while it was deployed", revision.endpoint)
        except Exception:
            hint = "The agent's log has the details."
            self._give_up(revision, Reason("internal", "Something went wrong.", None, hint))
            raise
        finally:
            if self._board.find(revision.endpoint) is None:
                self._shelf.clear(revision.endpoint)
            self._watch.release(revision.endpoint)
            done.set()

    def _go(self, revision: Revision) -> None:
        made = self._maker.make(revision)
        self._change(made, lambda known: replace(known, state=EndpointState.STARTING))
        if not self._is_wanted(made):
            return
        address = self._trial.launch(made)
        old = self._board.get(made.endpoint).replicas
        self._switch(made, address)
        if not self._is_wanted(made):
            self._trial.end(self._trial.name_of(made))
            return
        self._switchboard.gatekeeper.wait_for(self._switchboard.route())
        for replica in old:
            if replica.container != self._trial.name_of(made):
                self._trial.end(replica.container)
        self._trial.drop_network()
        images = self.images(made.endpoint)
        self._shelf.clear(made.endpoint, keep_from=made.number)
        self.drop_images(images)

    def _switch(self, revision: Revision, address: str) -> None:
        """Put a new revision in the place of the old one; the gateway follows."""
        replica = Replica(self._trial.name_of(revision), revision.number, "running", address)
        self._shelf.write(replace(revision, state="live"))
        self._change(
            revision,
            lambda known: replace(
                known,
                state=EndpointState.LIVE,
                url=self._switchboard.url(known.name),
                revision=revision.number,
                model=revision.model,
                replicas=(replica,),
                traffic={str(revision.number): 1.0},
                reason=None,
                image=revision.image,
            ),
        )

    def _give_up(self, revision: Revision, reason: Reason) -> None:
        self._shelf.drop_files(revision.endpoint, revision.number)
        if self._is_wanted(revision):
            self._shelf.write(replace(revision, state="failed"))
            self._change(revision, lambda known: _with_failure(known, reason))
            self._switchboard.route()

    def _change(self, revision: Revision, change: Callable[[Endpoint], Endpoint]) -> None:
        """Change an endpoint on behalf of a deployment, unless a stop has overtaken it."""
        self._board.change(revision.endpoint, lambda known: change(known) if self._is_wanted(revision) else known)

    def _is_wanted(self, revision: Revision) -> bool:
        return self._wanted.get(revision.endpoint) == revision.number


def _with_failure(endpoint: Endpoint, reason: Reason) -> Endpoint:
    """Say why the newest revision did not come up; an endpoint with an older one goes on being live."""
    state = EndpointState.LIVE if endpoint.replicas else EndpointState.FAILED
    return replace(endpoint, state=state, reason=reason)
