/* Who is on a GPU, what share of it each takes, and what the driver keeps account of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

/* The records of the versions of the list; some drivers of the 535 series write longer ones than was agreed. */
struct first_record { unsigned pid; u64 memory; };
struct record { unsigned pid; u64 memory; unsigned gi, ci; };
struct longer_record { struct record agreed; u64 protected_memory; };

static u64 memory_of(const struct process *p, struct moment *m)
{
	double mib = p->mem ? value(p->mem, m) : 0;
	return mib < 0 ? NOT_AVAILABLE : bytes(mib);
}

static void put(void *out, unsigned place, size_t size, const struct process *p, struct moment *m)
{
	struct longer_record one = { .agreed = { p->pid, memory_of(p, m), p->gi, p->ci } };
	struct first_record first = { p->pid, one.agreed.memory };
	memcpy((char *)out + place * size, size == sizeof first ? (void *)&first : (void *)&one, size);
}

static nvmlReturn_t list(const struct call *call, unsigned types, unsigned *count, void *out, size_t size)
{
	NEED(count);
	unsigned found = 0, room = *count;
	for (unsigned i = 0; i < scene->n_processes; i++) {
		const struct process *p = &scene->processes[i];
		bool elsewhere = call->instance >= 0 && p->gi != call->g->instances[call->instance].gi;
		if (!(p->gpus >> call->gpu & 1) || !(p->types & types) || elsewhere || !is_alive(p, call->moment->t))
			continue;
		if (out && found < room)
			put(out, found, size, p, call->moment);
		found++;
	}
	*count = found;
	return found > room || (found && !out) ? INSUFFICIENT_SIZE : OK;
}

#define LIST(name, types, size) \
	NVML name(nvmlDevice_t device, unsigned *count, void *out) { DEVICE_OR_INSTANCE(device); return list(&call, types, count, out, size); }
#define LISTS(what, types) \
	LIST(nvmlDeviceGet##what##RunningProcesses, types, sizeof(struct first_record)) \
	LIST(nvmlDeviceGet##what##RunningProcesses_v2, types, sizeof(struct record)) \
	LIST(nvmlDeviceGet##what##RunningProcesses_v3, types, scene->longer_records ? sizeof(struct longer_record) : sizeof(struct record))
LISTS(Compute, COMPUTES)
LISTS(Graphics, DRAWS)
LISTS(MPSCompute, SHARES)

/* ---- shares of the GPU's time ---- */

static unsigned share(const struct expression *e, struct moment *m)
{
	return e ? whole_number(fmin(100, value(e, m))) : 0;
}

/* Tell of those that did something after `seen`, µs of the Unix clock. */
NVML nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilization_t *out, unsigned *count, u64 seen)
{
	DEVICE(device);
	NEED(count);
	SUPPORTED(!in_instances(&call));
	struct moment *m = call.moment;
	unsigned found = 0, room = out ? *count : 0;
	u64 at = epoch_us(m->t);
	for (unsigned i = 0; i < scene->n_processes && at > seen; i++) {
		const struct process *p = &scene->processes[i];
		if (!(p->gpus >> call.gpu & 1) || !is_alive(p, m->t))
			continue;
		nvmlProcessUtilization_t one = { p->pid, at, share(p->sm, m), share(p->memutil, m), share(p->enc, m), share(p->dec, m) };
		if (!(one.smUtil | one.memUtil | one.encUtil | one.decUtil))
			continue;
		if (found < room)
			out[found] = one;
		found++;
	}
	*count = found;
	return !found ? NOT_FOUND : found > room ? INSUFFICIENT_SIZE : OK;
}

/* ---- accounting ---- */

enum { ACCOUNTS = 4000 };
static const double PEAK_STEPS = 100; /* at how many moments the memory of a process is looked at for its peak */

NVML nvmlDeviceGetAccountingMode(nvmlDevice_t device, unsigned *out) { DEVICE(device); NEED(out); *out = OF(accounting) != 0; return OK; }
NVML nvmlDeviceGetAccountingBufferSize(nvmlDevice_t device, unsigned *out) { DEVICE(device); NEED(out); *out = ACCOUNTS; return OK; }

NVML nvmlDeviceGetAccountingPids(nvmlDevice_t device, unsigned *count, unsigned *out)
{
	DEVICE(device);
	NEED(count && out);
	SUPPORTED(OF(accounting) != 0);
	unsigned found = 0, room = *count;
	for (unsigned i = 0; i < scene->n_processes; i++) {
		const struct process *p = &scene->processes[i];
		if (p->gpus >> call.gpu & 1 && p->from <= call.moment->t && found++ < room)
			out[found - 1] = p->pid;
	}
	*count = found;
	return found > room ? INSUFFICIENT_SIZE : OK;
}

static double peak_mib(const struct process *p, int gpu, double until)
{
	double most = 0;
	for (int i = 0; p->mem && i <= PEAK_STEPS; i++) {
		struct moment m = { .gpu = gpu, .t = p->from + (until - p->from) * i / PEAK_STEPS };
		most = fmax(most, value(p->mem, &m));
	}
	return most;
}

NVML nvmlDeviceGetAccountingStats(nvmlDevice_t device, unsigned pid, nvmlAccountingStats_t *out)
{
	DEVICE(device);
	NEED(out);
	SUPPORTED(OF(accounting) != 0);
	struct moment *m = call.moment;
	for (unsigned i = 0; i < scene->n_processes; i++) {
		const struct process *p = &scene->processes[i];
		if (!(p->gpus >> call.gpu & 1) || p->pid != pid || p->from > m->t)
			continue;
		bool runs = is_alive(p, m->t);
		*out = (nvmlAccountingStats_t){ share(p->sm, m), share(p->memutil, m), bytes(peak_mib(p, call.gpu, fmin(m->t, p->until))),
			runs ? 0 : (u64)round((p->until - p->from) * 1000), epoch_us(p->from), runs, { 0 } };
		return OK;
	}
	return NOT_FOUND;
}
