"""What jobs may be asked to be, drawn by hypothesis: every field of a job file, as a file that is right says it."""

import string
from dataclasses import replace

from hypothesis import strategies as st

from mlops_desk.jobs.file.schedule import SIGNALS
from mlops_desk.jobs.records.spec import (
    Build,
    Goal,
    JobKind,
    JobSpec,
    MlflowSpec,
    Mount,
    Resources,
    Source,
    Sweep,
    ValueSpan,
    Warned,
)

VISIBLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
WITHOUT_BRACES = st.text(st.characters(exclude_characters="\0{}", exclude_categories=("Cs",)), max_size=40)
_PARTS = st.lists(st.text(string.ascii_letters + "._- é", min_size=1, max_size=8), min_size=1, max_size=3)
PATHS = _PARTS.map(lambda parts: "/" + "/".join(part.strip(".") or "x" for part in parts))
BYTES = st.none() | st.integers(6 << 20, 1 << 60)
SECONDS = st.integers(1, 366 * 86_400_000).map(lambda thousandths: thousandths / 1000)
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True).filter(
    lambda name: not name.startswith(("NVIDIA_", "LD_"))
)
PARAMETERS = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True).filter(lambda name: name != "index")
WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
TARGETS = st.text(string.ascii_lowercase, min_size=4, max_size=8).map(lambda name: f"/{name}")
NUMBERS = st.floats(-1e12, 1e12)


@st.composite
def resources(draw):
    gpus = draw(st.integers(0, 999))
    uuids = tuple(sorted(draw(st.sets(st.from_regex(r"GPU-[0-9a-f]{8}", fullmatch=True), min_size=1, max_size=4))))
    named = gpus > 0 and draw(st.booleans())
    memory = draw(BYTES)
    share = draw(st.none() | st.integers(6 << 20, memory or 1 << 60)) if gpus else None
    return Resources(
        gpus=len(uuids) if named else gpus,
        gpu_memory_bytes=memory,
        cpus=draw(st.none() | st.integers(1, 9_999_999).map(lambda thousandths: thousandths / 1000)),
        memory_bytes=draw(BYTES),
        shm_bytes=draw(BYTES),
        gpu_model=draw(st.none() | VISIBLE) if gpus else None,
        gpu_uuids=uuids if named else (),
        exclusive=share is None,
        share_bytes=share,
    )


@st.composite
def mounts(draw):
    targets = sorted(draw(st.sets(TARGETS, max_size=3)))
    modes = [draw(st.sampled_from(["ro", "rw"])) for _ in targets]
    return tuple(
        Mount(draw(PATHS), target, mode, stage=mode == "ro" and draw(st.booleans()))
        for target, mode in zip(targets, modes, strict=True)
    )


SOURCES = st.builds(lambda folder: Source(folder=folder, target="/work"), PATHS) | st.builds(
    lambda ref: Source(git="https://host/repo.git", ref=ref, target="/src/code"), st.none() | st.just("v1.0/x")
)


@st.composite
def spans(draw):
    low, high = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=2, unique=True)))
    whole = draw(st.booleans())
    if whole:
        low, high = float(int(low)), float(int(high) + 1)
    return ValueSpan(low, high, log=low > 0 and draw(st.booleans()), whole=whole)


@st.composite
def sweeps(draw):
    lists = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
    metric = draw(st.none() | VISIBLE)
    about = {
        "seed": draw(st.integers(-99, 1 << 40)),
        "metric": metric,
        "goal": draw(st.sampled_from(Goal)) if metric else Goal.MAXIMIZE,
        "stop_below_best": draw(st.none() | st.integers(1, 99)) if metric else None,
    }
    if draw(st.booleans()):
        return Sweep(grid=draw(st.dictionaries(PARAMETERS, lists, min_size=1, max_size=3)), **about)
    drawn = draw(st.dictionaries(PARAMETERS, lists | spans(), min_size=1, max_size=3))
    return Sweep(
        grid={name: values for name, values in drawn.items() if isinstance(values, tuple)},
        spans={name: span for name, span in drawn.items() if isinstance(span, ValueSpan)},
        samples=draw(st.integers(1, 20)),
        **about,
    )


@st.composite
def specs(draw):
    params = draw(st.dictionaries(PARAMETERS, TEXT, max_size=3))
    array, sweep = draw(st.sampled_from([(None, None), (None, None), (3, None), (None, sweeps())]))
    sweep = None if sweep is None else draw(sweep)
    text = WITHOUT_BRACES if params or array or sweep else TEXT
    limit = draw(st.none() | SECONDS)
    preemptible = draw(st.booleans())
    name = draw(VISIBLE)
    spec = JobSpec(
        name=name,
        image=draw(st.from_regex(r"[a-z][a-z0-9/:._-]{0,20}", fullmatch=True)),
        command=tuple(draw(st.lists(text, max_size=4))),
        env=draw(st.dictionaries(NAMES, text, max_size=3)),
        resources=draw(resources()),
        mounts=draw(mounts()),
        mlflow=draw(st.none() | st.builds(MlflowSpec, VISIBLE, st.none() | st.just("http://host:5000"))),
        kind=draw(st.sampled_from([kind for kind in JobKind if kind is not JobKind.PROCESS])),
        params=params,
        seed=draw(st.none() | st.integers(-(10**17), 10**17)),
        priority=draw(st.integers(-1000, 1000)),
        preemptible=preemptible,
        time_limit_seconds=limit,
        grace_seconds=draw(st.none() | st.just(0.0) | SECONDS),
        begin_at=draw(st.none() | st.integers(0, 4_000_000_000_000_000).map(lambda micros: micros / 1_000_000)),
        after=tuple(sorted(draw(st.sets(VISIBLE, max_size=2)) - {name})),
        after_success=tuple(sorted(draw(st.sets(VISIBLE, max_size=2)) - {name})),
        retries=draw(st.dictionaries(WORDS.map(lambda word: f"x-{word}"), st.integers(0, 100), max_size=3)),
        array=array,
        sweep=sweep,
        secrets=tuple(sorted(draw(st.sets(WORDS, max_size=2)))),
        source=draw(st.none() | SOURCES),
        build=draw(st.none() | st.builds(Build, PATHS, st.sampled_from(["Dockerfile", "docker/Dockerfile.gpu"]))),
        outputs=tuple(sorted(draw(st.sets(TARGETS, max_size=2)))),
        checkpoint=draw(st.none() | TARGETS),
        ports=tuple(sorted(draw(st.sets(st.integers(1, 65_535), max_size=2)))),
        relax=tuple(sorted(draw(st.sets(WORDS, max_size=2)))),
    )
    if spec.build is not None and not spec.command and not spec.resources.gpus:
        spec = replace(spec, build=replace(spec.build, only=draw(st.booleans())))
    if limit is None and not preemptible:
        return spec
    longest = int((limit or 86_400) * 1000)
    before = draw(st.none() | st.integers(1, longest - 1)) if longest > 1 else None
    warning = None if before is None else Warned(draw(st.sampled_from(SIGNALS)), before / 1000)
    return replace(spec, warning=warning)
