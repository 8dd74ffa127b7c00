/* Event sets: what happens to GPUs, waited for, and what happens to drivers, looked up. */
#include <math.h>
#include <stdlib.h>
#include "sim.h"

static const double LOOK_SECONDS = 0.02;
enum { SYSTEM_UNBIND = 1, SYSTEM_BIND = 2 };

/* A place in the course of events: the occurrence told last. Those at one time come in the order of their lines. */
struct place { double t; unsigned line; };

struct event_set {
	struct event_set *next;
	u64 types[MOST_GPUS];
	struct place told[MOST_GPUS];
};

static struct event_set *sets;

static bool is_set(const struct event_set *set)
{
	for (const struct event_set *one = sets; one; one = one->next)
		if (one == set)
			return true;
	return false;
}

static struct event_set *make_set(void)
{
	struct event_set *set = calloc(1, sizeof *set);
	if (set) {
		set->next = sets;
		sets = set;
	}
	return set;
}

static void free_set(struct event_set *set)
{
	struct event_set **at = &sets;
	while (*at != set)
		at = &(*at)->next;
	*at = set->next;
	free(set);
}

/* Listen to types of a GPU from now on. */
static void listen(struct event_set *set, int gpu, u64 types)
{
	if (!set->types[gpu])
		set->told[gpu] = (struct place){ now(), MOST_EVENTS };
	set->types[gpu] |= types;
}

/* Return when an event happens next after a place. */
static double next_time(const struct event *e, unsigned line, struct place after)
{
	if (e->at > after.t || (e->at == after.t && line > after.line))
		return e->at;
	if (e->repeat <= 0)
		return INFINITY;
	double t = e->at + ceil((after.t - e->at) / e->repeat) * e->repeat;
	return t > after.t || line > after.line ? t : t + e->repeat;
}

/* Find the earliest occurrence that has happened and was not told, note it as told, and return it with its GPU. */
static const struct event *next_event(struct event_set *set, int *gpu)
{
	const struct event *found = NULL;
	struct place best = { now(), MOST_EVENTS };
	for (unsigned line = 0; line < scene->n_events; line++) {
		const struct event *e = &scene->events[line];
		for (int g = 0; g < MOST_GPUS; g++) {
			if (!(e->gpus >> g & 1) || !(set->types[g] & e->type))
				continue;
			double t = next_time(e, line, set->told[g]);
			if (t > best.t || (found && t == best.t))
				continue;
			best = (struct place){ t, line };
			found = e;
			*gpu = g;
		}
	}
	if (found)
		set->told[*gpu] = best;
	return found;
}

/* ---- of GPUs ---- */

enum { EVERYWHERE = 0x8 | 0x4 | 0x10 | 0x80, WITH_ECC = 0x1 | 0x2 | 0x200 | 0x400 | 0x800 | 0x1000 | 0x2000, LARGE = 0x100 | 0x4000 | 0x8000 };

static u64 types_of(struct moment *m)
{
	return EVERYWHERE | (number(m, K_ecc) > 0 ? WITH_ECC : 0) | (number(m, K_mig) >= 0 ? LARGE : 0);
}

NVML nvmlEventSetCreate(nvmlEventSet_t *out) { SYSTEM(); NEED(out); *out = make_set(); return *out ? OK : OUT_OF_MEMORY; }
NVML nvmlEventSetFree(nvmlEventSet_t set) { SYSTEM(); NEED(is_set(set)); free_set(set); return OK; }
NVML nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, u64 *out) { DEVICE(device); NEED(out); *out = types_of(call.moment); return OK; }

NVML nvmlDeviceRegisterEvents(nvmlDevice_t device, u64 types, nvmlEventSet_t set)
{
	DEVICE(device);
	NEED(is_set(set));
	SUPPORTED(!(types & ~types_of(call.moment)));
	listen(set, call.gpu, types);
	return OK;
}

static bool has_lost(const struct event_set *set)
{
	for (int gpu = 0; gpu < MOST_GPUS; gpu++)
		if (set->types[gpu] && is_lost(gpu))
			return true;
	return false;
}

NVML nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *out, unsigned timeout_ms)
{
	SYSTEM();
	NEED(out);
	for (double until = now() + timeout_ms / 1000.0;; rest(LOOK_SECONDS)) {
		int gpu;
		NEED(is_set(set)); /* another thread may free it while this one sleeps */
		const struct event *e = next_event(set, &gpu);
		if (e) {
			*out = (nvmlEventData_t){ &whole[gpu], e->type, e->data, NO_INSTANCE, NO_INSTANCE };
			return OK;
		}
		if (has_lost(set))
			return GPU_IS_LOST;
		if (now() >= until)
			return TIMEOUT;
	}
}

/* ---- of the system ---- */

#define ASKED(request) SYSTEM(); NEED(request); if ((request)->version != VERSION_OF(request, 1)) return VERSION_MISMATCH

NVML nvmlSystemEventSetCreate(nvmlSystemEventSetRequest_t *request)
{
	ASKED(request);
	request->set = make_set();
	return request->set ? OK : OUT_OF_MEMORY;
}

NVML nvmlSystemEventSetFree(nvmlSystemEventSetRequest_t *request)
{
	ASKED(request);
	NEED(is_set(request->set));
	free_set(request->set);
	return OK;
}

NVML nvmlSystemRegisterEvents(nvmlSystemRegisterEventRequest_t *request)
{
	ASKED(request);
	NEED(is_set(request->set));
	for (int gpu = 0; gpu < MOST_GPUS; gpu++)
		listen(request->set, gpu, (request->eventTypes & SYSTEM_UNBIND ? EVENT_UNBIND : 0)
			| (request->eventTypes & SYSTEM_BIND ? EVENT_BIND : 0));
	return OK;
}

NVML nvmlSystemEventSetWait(nvmlSystemEventSetWaitRequest_t *request)
{
	ASKED(request);
	NEED(request->data && request->dataSize);
	for (double until = now() + request->timeoutms / 1000.0;; rest(LOOK_SECONDS)) {
		const struct event *e;
		int gpu;
		NEED(is_set(request->set));
		request->numEvent = 0;
		while (request->numEvent < request->dataSize && (e = next_event(request->set, &gpu))) {
			const struct gpu *g = &scene->gpus[gpu];
			request->data[request->numEvent++] = (nvmlSystemEventData_t){ e->type == EVENT_UNBIND ? SYSTEM_UNBIND : SYSTEM_BIND,
				g->domain << 16 | g->bus << 8 | g->device };
		}
		if (request->numEvent)
			return OK;
		if (now() >= until)
			return TIMEOUT;
	}
}
