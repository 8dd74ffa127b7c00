"""Child processes that may hang: each in a session of its own, and killed at its deadline. None is started elsewhere.

A worker is a module of ours, spoken to in JSON: it reads one document from stdin and writes one to stdout:
``{"ok": ...}`` or ``{"error": ..., "hint": ..., "code": ...}``. It holds no lock, socket or database. One that works
on somebody's behalf becomes that person before it loads anything (``person``, ``become``).
"""

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO, Any, NoReturn, Self

from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.errors import DeskError, Refused, TimedOut, Unavailable, heard
from mlops_desk.kit.base.people import privilege_drop
from mlops_desk.kit.base.people.person import Person, person
from mlops_desk.kit.base.text import plain

_TAIL_CHARACTERS = 600  # chosen: the last lines of a traceback, which name the error
_ERRORS_BYTES = 1 << 20  # chosen: many tracebacks
_OUTPUT_BYTES = 256 << 20  # chosen: far more than any answer; who prints on and on takes the memory of trainings
_LEFT_SECONDS = 1.0  # chosen: what a child has printed itself is read by then, whoever else still holds its pipes
_READ_BYTES = 1 << 16  # linux/pipe_fs_i.h: as much as a pipe holds
_FIRST_LOOK_SECONDS = 0.02  # chosen: a worker that has little to do is not waited for
_LOOK_SECONDS = 0.08  # chosen: what is given up ends within a tenth of a second
_LINE_BYTES = 4096  # chosen: what a worker says of how far it is takes a tenth
_detached: list[subprocess.Popen[bytes]] = []
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_serving = Event()
"""Set in a process that ends with its parent, as a worker does."""


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``module`` of ours, isolated from where somebody stands."""
    return interpreter.command(interpreter.PROGRAM, module, *arguments)


Stream = int | IO[bytes] | None
"""What a child reads from or writes to; None: what this process has."""


def start_child(
    command: Sequence[str],
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    buffer_bytes: int = -1,
    as_person: Person | None = None,
    outlives: bool = False,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child that leads its own session, so that ``end_group`` ends it and all it starts. Raises OSError.

    A worker's child ends with the worker unless it ``outlives`` it. It gets the descriptors ``keep``, by their numbers.
    ``environment`` is added to this process's, or to that of the person whom it becomes first. It stands in ``folder``
    or in the root folder, and not where whoever started this process stands, whose folder it would keep busy.
    """
    inherited = os.environ if as_person is None else as_person.environment()
    return subprocess.Popen(
        list(command) if as_person is None else _as_person(as_person, command),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        bufsize=buffer_bytes,
        env={**inherited, **(environment or {})},
        cwd=folder or "/",
        start_new_session=True,
        pass_fds=keep,
        # What a worker starts is out of reach for who ends the worker's group.
        preexec_fn=end_with_parent if _serving.is_set() and not outlives else None,  # noqa: PLW1509 - a worker has one thread
    )


def _as_person(who: Person, command: Sequence[str]) -> list[str]:
    groups = ",".join(map(str, who.groups))
    # Isolated: root's interpreter loads nothing that an environment or a home names.
    return interpreter.alone(privilege_drop.__file__, str(who.uid), str(who.gid), groups, *command)


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended by itself."""

    code: int
    output: bytes
    errors: bytes


def run_command(
    command: Sequence[str],
    timeout_seconds: float,
    *,
    name: str | None = None,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    ending: Event | None = None,
    as_person: Person | None = None,
    aloud: bool = False,
    output_bytes: int = _OUTPUT_BYTES,
    grace_seconds: float = 0.0,
    folder: Path | None = None,
) -> Finished:
    """Run a command to its end, with ``given`` on its stdin; ``name`` is what errors call it.

    What it writes on stderr is seen at once on ours where it works ``aloud``, and then is not among what is returned;
    else its end is. What it leaves running goes on. What is ended gets TERM, ``grace_seconds`` and then KILL.
    Raises TimedOut, when it was ended, Refused, when it printed more than ``output_bytes`` (0: it is not listened to),
    and Unavailable. Once ``ending`` is set it is ended at once, which raises Unavailable too.
    """
    shown = plain(name or command[0])
    try:
        # A file in memory and no pipe: one that is written in parts, between looks, would have to be read in time.
        with os.fdopen(os.memfd_create("given"), "w+b") as stdin:
            stdin.write(given)
            stdin.seek(0)
            process = start_child(
                command,
                stdin=stdin.fileno(),
                stdout=subprocess.PIPE if output_bytes else subprocess.DEVNULL,
                stderr=None if aloud else subprocess.PIPE,
                environment=environment,
                as_person=as_person,
                folder=folder,
            )
    except OSError as error:
        text = f"{shown} can't be started: {error.strerror}."
        raise Unavailable(text, "Is it installed, and may this user run it?") from error
    deadline = time.monotonic() + timeout_seconds
    with _Heard(process, grace_seconds) as heard:
        while not heard.is_over(min(max(0.0, deadline - time.monotonic()), _LOOK_SECONDS)):
            if len(heard.output) > output_bytes:
                raise Refused(f"{shown} printed more than {output_bytes >> 20} MiB and was ended.")
            if ending is not None and ending.is_set():
                raise Unavailable(f"{shown} was ended before it gave an answer: so does the agent.")
            if time.monotonic() > deadline:
                raise TimedOut(f"{shown} gave no answer within {timeout_seconds:g} s and was ended.")
        return Finished(process.returncode, bytes(heard.output), bytes(heard.errors))


class _Heard:
    """What a child prints, read as it comes: of stdout all, of stderr the end. Who gives up waiting ends the child."""

    def __init__(self, process: subprocess.Popen[bytes], grace_seconds: float) -> None:
        self._process = process
        self._grace_seconds = grace_seconds
        self._ended_at: float | None = None
        self._open = selectors.DefaultSelector()
        self.output, self.errors = bytearray(), bytearray()
        for stream, kept in ((process.stdout, self.output), (process.stderr, self.errors)):
            if stream is not None:
                self._open.register(stream, selectors.EVENT_READ, kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._open.close()
        if kind is not None:  # Ctrl+C too: whoever waited cleans up, and nothing may write there any more
            end_group(self._process, self._grace_seconds)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def is_over(self, seconds: float) -> bool:
        """Listen for so many seconds at most, and tell whether the child has ended and all that it printed is here."""
        if not self._open.get_map():
            with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on in silence: looked at again
                self._process.wait(seconds)
            return self._process.returncode is not None
        for key, _ in self._open.select(seconds):
            part = os.read(key.fd, _READ_BYTES)
            key.data.extend(part)
            if not part:
                self._open.unregister(key.fileobj)
        del self.errors[:-_ERRORS_BYTES]
        if self._ended_at is None and self._process.poll() is not None:
            self._ended_at = time.monotonic()
        return self._ended_at is not None and time.monotonic() - self._ended_at > _LEFT_SECONDS


def run_into(
    command: Sequence[str],
    output: IO[bytes],
    timeout_seconds: float,
    limit_bytes: int,
    *,
    name: str,
    given: bytes = b"",
    as_person: Person | None = None,
) -> Finished:
    """Run a command to its end, what it prints going into the file ``output``, of at most ``limit_bytes``.

    Raises TimedOut, when it was ended, Refused, when it wrote more, and Unavailable.
    """
    with os.fdopen(os.memfd_create("given"), "w+b") as stdin, os.fdopen(os.memfd_create("errors"), "w+b") as errors:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = start_child(command, stdin=stdin.fileno(), stdout=output, stderr=errors, as_person=as_person)
        except OSError as error:
            text = f"{name} can't be started: {error.strerror}."
            raise Unavailable(text, "Is it installed, and may this user run it?") from error
        deadline = time.monotonic() + timeout_seconds
        pause = _FIRST_LOOK_SECONDS
        while process.poll() is None:
            if os.fstat(output.fileno()).st_size > limit_bytes:
                end_group(process)
                raise Refused(f"{name} wrote more than {limit_bytes >> 20} MiB and was ended.")
            if time.monotonic() > deadline:
                end_group(process)
                raise TimedOut(f"{name} gave no answer within {timeout_seconds:g} s and was ended.")
            with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on: looked at again
                process.wait(pause)
            pause = min(2 * pause, _LOOK_SECONDS)
        errors.seek(0)
        return Finished(process.returncode, b"", errors.read(_ERRORS_BYTES))


def run_worker(
    module: str,
    request: Mapping[str, Any],
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    ending: Event | None = None,
    *,
    as_uid: int | None = None,
    as_gid: int | None = None,
    aloud: bool = False,
    folder: Path | None = None,
) -> Any:
    """Run a worker to its answer, as the user ``as_uid`` if one is given (with ``as_gid`` for their group).

    What it says meanwhile on stderr is shown where it works ``aloud``. Relative paths are those of ``folder``.

    Raises the DeskError it reports, TimedOut, Unavailable if it died, and Refused where nobody can be become. Once
    ``ending`` is set it is ended at once, which raises Unavailable too.
    """
    who = None if as_uid is None else person(as_uid, as_gid)
    done = run_command(
        python_command(module), timeout_seconds, name=module, given=json.dumps(request).encode(),
        environment=environment, ending=ending, as_person=who, aloud=aloud, folder=folder,
    )  # fmt: skip
    return _answer(module, done.code, done.output, done.errors)


def run_watched(
    module: str,
    request: Mapping[str, Any],
    hear: Callable[[str], bool],
    silence_seconds: float,
    *,
    as_uid: int | None = None,
) -> Any:
    """Run a worker that may take hours, as the user ``as_uid`` if one is given, while it says how far it is.

    ``hear`` gets the newest line that it has said on stderr, several times a second, and returns whether it goes on.
    Raises the DeskError it reports, TimedOut where it said nothing for so long, Unavailable if it died or was to stop,
    Refused where nobody can be become, and what ``hear`` raises; the worker is ended then.
    """
    with ExitStack() as opened:
        given, output, errors = (
            opened.enter_context(os.fdopen(os.memfd_create(name), "w+b")) for name in ("given", "output", "errors")
        )
        given.write(json.dumps(request).encode())
        given.seek(0)
        who = None if as_uid is None else person(as_uid)
        try:
            process = start_child(python_command(module), stdin=given, stdout=output, stderr=errors, as_person=who)
        except OSError as error:
            raise Unavailable(f"{module} can't be started: {error.strerror}.") from error
        try:
            _watch(process, module, errors.fileno(), hear, silence_seconds)
        except BaseException:  # also what ``hear`` raises: nobody waits for the worker any more
            end_group(process)
            raise
        output.seek(0)
        tail = os.pread(errors.fileno(), _ERRORS_BYTES, max(0, os.fstat(errors.fileno()).st_size - _ERRORS_BYTES))
        return _answer(module, process.returncode, output.read(), tail)


def _watch(
    process: subprocess.Popen[bytes], module: str, errors: int, hear: Callable[[str], bool], silence_seconds: float
) -> None:
    """Wait for the end of a worker. Raises Unavailable, TimedOut, what ``hear`` raises."""
    said, deadline = 0, time.monotonic() + silence_seconds
    while process.poll() is None:
        size = os.fstat(errors).st_size
        if size != said:
            said, deadline = size, time.monotonic() + silence_seconds
        if not hear(_last_line(errors, size)):
            raise Unavailable(f"{module} was ended before it gave an answer.")
        if time.monotonic() > deadline:
            raise TimedOut(f"{module} has said nothing for {silence_seconds:g} s and was ended.")
        with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on: looked at again
            process.wait(_LOOK_SECONDS)


def _last_line(descriptor: int, size: int) -> str:
    """Return the last whole line of a file of ``size`` bytes, as far as its end shows it."""
    lines = os.pread(descriptor, _LINE_BYTES, max(0, size - _LINE_BYTES)).split(b"\n")
    return lines[-2].decode("utf-8", "replace") if len(lines) > 1 else ""


def _answer(module: str, code: int, output: bytes, errors: bytes) -> Any:
    try:
        answer = json.loads(output)
    except ValueError as error:
        tail = plain(errors.decode("utf-8", "replace").strip()[-_TAIL_CHARACTERS:], _TAIL_CHARACTERS)
        text = f"The worker {module} ended with code {code} and without an answer. It last wrote: {tail}"
        raise Unavailable(text, "The agent's log has the whole text.") from error
    if "error" in answer:
        raise heard(answer)
    return answer["ok"]


def serve_one(work: Callable[[dict[str, Any]], Any]) -> None:
    """Be a worker: answer the request on stdin. What the work prints goes to stderr, never into the answer."""
    end_with_parent()
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        answer: dict[str, Any] = {"ok": work(json.load(sys.stdin))}
    except DeskError as error:
        answer = dict(error.told())
    with answer_to:
        json.dump(answer, answer_to)


def end_with_parent() -> None:
    """Be killed when the thread that started this process ends, and what it starts then: nobody reads its answer."""
    _serving.set()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_memory(limit_bytes: int) -> None:
    """Cap this process's address space, so that a lying server costs one worker and not the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def start_detached(
    command: list[str], log: Path, environment: Mapping[str, str] | None = None, keep: Sequence[int] = ()
) -> int:
    """Start a process that outlives this one, its output in ``log``, with the descriptors ``keep``; return its pid."""
    with open(log, "ab", opener=_private) as output:
        process = start_child(command, stdout=output, stderr=output, environment=environment, outlives=True, keep=keep)
    leave(process)
    return process.pid


def leave(process: subprocess.Popen[bytes]) -> None:
    """Wait for a child no longer. It is kept: collected once it has ended, at the next call, and no zombie for ever."""
    _detached[:] = [known for known in _detached if known.poll() is None]
    _detached.append(process)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def exit_code(pid: int) -> int | None:
    """Return how a process of ``start_detached`` ended; None while it runs."""
    return next((known.poll() for known in _detached if known.pid == pid), None)


def ended_by(code: int) -> str:
    """Return in words how a process ended: by its code, or by the signal whose negative number that is."""
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"by signal {-code}"


def hand_over(command: Sequence[str]) -> NoReturn:
    """Go on as another program, which gets this one's terminal, rights and environment. Raises OSError."""
    os.execv(command[0], list(command))  # noqa: S606 - no shell reads these words


def end_group(process: subprocess.Popen[bytes], grace_seconds: float = 0.0) -> None:
    """End a child that leads its own session, and all it started: TERM, then KILL after ``grace_seconds``."""
    if grace_seconds > 0:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the KILL below is the answer
            process.wait(grace_seconds)
    _signal_group(process, signal.SIGKILL)
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        leave(process)  # in uninterruptible sleep, or the machine is busy: it holds nothing of ours
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _signal_group(leader: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # A leader that was waited for gave its number back. While any of its group lives no other process can get it:
    # whoever has it now is a stranger, and so is the group.
    if leader.returncode is not None and Path(f"/proc/{leader.pid}").exists():
        return
    try:
        os.killpg(leader.pid, number)
    except ProcessLookupError:
        return


def start_ticks(pid: int) -> int | None:
    """Return when ``pid`` started, in clock ticks since boot; None if there is no such process.

    Pid and start ticks together name a process for the life of the machine (field 22 of proc(5) stat). Not by psutil:
    its time of creation moves with the clock.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def owner_uid(pid: int) -> int | None:
    """Return whose process ``pid`` is; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
