"""What a copy of the simulated NVML library gets beyond the original: more room, system events, GPM of MIG instances.

Each replacement is (file, what stands there, what is to stand there); ``SYSTEM`` is a source of its own.
"""

from pathlib import Path

SYSTEM = Path(__file__).with_name("nvml_sim_system.c")

HEADER = """
#ifndef ADDITIONS_H
#define ADDITIONS_H
#define EVENT_UNBIND (1ull << 40)
#define EVENT_BIND (1ull << 41)
#define MOST_PROCS 4096
struct snap;
void load_of_instance(int gpu, unsigned gi, struct snap *s);
#endif
"""

_ROOM = (
    ("src/scenario.c", "#define MAX_PROCS 1024", "#define MAX_PROCS 16384"),
    ("src/api.c", "[128]", "[4096]"),
    ("src/api.c", ", 128)", ", 4096)"),
    ("src/state.c", "[128]", "[4096]"),
    ("src/state.c", ", 128)", ", 4096)"),
)

_SYSTEM_CALLS = "nvmlSystemEventSetCreate; nvmlSystemEventSetFree; nvmlSystemEventSetWait; nvmlSystemRegisterEvents;"
_SYSTEM_EVENTS = (
    ("src/scenario.c", '#include "sim.h"', '#include "sim.h"\n#include "additions.h"'),
    (
        "src/scenario.c",
        '{ "sbe", EVENT_SBE }',
        '{ "unbind", EVENT_UNBIND }, { "bind", EVENT_BIND }, { "sbe", EVENT_SBE }',
    ),
    ("src/r535.map", "local:", f"local: {_SYSTEM_CALLS}"),
    ("src/r470.map", "local:", f"local: {_SYSTEM_CALLS}"),
)

_GPM_OF_INSTANCES = (
    ("src/gpm.c", '#include "api.h"', '#include "api.h"\n#include "additions.h"'),
    ("src/gpm.c", "unsigned magic; int gpu;", "unsigned magic; int gpu, gi;"),
    ("src/gpm.c", "s->gpu = c.gpu;", "s->gpu = c.gpu;\n\ts->gi = -1;"),
    ("src/gpm.c", "a->gpu == b->gpu", "a->gpu == b->gpu && a->gi == b->gi"),
    (
        "src/gpm.c",
        "{ DEV(device); (void)gi; (void)s; RET(NVML_ERROR_NOT_SUPPORTED); }",
        """{
	DEV(device);
	NEED(s && s->magic == MAGIC);
	SUPPORT(has(&c));
	bool there = false;
	for (unsigned i = 0; i < g->n_mig && mig_mode(c.gpu) == 1; i++)
		there |= g->mig[i].gi == gi;
	NEED(there);
	integrate(c.gpu);
	s->gpu = c.gpu;
	s->gi = (int)gi;
	s->s = *c.s;
	s->rt = *rt;
	load_of_instance(c.gpu, gi, &s->s);
	RET(0);
}""",
    ),
)

REPLACEMENTS = (*_ROOM, *_SYSTEM_EVENTS, *_GPM_OF_INSTANCES)


def key() -> bytes:
    """Return what a library that was built before must have been built with to be the same."""
    return repr((REPLACEMENTS, HEADER)).encode() + SYSTEM.read_bytes()


def extend(copy: Path) -> None:
    """Put the additions into a copy of the simulator's sources."""
    for name, before, after in REPLACEMENTS:
        source = copy / name
        source.chmod(0o644)
        text = source.read_text()
        if before not in text:
            raise AssertionError(f"{name} has no {before} any more")
        source.write_text(text.replace(before, after))
    (copy / "src" / "additions.h").write_text(HEADER)
    (copy / "src" / "system.c").write_bytes(SYSTEM.read_bytes())
