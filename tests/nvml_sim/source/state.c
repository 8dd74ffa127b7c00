/* What a GPU shows at a time: its numbers, what was counted since the start, and how much its processes do. */
#include <math.h>
#include <string.h>
#include <time.h>
#include "sim.h"

static const double TICK_SECONDS = 0.1; /* how often numbers change */
static const double MOST_STEPS = 100;   /* a long time without a look is summed up in longer steps */

static double started; /* Unix time of t = 0; 0: not yet */

static double unix_time(void)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void begin_timeline(void)
{
	if (started == 0)
		started = unix_time();
}

static double origin(void) { return scene && scene->t0 != 0 ? scene->t0 : started; }

double now(void) { return origin() == 0 ? 0 : unix_time() - origin(); }

u64 epoch_us(double t) { return (u64)((origin() + t) * 1e6); }

static double tick(void) { return floor(now() / TICK_SECONDS + 1e-9) * TICK_SECONDS; }

struct moment *at_present(int gpu)
{
	static struct moment moments[MOST_GPUS];
	static unsigned generations[MOST_GPUS];
	struct moment *m = &moments[gpu];
	if (generations[gpu] != scene->generation || m->t != tick()) {
		*m = (struct moment){ .gpu = gpu, .t = tick() };
		generations[gpu] = scene->generation;
	}
	return m;
}

/* ---- numbers ---- */

static const char *const OTHERWISE[] = {
#define KEY(name, otherwise) otherwise,
#include "keys.h"
#undef KEY
};

static const struct expression *default_of(enum key key)
{
	static struct pool *pool;
	static const struct expression *read[KEYS];
	const char *wrong;
	if (!read[key])
		read[key] = parse(&pool, OTHERWISE[key], &wrong);
	return read[key];
}

enum { UNASKED, ASKED, KNOWN };

/* Return a number of a GPU; one that depends on itself is 0. */
double number(struct moment *m, enum key key)
{
	if (m->state[key] != UNASKED)
		return m->state[key] == KNOWN ? m->number[key] : 0;
	m->state[key] = ASKED;
	const struct gpu *g = &scene->gpus[m->gpu];
	if (!*OTHERWISE[key])
		m->number[key] = process_load(m->gpu, NO_INSTANCE, m, key);
	else if (key == K_mig && g->n_instances)
		m->number[key] = 1;
	else
		m->number[key] = value(g->number[key] ? g->number[key] : default_of(key), m);
	m->state[key] = KNOWN;
	return m->number[key];
}

/* ---- processes ---- */

bool is_alive(const struct process *p, double t) { return t >= p->from && t < p->until; }

static const struct expression *share_of(const struct process *p, enum key key)
{
	switch (key) {
	case K_proc_sm: return p->sm;
	case K_proc_memutil: return p->memutil;
	case K_proc_enc: return p->enc;
	case K_proc_dec: return p->dec;
	case K_proc_jpg: return p->jpg;
	case K_proc_ofa: return p->ofa;
	default: return p->mem;
	}
}

/* Sum up what the processes of a GPU, or of one of its instances, do. */
double process_load(int gpu, unsigned gi, struct moment *m, enum key key)
{
	double sum = 0;
	for (unsigned i = 0; i < scene->n_processes; i++) {
		const struct process *p = &scene->processes[i];
		if (!(p->gpus & 1u << gpu) || (gi != NO_INSTANCE && p->gi != gi) || !is_alive(p, m->t))
			continue;
		const struct expression *share = share_of(p, key);
		sum += share ? fmax(0, value(share, m)) : 0;
	}
	return sum;
}

/* ---- counters ---- */

static void count(struct counters *c, struct moment *m, double seconds)
{
	unsigned why = (unsigned)number(m, K_throttle);
	c->energy += number(m, K_power) * seconds;
	c->nvlink_tx += number(m, K_nvlink_tx) * seconds;
	c->nvlink_rx += number(m, K_nvlink_rx) * seconds;
	c->pcie_tx += number(m, K_pcie_tx) * seconds;
	c->pcie_rx += number(m, K_pcie_rx) * seconds;
	c->power += why & THROTTLE_POWER ? seconds : 0;
	c->sync += why & THROTTLE_SYNC ? seconds : 0;
	c->software_thermal += why & THROTTLE_SOFTWARE_THERMAL ? seconds : 0;
	c->hardware_thermal += why & THROTTLE_HARDWARE_THERMAL ? seconds : 0;
	c->brake += why & THROTTLE_BRAKE ? seconds : 0;
}

const struct counters *counted(int gpu)
{
	static struct counters counters[MOST_GPUS];
	struct counters *c = &counters[gpu];
	double t = tick(), gap = t - c->until;
	if (gap > 0) {
		unsigned steps = (unsigned)fmin(MOST_STEPS, fmax(1, round(gap / TICK_SECONDS)));
		for (unsigned i = 0; i < steps; i++) {
			struct moment m = { .gpu = gpu, .t = c->until + (i + 0.5) * gap / steps };
			count(c, &m, gap / steps);
		}
	}
	c->until = t;
	return c;
}
