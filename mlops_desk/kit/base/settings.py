"""Settings are one table: key, title, help, kind, default and limits. Dialog and command line come from it.

Values that differ from their defaults lie in ``settings.json``. A damaged file is set aside and the
defaults hold; a value that no longer fits its declaration is ignored and stays there. ``note`` says so.
"""

import json
import logging
import threading
from pathlib import Path

from mlops_desk.kit.base.disk.files import set_aside, write_atomically
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.kit.base.setting import Setting, Value
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

_NAMED = 5  # chosen: as many as stand in one line
_ENGINE = r"[a-z][a-z0-9-]{0,31}=([a-z]+:)?(unix:///|tcp://|https?://)\S{1,200}"  # as engines/table.py reads them
_RUNTIME = r"[a-z][a-z0-9-]{0,39}=[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}"  # as serving/templates/ reads them

_WEB = r"(https?://[^\s@]{1,500})?"  # kit/base/network.py says what is wrong; with a login it is never kept
_NAME_OF_SECRET = r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?"  # noqa: S105 - a form, as kit/storage/secrets.py has it
_MAIL = r"([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253})?"
_WEIGHT = r"[^\s=]{1,64}=(\d{1,3}(\.\d{1,3})?|\.\d{1,3})"


SETTINGS: tuple[Setting, ...] = (
    Setting("ui.theme", "Window", "Colours", "Follow the system, or always dark or light.", "choice", "system",
            choices=("system", "dark", "light")),
    Setting("ui.close_to_tray", "Window", "Close to tray",
            "Closing the window keeps the tray icon, where the desktop has a tray.", "switch", True),
    Setting("telemetry.interval_seconds", "Telemetry", "Sampling interval",
            "How often GPUs and host are read.", "number", 1.0, minimum=0.5, maximum=60.0, unit="s"),
    Setting("gpus.booking_days", "GPUs", "Book ahead",
            "How far ahead of its beginning a GPU can be booked (gpus reserve).", "integer", 14, minimum=1, maximum=365,
            unit="days"),
    # 96: a day of four GPUs, or the nights of a week on one.
    Setting("gpus.booking_gpu_hours", "GPUs", "Booked by one person",
            "GPU-hours that one person may have booked and not used up; further bookings of theirs do not count here.",
            "integer", 96, minimum=1, maximum=100_000, unit="h"),
    Setting("engine.host", "Containers", "Container engine",
            "Address of the engine; empty means DOCKER_HOST or the machine's own socket.", "text", ""),
    Setting("engine.others", "Containers", "Further engines",
            "Engines that jobs can be sent to by name (jobs submit --runtime NAME), written NAME=ADDRESS with blanks "
            "between, as lab=unix:///run/lab/docker.sock; a new name counts from the agent's next start.",
            "text", "", form=rf"({_ENGINE}( +{_ENGINE})*)?"),
    Setting("jobs.keep_containers", "Containers", "Keep finished containers",
            "Leave the container of a finished job for inspection.", "switch", False),
    Setting("jobs.stop_grace_seconds", "Containers", "Grace before a job is killed",
            "Time a cancelled job has to save its work.", "integer", 30, minimum=0, maximum=3600, unit="s"),
    Setting("jobs.mount_roots", "Containers", "Folders that jobs may mount",
            "A job mounts nothing, and takes its code (source:) from nowhere, but what lies in one of these, links "
            "resolved; ~ is the home of whose job it is. Blanks between them, as ~ /data /scratch.", "text",
            "~ /data /mnt /srv", form=r"(~|/\S{0,200})( +(~|/\S{0,200}))*"),
    Setting("jobs.relaxable", "Containers", "Points that jobs may relax",
            "A job file may name these in relax; each opens something of the container, and is in the audit trail.",
            "text", "writable_root exec_tmp seccomp more_processes lan_ports",
            form=r"([a-z_]{1,40}( +[a-z_]{1,40})*)?"),
    Setting("jobs.out_mebibytes", "Containers", "Largest output folder of a job",
            "A job that writes more than this to /mlops-desk/out, its outputs and its checkpoint is stopped; large "
            "results belong on a mount.",
            "integer", 10_240, minimum=16, maximum=1_073_741_824, unit="MiB"),
    # 100 GiB: seven whole checkpoints of a model of 7 billion parameters (14 GB each), and no disk of a GPU machine.
    Setting("jobs.artifact_mebibytes", "Containers", "Largest artifacts of a job",
            "The tracking server takes no more files than this for a job's run and its children; it holds for jobs "
            "that start from then on.", "integer", 102_400, minimum=16, maximum=1_073_741_824, unit="MiB"),
    # 4 GiB: some eleven million points of metrics, 100 each second for 30 hours; a store of ten such opens in minutes.
    Setting("jobs.logged_mebibytes", "Containers", "Largest records of a job",
            "The tracking server takes no more metrics, parameters, tags and children than this for a job's run; it "
            "holds for jobs that start from then on.", "integer", 4096, minimum=16, maximum=1_048_576, unit="MiB"),
    Setting("jobs.idle_minutes", "Containers", "Held and not used after",
            "A job whose GPUs have done nothing for so long is told of; a preemptible one gives them back while others "
            "wait for GPUs. 0 means never.", "integer", 30, minimum=0, maximum=10_080, unit="min"),
    Setting("jobs.stuck_minutes", "Containers", "Told as stuck after",
            "A training that neither writes nor moves for so long, and for much longer than before, while its GPUs and "
            "processes are at rest, or whose loss stays no number, is an alert. 0 means never.", "integer", 15,
            minimum=0, maximum=1440, unit="min"),
    Setting("jobs.source_mebibytes", "Containers", "Largest source of a job",
            "A submit whose code (source:) is larger is refused; data belong on a mount.", "integer", 256, minimum=1,
            maximum=16_384, unit="MiB"),
    Setting("jobs.snapshots_mebibytes", "Containers", "Disk for snapshots of code",
            "Snapshots of jobs that are over are cleared away beyond this, those first that were used longest ago.",
            "integer", 10_240, minimum=16, maximum=10_485_760, unit="MiB"),
    Setting("images.context_mebibytes", "Containers", "Largest folder of a build",
            "A build whose folder is larger, without what .dockerignore leaves out, is refused.", "integer", 1024,
            minimum=1, maximum=65_536, unit="MiB"),
    Setting("jobs.export_mebibytes", "Containers", "Outputs in an export",
            "An export with more outputs (jobs export --outputs) is refused.", "integer", 10_240, minimum=1,
            maximum=10_485_760, unit="MiB"),
    # 100 GiB: a data set of images, on the disk of a GPU machine; what is larger deserves a decision.
    Setting("jobs.staging_mebibytes", "Containers", "Disk for copies of data",
            "Data that a job file stages are copied here first; copies that no job uses go beyond this, those first "
            "that were used longest ago.", "integer", 102_400, minimum=16, maximum=1_073_741_824, unit="MiB"),
    Setting("jobs.staging_folder", "Containers", "Folder for copies of data",
            "A folder of the agent's alone on a fast disk of this machine; empty means below its data folder. What "
            "lies in the one before stays there.", "path", ""),
    # 20 GiB: pulling a large image fits, and a training can write its checkpoint.
    Setting("jobs.staging_reserve_mebibytes", "Containers", "Disk that copies of data leave free",
            "No data are copied to a disk that has less left than this.", "integer", 20_480, minimum=0,
            maximum=1_073_741_824, unit="MiB"),
    Setting("jobs.disk_mebibytes", "Containers", "Disk for logs, code and data of jobs",
            "What logs, snapshots of code and copies of data may take together, each within its own part; the part of "
            "data gives way first. 0 means the parts together.", "integer", 0, minimum=0, maximum=1_073_741_824,
            unit="MiB"),
    Setting("queue.gpus_per_user", "Queue", "GPUs of one person at once",
            "Jobs of a person who holds so many wait; 0 means no limit.", "integer", 0, minimum=0, maximum=1024),
    Setting("queue.jobs_per_user", "Queue", "Queued jobs of one person",
            "More than so many are not taken into the queue; 0 means no limit.", "integer", 0, minimum=0,
            maximum=1_000_000),
    Setting("queue.jobs_without_gpus", "Queue", "Jobs without GPUs at once",
            "More of them wait; 0 means as many as the machine has processor cores, and two at least.", "integer", 0,
            minimum=0, maximum=10_000),
    Setting("queue.half_life_hours", "Queue", "Half-life of what was used",
            "Among equal priorities whoever has used less goes first; what was used counts half after this time.",
            "number", 168.0, minimum=1.0, maximum=8760.0, unit="h"),
    Setting("queue.spared_seconds", "Queue", "Longest start that is spared",
            "A preemptible job that has run for less is not stopped for a more important one.", "integer", 600,
            minimum=0, maximum=86_400, unit="s"),
    Setting("queue.patience_hours", "Queue", "Longest wait without a start",
            "Whoever has had no job of a priority started for so long goes first, whatever the others' priority.",
            "number", 24.0, minimum=0.1, maximum=8760.0, unit="h"),
    Setting("queue.weights", "Queue", "Shares of users",
            "Whoever has 2 may use twice as much before others go first, written NAME=WEIGHT with blanks between, as "
            "ana=2 bo=0.5; all others have 1. It holds among the users of one agent.", "text", "",
            form=rf"({_WEIGHT}( +{_WEIGHT})*)?"),
    # 12: the end of a working day's jobs, and of those of a night.
    Setting("queue.kept_hours", "Queue", "GPUs kept for other agents' jobs",
            "GPUs stay unused for the first job of another user's agent for so long at most, then they are given out "
            "here for as long; 0 means that none are kept.", "number", 12.0, minimum=0.0, maximum=168.0, unit="h"),
    # 4 GiB: some 40 GiB as they were written, and little beside the images of jobs.
    Setting("jobs.log_mebibytes", "Containers", "Disk for the logs of jobs",
            "What the compressed logs of all jobs may take together; those of the jobs that ended first go first.",
            "integer", 4096, minimum=64, maximum=1_073_741_824, unit="MiB"),
    Setting("network.http_proxy", "Network", "Proxy for http",
            "Address of the proxy, as http://proxy.example:3128, for jobs, builds, git and pip; without a login, which "
            "is a secret. The engine pulls images through a proxy of its own (mlops-desk doctor tells of it).",
            "text", "", form=_WEB),
    Setting("network.https_proxy", "Network", "Proxy for https",
            "Likewise for https: most proxies take both, and the address begins with http:// all the same.",
            "text", "", form=_WEB),
    Setting("network.no_proxy", "Network", "Reached without proxy",
            "Hosts (db.lab), domains (.lab) and addresses (10.0.0.7), blanks between them; this machine, the engine's "
            "bridge and the tracking server always are. Networks (10.0.0.0/8) are understood by Go, curl and requests, "
            "not by urllib or httpx.", "text", "", form=r"[\w.:/,*\[\] -]{0,2000}"),
    Setting("network.proxy_login", "Network", "Secret with the proxy's login",
            "Name of a secret that says USER:PASSWORD. A job that names it among its secrets gets it for pip, git and "
            "curl, in files; sources are fetched with it. Other programs take a proxy's login from the environment "
            "alone, where it is never put.", "text", "", form=_NAME_OF_SECRET),
    Setting("network.ca_bundle", "Network", "Certificates trusted besides",
            "File of PEM certificates (of a proxy that looks into connections, of a registry of your own) that jobs, "
            "builds, git and pip trust beside the usual ones.", "path", ""),
    Setting("network.package_index", "Network", "Package index",
            "Address of the index that pip and uv ask in jobs and builds, as https://pypi.example/simple; empty means "
            "their own.", "text", "", form=_WEB),
    Setting("network.extra_indexes", "Network", "Further package indexes",
            "Addresses of indexes that are asked besides, blanks between them.", "text", "",
            form=rf"({_WEB}( +{_WEB})*)?"),
    Setting("network.index_login", "Network", "Secret with the index's login",
            "Name of a secret that says USER:PASSWORD. A job that names it among its secrets gets it as a netrc file "
            "for the hosts of the indexes, which pip, uv and git read.", "text", "", form=_NAME_OF_SECRET),
    Setting("network.wheels", "Network", "Folder of wheels",
            "Folder that jobs and builds find wheels in; where no package index is named, they ask no other.",
            "path", ""),
    Setting("secrets.keeper", "Containers", "Where secrets are kept",
            "In a person's own keyring, in a file of mode 0400 in the agent's data folder, or (auto) in the keyring "
            "where one answers. A job waits for a keyring that is locked, as at night, when its person has logged out.",
            "choice", "auto", choices=("auto", "keyring", "file")),
    Setting("network.registries", "Network", "Image registries to check",
            "Hosts of image registries that mlops-desk doctor asks whether they answer, and whether you are logged in "
            "(docker login); blanks between them.", "text", "", form=r"[\w.:, -]{0,1000}"),
    Setting("registry.uri", "Registry", "Tracking server",
            "Registry that is meant when none is named: an address, or a name of the list of registries; empty means "
            "the desk's own server, where jobs always log.",
            "text", ""),
    Setting("serving.base_image", "Endpoints", "Base image",
            "Image with Python and pip on which endpoint images are built.", "text", "python:3.12-slim"),
    Setting("serving.wheelhouse", "Endpoints", "Wheelhouse",
            "Folder of wheels to install from instead of the package index; empty means the index.", "path", ""),
    Setting("serving.runtime_images", "Endpoints", "Images of runtimes",
            "Images that serve in the place of those that the runtimes' own files name, written RUNTIME=IMAGE with "
            "blanks between them, as vllm=vllm/vllm-openai:v0.11.0; mlops-desk endpoints runtimes lists them.", "text",
            "", form=rf"({_RUNTIME}( +{_RUNTIME})*)?"),
    Setting("serving.build_timeout_seconds", "Endpoints", "Longest image build",
            "An image build that takes longer is ended.", "integer", 1800, minimum=30, maximum=86_400, unit="s"),
    Setting("serving.start_timeout_seconds", "Endpoints", "Longest model start",
            "A container that does not answer within this time is taken for broken.", "integer", 120, minimum=5,
            maximum=3600, unit="s"),
    Setting("serving.memory_mebibytes", "Endpoints", "Memory of an endpoint",
            "What one endpoint's container may use.", "integer", 4096, minimum=128, maximum=4_194_304, unit="MiB"),
    Setting("serving.compare_answers", "Endpoints", "Compare answers to the example",
            "A model has to go on answering its own example as it did when it was deployed; off where answers depend "
            "on the day, say.", "switch", True),
    Setting("serving.request_log_days", "Endpoints", "Keep requests for",
            "Older rows of the request log are deleted, unless their data set is kept for longer or something needs "
            "them.", "integer", 30, minimum=1, maximum=3650, unit="days"),
    Setting("serving.request_log_mebibytes", "Endpoints", "Largest request log",
            "The oldest rows of an endpoint's request log are deleted beyond this size.", "integer", 2048, minimum=16,
            maximum=10_485_760, unit="MiB"),
    Setting("serving.canary_bake_seconds", "Endpoints", "A canary's time at each step",
            "So long a new revision answers its share of the requests before it gets a larger one.", "integer", 300,
            minimum=1, maximum=604_800, unit="s"),
    Setting("serving.canary_requests", "Endpoints", "A canary's requests at each step",
            "So many requests a new revision has to answer before it gets a larger share.", "integer", 100, minimum=1,
            maximum=1_000_000_000),
    Setting("serving.canary_more_errors_percent", "Endpoints", "Errors that a canary may have more",
            "A new revision goes back by itself when its share of errors is surely above the live one's by this much.",
            "number", 1.0, minimum=0.0, maximum=100.0, unit="%"),
    Setting("serving.canary_times_latency", "Endpoints", "Slowness that a canary may have",
            "A new revision goes back by itself when surely more than a twentieth of its answers take longer than this "
            "many times the live one's p95.", "number", 1.5, minimum=1.0, maximum=1000.0),
    Setting("serving.queue", "Endpoints", "Requests that may wait",
            "So many requests may wait for a place at an endpoint, or for one that wakes up; more are told to come "
            "again later.", "integer", 256, minimum=0, maximum=100_000),
    Setting("serving.scale_queue", "Endpoints", "Requests for each replica",
            "An endpoint that may have more replicas gets them when so many requests for each of them are under way "
            "or wait. A model that takes one at a time has this many waiting.", "number", 4.0, minimum=0.5,
            maximum=10_000.0),
    Setting("serving.scale_up_seconds", "Endpoints", "More replicas after",
            "Requests have to wait for so long before another replica starts.", "integer", 6, minimum=1,
            maximum=3600, unit="s"),
    Setting("serving.scale_down_seconds", "Endpoints", "Fewer replicas after",
            "One replica fewer would have been enough for so long before one ends.", "integer", 300, minimum=1,
            maximum=86_400, unit="s"),
    Setting("serving.wake_seconds", "Endpoints", "Longest wait for one that sleeps",
            "A request to an endpoint that sleeps waits for so long until it is up, then it is told to come again.",
            "integer", 60, minimum=1, maximum=600, unit="s"),
    Setting("serving.claim_seconds", "Endpoints", "Time of a job to give a lent GPU back",
            "A preemptible job on a GPU that an endpoint had lent and asks for has its own grace to save its work, but "
            "no more than this. An endpoint is to have its GPU back within ten seconds.", "integer", 5, minimum=0,
            maximum=3600, unit="s"),
    Setting("serving.listen", "Endpoints", "Reached from other machines at",
            "ADDRESS:PORT at which endpoints are reached by TLS and with a token, beside 127.0.0.1: 0.0.0.0:8443 for "
            "all addresses of this machine, [::]:8443 for IPv6 too. Empty: from this machine alone.", "text", "",
            form=r"((\[[0-9A-Fa-f:.]{2,45}\]|[0-9.]{7,15}):[0-9]{1,5})?"),
    Setting("serving.tls_certificate", "Endpoints", "Certificate for other machines",
            "PEM file with the server's certificate first; empty means one of the desk's own authority, which callers "
            "have to be given (mlops-desk endpoints network).", "path", ""),
    Setting("serving.tls_key", "Endpoints", "Key of that certificate",
            "PEM file of the key, without a password. Both files are read again when they are replaced.", "path", ""),
    Setting("drift.check_seconds", "Drift", "Look for drift every",
            "How often the monitors that the desk proposes look for new requests; 0 means only by hand.", "integer", 30,
            minimum=0, maximum=604_800, unit="s"),
    Setting("drift.window_rows", "Drift", "Window",
            "So many requests are compared with the reference at a time.", "integer", 1000, minimum=30,
            maximum=1_000_000, unit="rows"),
    Setting("drift.share_references", "Drift", "Share reference profiles",
            "Leave the profile of a model's data (counts, labels of categories, a sample of texts) among the files of "
            "its run, where any desk of the registry finds it.", "switch", True),
    Setting("drift.keep_windows_days", "Drift", "Keep windows for",
            "Older ones are known by the hour; counted back from a monitor's newest window.", "integer", 30, minimum=1,
            maximum=3650, unit="days"),
    Setting("drift.keep_hours_days", "Drift", "Keep hours for",
            "Older ones are known by the day.", "integer", 365, minimum=1, maximum=3650, unit="days"),
    Setting("drift.keep_days_days", "Drift", "Keep days for", "Older ones are deleted.", "integer", 1826, minimum=31,
            maximum=36_500, unit="days"),
    Setting("drift.keep_mb", "Drift", "Most that windows may take",
            "Beyond it the oldest windows are deleted, then the oldest hours.", "integer", 2048, minimum=64,
            maximum=1_048_576, unit="MiB"),
    Setting("alerts.webhook", "Alerts", "Webhook",
            "Address that gets each alert as JSON; empty means none. It is kept secret.", "text", "", secret=True),
    Setting("alerts.webhook_private", "Alerts", "Webhook in a private network",
            "Allow the webhook's host to be this machine or one of a private network.", "switch", False),
    Setting("notify.smtp", "Alerts", "Mail server",
            "HOST or HOST:PORT of the SMTP server that rules send mail by (notify: [email]); empty means none.", "text",
            "", form=r"([A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?)?"),
    Setting("notify.smtp_security", "Alerts", "Encryption to the mail server",
            "tls from the first byte (port 465), starttls (587), or none (25), without a login.", "choice", "starttls",
            choices=("starttls", "tls", "none")),
    Setting("notify.smtp_login", "Alerts", "Secret with the mail server's login",
            "Name of a secret of the agent's own user that says USER:PASSWORD; empty means without a login.", "text",
            "", form=_NAME_OF_SECRET),
    Setting("notify.mail_from", "Alerts", "Sender of mail", "Address that mail of rules comes from.", "text", "",
            form=_MAIL),
    Setting("notify.mail_to", "Alerts", "Receivers of mail",
            "Addresses that mail of rules goes to, blanks between them.", "text", "",
            form=rf"({_MAIL}( +{_MAIL})*)?"),
    Setting("notify.command", "Alerts", "Program that rules run",
            "Absolute path of a program that rules of the agent's own user run (notify: [command]): as that user, "
            "without arguments, with what happened as JSON on its standard input, for 30 s at most.", "path", ""),
    Setting("metrics.enabled", "Metrics", "Prometheus endpoint",
            "Serve the newest numbers on the loopback address; mlops-desk doctor says how to ask.", "switch", False),
    Setting("metrics.port", "Metrics", "Port of the endpoint", "Port on the loopback address.", "integer", 9464,
            minimum=1024, maximum=65_535),
)  # fmt: skip


class SettingsStore:
    """Reads and writes the values of ``SETTINGS`` in one file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table = {setting.key: setting for setting in SETTINGS}
        self._damage: str | None = None
        self._strange: dict[str, object] = {}
        self._values = self._load()

    @property
    def note(self) -> str | None:
        """Say what of the file does not hold, None when all of it does."""
        if self._damage is not None or not self._strange:
            return self._damage
        names = ", ".join(plain(key, 40) for key in [*self._strange][:_NAMED])
        return f"Settings that are unknown here or do not fit are ignored: {names}. They stay in {self._path}."

    def get(self, key: str) -> Value:
        """Return the value of ``key``; KeyError for an undeclared one (a bug)."""
        with self._lock:
            return self._values.get(key, self._table[key].default)

    def text(self, key: str) -> str:
        return str(self.get(key))

    def number(self, key: str) -> float:
        value = self.get(key)
        if isinstance(value, str):
            raise TypeError(key)
        return float(value)

    def switch(self, key: str) -> bool:
        return bool(self.get(key))

    def set(self, key: str, text: str) -> Value:
        """Check and store a value. Raises NotFound, Invalid, OSError."""
        if key not in self._table:
            raise NotFound(f"There is no setting {key!r}.", Hint("mlops-desk settings list", after=" shows them all."))
        value = self._table[key].parse(text)
        with self._lock:
            values = {**self._values, key: value}
            if value == self._table[key].default:
                del values[key]
            strange = {other: kept for other, kept in self._strange.items() if other != key}
            write_atomically(self._path, json.dumps({**strange, **values}, indent=2, sort_keys=True).encode())
            self._values, self._strange = values, strange
        return value

    def _load(self) -> dict[str, Value]:
        """Read the file. What is no mapping is kept aside; what does not fit stays in the file as it is."""
        try:
            stored = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            if not self._path.is_dir():
                text = f"The settings in {self._path} can't be read: {error.strerror}."
                hint = Hint(f"ls -la {self._path}", before="Check the permissions of the file: ")
                raise Unavailable(text, hint) from error
            return self._damaged()
        except (ValueError, RecursionError):
            return self._damaged()
        if not isinstance(stored, dict):
            return self._damaged()
        self._strange = {key: value for key, value in stored.items() if not self._fits(key, value)}
        return {key: value for key, value in stored.items() if key not in self._strange}

    def _damaged(self) -> dict[str, Value]:
        kept = set_aside(self._path)
        self._damage = f"The settings were damaged, so the defaults hold. The file is kept as {kept}."
        _log.warning("%s", self._damage)
        return {}

    def _fits(self, key: str, value: Value) -> bool:
        try:
            self._table[key].check(value)
        except (KeyError, Invalid):
            _log.warning("Setting %r is unknown or does not fit any more and is ignored", plain(key, 40))
            return False
        return True
