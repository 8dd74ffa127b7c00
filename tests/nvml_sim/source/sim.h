/* What the parts of the simulated library share. One lock guards all of it, and is free while a call sleeps. */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include "abi.h"

enum { MOST_GPUS = 16, MOST_INSTANCES = 8, MOST_FAULTS = 64, MOST_EVENTS = 256, MOST_PROCESSES = 16384 };

enum key {
#define KEY(name, otherwise) K_##name,
#include "keys.h"
#undef KEY
	KEYS
};

/* ---- expressions (expression.c) ---- */

struct pool;                    /* what is taken from it is given back at once */
struct expression;

/* The numbers of a GPU at a time, worked out when they are asked for. */
struct moment {
	int gpu;
	double t;
	unsigned char state[KEYS];
	double number[KEYS];
};

void *take(struct pool **pool, size_t size);
void give_back(struct pool **pool);
const struct expression *parse(struct pool **pool, const char *text, const char **wrong);
double value(const struct expression *expression, struct moment *moment);

/* ---- scenarios (scenario.c) ---- */

struct instance {
	unsigned gi, ci, slices, start, mem_total;
	char profile[32], uuid[80];
	const struct expression *mem_used;
};

struct gpu {
	const struct expression *number[KEYS];
	char name[96], uuid[80], na[128];
	unsigned domain, bus, device;
	unsigned n_instances;
	struct instance instances[MOST_INSTANCES];
};

enum { COMPUTES = 1, DRAWS = 2, SHARES = 4 /* as a client of MPS */ };

struct process {
	unsigned gpus, pid, types, gi, ci;
	double from, until;
	const struct expression *mem, *sm, *memutil, *enc, *dec, *jpg, *ofa;
};

struct fault {
	unsigned gpus;          /* a bit for each; 0: of no GPU in particular */
	char function[96];
	nvmlReturn_t error;
	double from, until, delay;
	bool hang, lost;
};

struct event {
	unsigned gpus;
	u64 type, data, line;   /* line: a hash of what it was written as */
	double at, repeat;      /* at: when its line appeared where no time is given */
};

struct scenario {
	struct pool *pool;
	unsigned generation;
	char driver[80];
	double t0, reload, cuda;
	bool longer_records;
	unsigned gpm, n_gpus, n_processes, n_faults, n_events;
	struct gpu gpus[MOST_GPUS];
	struct process *processes;
	struct fault faults[MOST_FAULTS];
	struct event events[MOST_EVENTS];
};

extern struct scenario *scene;  /* the one that is played */
bool renew(void);               /* read the files again where they changed; false: there is nothing to play */

/* ---- the state of a GPU (state.c) ---- */

/* Counters that only grow: kilobytes, joules, seconds. */
struct counters {
	double until, energy, nvlink_tx, nvlink_rx, pcie_tx, pcie_rx;
	double power, sync, software_thermal, hardware_thermal, brake;
};

void begin_timeline(void);
double now(void);               /* seconds since the library was first opened */
u64 epoch_us(double t);
struct moment *at_present(int gpu);
double number(struct moment *moment, enum key key);
const struct counters *counted(int gpu);
bool is_alive(const struct process *process, double t);
double process_load(int gpu, unsigned gi, struct moment *moment, enum key key);

/* ---- calls (call.c) ---- */

struct device { int gpu, instance; }; /* instance -1: the whole GPU */

struct function {
	const char *name;
	u64 calls;
	struct function *next;
};

struct call {
	struct function *function;
	int gpu, instance;
	const struct gpu *g;
	struct moment *moment;
};

extern struct device whole[MOST_GPUS], parts[MOST_GPUS][MOST_INSTANCES];
extern int listed[MOST_GPUS];   /* the GPUs that were there when the library was opened */
extern unsigned n_listed;

nvmlReturn_t begin(struct call *call, struct function *function);
nvmlReturn_t begin_device(struct call *call, struct function *function, nvmlDevice_t device, bool of_instance);
nvmlReturn_t reach(struct call *call, int gpu);
void end(struct call *call);
void rest(double seconds);      /* sleep with the lock free, then look at the scenario again */
bool is_open(void);
bool is_lost(int gpu);
bool in_instances(const struct call *call);

#define NVML __attribute__((visibility("default"))) nvmlReturn_t
#define TRY(what) do { nvmlReturn_t tried = (what); if (tried) return tried; } while (0)
#define NEED(what) do { if (!(what)) return INVALID_ARGUMENT; } while (0)
#define SUPPORTED(what) do { if (!(what)) return NOT_SUPPORTED; } while (0)
#define CALL() \
	static struct function function = { .name = __func__ }; \
	struct call call __attribute__((cleanup(end)))
#define SYSTEM() CALL(); TRY(begin(&call, &function)); if (!is_open()) return UNINITIALIZED
#define DEVICE(device) CALL(); TRY(begin_device(&call, &function, (device), false))
#define DEVICE_OR_INSTANCE(device) CALL(); TRY(begin_device(&call, &function, (device), true))
#define OF(key) number(call.moment, K_##key)

static inline unsigned whole_number(double x) { return x <= 0 ? 0 : (unsigned)(x + 0.5); }
static inline u64 bytes(double mib) { return mib <= 0 ? 0 : (u64)(mib * 1048576.0); }

#endif
