"""Help for the words of the command line, where a parameter's declaration has none of its own.

A parameter means the same in all verbs that have it; where it does not, a row names the verb too.
"""

from mlops_desk.verbs.declaration import Option, Parameter, Verb

HELP = {
    "a": "id of one job, or the beginning of it",
    "alert_id": "id of the alert, or the beginning of it",
    "by": "user, job, project (MLflow experiment) or week",
    "alias": "alias of the model, such as champion",
    "b": "id of the other job, or the beginning of it",
    "booking_id": "id of the booking; gpus bookings shows them",
    "changed": "a field of the job file with its new value, as resources.gpus=2; may be given several times",
    "clear_at": "value at which the alert ends, so that it does not flicker",
    "cooldown_seconds": "least time between two retrainings that drift sets off",
    "copy": "id of the copy; jobs cache shows them",
    "data": "new path on this machine for a mount target of the job; may be given several times",
    "device": "GPU (gpu0 or its UUID), disk, network card or host",
    "enabled": "true or false",
    "ends_at": "22:00, +8h, or a date as 2026-11-24T22:00",
    "engine": "name of one of the engines in the settings; without it this machine's own",
    "endpoint": "name of the endpoint",
    "everything": "end the gateway and the tracking server too",
    "follow": "go on until the job ends",
    "for_seconds": "how long the value must be beyond the threshold, within a span two and a half times as long",
    "force": "end it at once (KILL), without letting it save anything",
    "gpu": "GPU by its index or UUID",
    "gpu_memory": "memory that each of them must have free, as 40GiB",
    "gpus": "how many GPUs",
    "group": "only those of this array or sweep, by the id of its first job",
    "image_id": "name of the image, its id, or the beginning of that",
    "incident_id": "id of the event, or the beginning of it",
    "job_id": "id of the job, or the beginning of it",
    "key": "key of the setting; settings list shows them",
    "level": "info, warning or alert",
    "limit": "list at most so many, 1 to 10000",
    "lower_is_better": "a smaller value of the metric is the better one",
    "metric": "metric of the run that decides which version is better",
    "model": "name of the registered model",
    "moment": "-1h, -7d, a date, or Unix seconds",
    "name": "name of the endpoint",
    "pid": "process id",
    "points": "about so many rows, 1 to 5000",
    "reference": "Parquet or CSV file to compare with, instead of the dataset of the model's run",
    "report_id": "id of the report, or the beginning of it",
    "retraining_id": "id of the retraining, or the beginning of it",
    "rule": "only those of this rule",
    "run_id": "id of the run",
    "since": "-1h, -7d, a date, or Unix seconds",
    "spec": "YAML file that describes the job; - is standard input",
    "start_ticks": "when the process began, as gpus list shows it, so that a later one with its pid is safe",
    "starts_at": "18:00, +2h, or a date as 2026-11-24T18:00; without it now",
    "state": "queued, blocked, starting, running, succeeded, failed, cancelled or unknown",
    "task_id": "id of the pull or build, or the beginning of it; images tasks lists them",
    "seen_at": "what was told last: answer when there is something newer",
    "unused_seconds": "only what nothing has needed for so many seconds",
    "wait_seconds": "wait so long for news",
    "tail": "only the last so many lines",
    "grep": "only lines with this text in them, in whatever case",
    "threshold": "value at which the alert begins, in the unit that alerts rules shows; a share from 0 to 1",
    "text": "what you want to say, in a sentence or two",
    "until": "the same, or now",
    "secrets.move.name": "name of the secret",
    "secrets.move.to": "keyring or file",
    "secrets.show.name": "name of the secret",
    "secrets.set.name": "name of the secret",
    "secrets.set.value": "file that has it; without one it is read from standard input",
    "secrets.remove.name": "name of the secret",
    "to": "new file to write, as job.mldcapsule",
    "value": "new value, in the setting's unit; '' is empty",
    "wait": "wait until the endpoint is live or has failed; exit code 1 when it failed",
    "which": "GPUs by index or UUID, as 0,3",
    "window": "so many of the newest requests",
    "alerts.configure.name": "name of the rule; alerts rules shows them",
    "alerts.silence.seconds": "for how long, as in 30m, 1h or 2d, at most 30d; 0 ends the silence",
    "alerts.rule.name": "name of the rule; alerts rules shows them",
    "drift.list.endpoint": "only those of this endpoint",
    "endpoints.deploy.model": "MODEL, MODEL@ALIAS or MODEL/VERSION",
    "endpoints.load.seconds": "how far back, at most 900",
    "gpus.wait.notify": "let the window say it too, also when nobody waits here any more",
    "events.list.device": "only what happened on this device",
    "events.list.level": "the least that is listed: info, warning or alert",
    "images.build.file": "Dockerfile, as it lies in the folder",
    "images.build.folder": "folder to build",
    "images.build.tag": "name of the image; without it the folder's",
    "images.logs.follow": "go on until the build ends",
    "images.prune.images": "only these ids",
    "images.pull.reference": "image to pull, as python:3.12-slim",
    "jobs.import.docker_run": "a whole line of docker run, in quotes",
    "jobs.import.file": "Compose file, MLproject, or a .mldcapsule that jobs export wrote; - is standard input",
    "jobs.export.outputs": "also what the job left in its outputs and checkpoint; how much that is, is told first",
    "jobs.preview_import.file": "file that jobs export wrote on another machine",
    "jobs.preview_import.runtime": "name of the engine it would run on; without it this machine's own",
    "jobs.submit_import.file": "file that jobs export wrote on another machine",
    "jobs.submit_import.runtime": "name of the engine to run on; without it this machine's own",
    "jobs.clear_cache.preview": "only tell which would go",
    "jobs.import.only": "only this service or entry point",
    "jobs.ran.end": "end of the span: the same, or now",
    "jobs.preview.runtime": "name of the engine it would run on; without it this machine's own",
    "jobs.prioritize.priority": "a whole number; larger goes first",
    "jobs.submit.runtime": "name of the engine to run on; without it this machine's own",
    "jobs.ran.start": "beginning of the span: -1h, -7d, a date, or Unix seconds",
    "jobs.remove_template.name": "name of one's own template",
    "jobs.save_template.name": "name of the new template: small letters, digits and -",
    "jobs.template.name": "name of the template; jobs templates lists them",
    "rules.create.alias": "alias that marks the champion, and that is moved to a better version",
    "rules.create.endpoint": "endpoint whose drift sets the rule off; without it only by hand",
    "rules.create.name": "name of the new rule",
    "rules.fire.name": "name of the rule",
    "rules.remove.name": "name of the rule",
    "rules.show.name": "name of the rule",
    "runs.page.status": "RUNNING, SCHEDULED, FINISHED, FAILED or KILLED",
    "telemetry.history.metric": "a metric, as hw.gpu.utilization; status --json and series have their names",
    "telemetry.series.key": "only those of this endpoint, or of this ENDPOINT/COLUMN",
    "telemetry.series.kind": "only those of endpoints (endpoint) or of drift (drift)",
}


def help_of(verb: Verb, parameter: Parameter) -> str | None:
    """Return the help of a parameter, with its default where it has one that says something."""
    form = parameter.form
    own = form.help if isinstance(form, Option) else None
    text = own or HELP.get(f"{verb.service}.{verb.word}.{parameter.name}") or HELP.get(parameter.name)
    if text is None:
        return None
    default = parameter.default
    if parameter.required or default in {None, ""} or isinstance(default, bool):
        return text
    return f"{text} (default {default:g})" if isinstance(default, float) else f"{text} (default {default})"


def sentence(text: str | None) -> str:
    """Return a docstring's text without the marks that only a reader of the source needs."""
    return (text or "").replace("``", "")
