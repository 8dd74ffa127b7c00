/* What the tests add to the simulated library: drivers that are bound to GPUs and unbound from them (the events of the
 * system, not of a GPU), and what a MIG instance does. Goes beside the simulator's own sources in a copy of them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "api.h"
#include "additions.h"

struct system_set { unsigned magic; ull types; double since; unsigned n_done; ull done[64]; };
typedef struct { unsigned version; struct system_set *set; } set_request;
typedef struct { unsigned version; ull types; struct system_set *set; } register_request;
typedef struct { ull type; unsigned gpu_id; } system_event;
typedef struct { unsigned version, timeout_ms; struct system_set *set; system_event *data; unsigned room, count; } wait_request;
#define MAGIC 0x5E7E0002u
#define VALID(s) NEED((s) && (s)->magic == MAGIC)
#define VERSION(q) do { NEED(q); if ((q)->version != VER(*(q), 1)) RET(NVML_ERROR_ARGUMENT_VERSION_MISMATCH); } while (0)

API nvmlSystemEventSetCreate(set_request *q)
{
	SYS_NOINIT();
	VERSION(q);
	q->set = calloc(1, sizeof *q->set);
	if (!q->set)
		RET(NVML_ERROR_MEMORY);
	q->set->magic = MAGIC;
	RET(0);
}

API nvmlSystemEventSetFree(set_request *q)
{
	SYS_NOINIT();
	VERSION(q);
	VALID(q->set);
	q->set->magic = 0;
	free(q->set);
	RET(0);
}

API nvmlSystemRegisterEvents(register_request *q)
{
	SYS_NOINIT();
	VERSION(q);
	VALID(q->set);
	q->set->types = (q->types & 1 ? EVENT_UNBIND : 0) | (q->types & 2 ? EVENT_BIND : 0);
	q->set->since = now_t();
	RET(0);
}

static bool was_told(const struct system_set *s, ull hash)
{
	for (unsigned i = 0; i < s->n_done; i++)
		if (s->done[i] == hash)
			return true;
	return false;
}

/* Only what happens after the registration is told, each once, the GPU named by domain, bus and device. */
static unsigned due(struct system_set *s, system_event *o, unsigned room)
{
	unsigned n = 0;
	for (unsigned i = 0; i < sc->n_events && n < room; i++) {
		const struct event *e = &sc->events[i];
		double at = e->has_at ? e->at : first_seen(e->hash);
		if (!(e->type & s->types) || at < s->since || at > now_t() || was_told(s, e->hash) || s->n_done == 64)
			continue;
		s->done[s->n_done++] = e->hash;
		for (unsigned g = 0; g < sc->n_gpus && n < room; g++)
			if (e->gpus & (1u << g))
				o[n++] = (system_event){ e->type == EVENT_UNBIND ? 1 : 2,
					sc->gpus[g].domain << 16 | sc->gpus[g].bus << 8 | sc->gpus[g].device };
	}
	return n;
}

API nvmlSystemEventSetWait(wait_request *q)
{
	SYS_NOINIT();
	VERSION(q);
	VALID(q->set);
	NEED(q->data && q->room);
	ull end = mono_ns() + (ull)q->timeout_ms * 1000000ull;
	while (!(q->count = due(q->set, q->data, q->room))) {
		if (mono_ns() >= end)
			RET(NVML_ERROR_TIMEOUT);
		sim_unlock(&c);
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
		sim_lock(&c);
		maybe_reload();
	}
	RET(0);
}

/* A slice is as busy as the processes in it; what it is made of is measured as for a whole GPU. */
void load_of_instance(int gpu, unsigned gi, struct snap *s)
{
	static struct live_proc all[MOST_PROCS];
	unsigned n = live_procs(gpu, s->t, all, MOST_PROCS);
	double sm = 0, mem = 0;
	for (unsigned i = 0; i < n; i++)
		if (all[i].gi == gi) {
			sm += all[i].sm;
			mem += all[i].memutil;
		}
	s->v[D_UTIL] = sm < 100 ? sm : 100;
	s->v[D_MEMUTIL] = mem < 100 ? mem : 100;
}
