/* What every call goes through: the lock, the scenario, its faults, and the count of calls. */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "sim.h"

static const double HANGING_LOOK_SECONDS = 0.02; /* how often a call that hangs looks whether it still has to */

struct device whole[MOST_GPUS], parts[MOST_GPUS][MOST_INSTANCES];
int listed[MOST_GPUS];
unsigned n_listed;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned opened; /* how often, less how often it was shut */
static struct function *functions;

bool is_open(void) { return opened > 0; }

void rest(double seconds)
{
	struct timespec left = { (time_t)seconds, (long)((seconds - floor(seconds)) * 1e9) };
	pthread_mutex_unlock(&lock);
	while (nanosleep(&left, &left) && errno == EINTR)
		;
	pthread_mutex_lock(&lock);
	renew();
}

/* ---- counting ---- */

static double monotonic(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double loaded_at, written_at;
__attribute__((constructor)) static void note_time(void) { loaded_at = written_at = monotonic(); }

/* Turn what an environment variable says into a path, %p into the process's id. */
static bool path_of(const char *variable, char *path, size_t size)
{
	const char *text = getenv(variable), *mark = text ? strstr(text, "%p") : NULL;
	if (mark)
		snprintf(path, size, "%.*s%d%s", (int)(mark - text), text, (int)getpid(), mark + 2);
	else
		snprintf(path, size, "%s", text ? text : "");
	return *path;
}

static void write_counts(void)
{
	char path[512], fresh[520];
	if (!path_of("NVML_SIM_CALLS", path, sizeof path))
		return;
	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *file = fopen(fresh, "w");
	if (!file)
		return;
	u64 total = 0;
	for (struct function *f = functions; f; f = f->next)
		total += f->calls;
	fprintf(file, "# elapsed_s=%.3f\nTOTAL %llu\n", monotonic() - loaded_at, total);
	for (struct function *f = functions; f; f = f->next)
		fprintf(file, "%s %llu\n", f->name, f->calls);
	fclose(file);
	rename(fresh, path);
}
__attribute__((destructor)) static void write_last(void) { write_counts(); }

static void count(struct function *function)
{
	if (!function->calls++) {
		function->next = functions;
		functions = function;
	}
	const char *often = getenv("NVML_SIM_CALLS_MS");
	double at = monotonic();
	if (at - written_at >= (often ? strtod(often, NULL) / 1000 : 1)) {
		written_at = at;
		write_counts();
	}
}

/* A line for each call where that is wanted. Written with the lock held, so a disk that stands still stops all calls. */
static void trace(const struct function *function)
{
	static FILE *file;
	char path[512];
	if (!file && path_of("NVML_SIM_TRACE", path, sizeof path))
		file = fopen(path, "a");
	if (file) {
		fprintf(file, "%s\n", function->name);
		fflush(file);
	}
}

/* ---- faults ---- */

static bool strikes(const struct fault *f, const char *function, int gpu, double t)
{
	if (t < f->from || t >= f->until)
		return false;
	if (f->gpus && (gpu < 0 || !(f->gpus >> gpu & 1)))
		return false;
	return !fnmatch(f->function, function, 0);
}

/* Sleep and fail as the scenario says for calls of this GPU (-1: of none). */
static nvmlReturn_t suffer(const struct call *call, int gpu)
{
	double delay = 0;
	for (unsigned i = 0; i < scene->n_faults; i++)
		if (strikes(&scene->faults[i], call->function->name, gpu, now()))
			delay += scene->faults[i].delay;
	if (delay > 0)
		rest(delay);
	for (bool hangs = true; hangs;) {
		hangs = false;
		for (unsigned i = 0; i < scene->n_faults; i++)
			hangs |= scene->faults[i].hang && strikes(&scene->faults[i], call->function->name, gpu, now());
		if (hangs)
			rest(HANGING_LOOK_SECONDS);
	}
	for (unsigned i = 0; i < scene->n_faults; i++)
		if (scene->faults[i].error && strikes(&scene->faults[i], call->function->name, gpu, now()))
			return scene->faults[i].error;
	return OK;
}

bool is_lost(int gpu)
{
	for (unsigned i = 0; i < scene->n_faults; i++)
		if (scene->faults[i].lost && strikes(&scene->faults[i], "", gpu, now()))
			return true;
	return false;
}

/* Whether a word of na+= names the function: `fan` stands for all whose names contain it. */
static bool left_out(const struct gpu *g, const char *function)
{
	char words[sizeof g->na], *rest_of = words;
	snprintf(words, sizeof words, "%s", g->na);
	for (char *word; (word = strsep(&rest_of, ","));)
		if (*word && strcasestr(function, word))
			return true;
	return false;
}

/* ---- beginning and ending ---- */

nvmlReturn_t begin(struct call *call, struct function *function)
{
	*call = (struct call){ .function = function, .gpu = -1, .instance = -1 };
	pthread_mutex_lock(&lock);
	count(function);
	trace(function);
	return renew() ? suffer(call, -1) : UNKNOWN;
}

/* Go on as a call of this GPU. */
nvmlReturn_t reach(struct call *call, int gpu)
{
	call->gpu = gpu;
	TRY(*scene->gpus[gpu].na && left_out(&scene->gpus[gpu], call->function->name) ? NOT_SUPPORTED : OK);
	TRY(suffer(call, gpu));
	call->g = &scene->gpus[gpu];
	call->moment = at_present(gpu);
	return OK;
}

static bool lies_in(const struct device *device, const struct device *first, size_t count_of)
{
	uintptr_t at = (uintptr_t)device, from = (uintptr_t)first;
	return at >= from && at < from + count_of * sizeof *first && (at - from) % sizeof *first == 0;
}

nvmlReturn_t begin_device(struct call *call, struct function *function, nvmlDevice_t device, bool of_instance)
{
	TRY(begin(call, function));
	if (!is_open())
		return UNINITIALIZED;
	bool is_part = lies_in(device, parts[0], MOST_GPUS * MOST_INSTANCES);
	NEED(is_part || lies_in(device, whole, MOST_GPUS));
	int gpu = device->gpu, instance = device->instance;
	bool known = false;
	for (unsigned i = 0; i < n_listed; i++)
		known |= listed[i] == gpu;
	NEED(known && (unsigned)gpu < scene->n_gpus);
	TRY(reach(call, gpu));
	if (!is_part)
		return OK;
	NEED((unsigned)instance < call->g->n_instances);
	call->instance = instance;
	return of_instance ? OK : NOT_SUPPORTED;
}

void end(struct call *call)
{
	(void)call;
	pthread_mutex_unlock(&lock);
}

bool in_instances(const struct call *call) { return number(call->moment, K_mig) == 1; }

/* ---- opening and shutting ---- */

static nvmlReturn_t open_library(void)
{
	begin_timeline();
	if (opened++)
		return OK;
	n_listed = 0;
	for (int i = 0; i < (int)scene->n_gpus; i++) {
		whole[i] = (struct device){ i, -1 };
		for (int k = 0; k < MOST_INSTANCES; k++)
			parts[i][k] = (struct device){ i, k };
		if (number(at_present(i), K_present) != 0)
			listed[n_listed++] = i;
	}
	return OK;
}

NVML nvmlInit_v2(void) { CALL(); TRY(begin(&call, &function)); return open_library(); }
NVML nvmlInitWithFlags(unsigned flags) { CALL(); (void)flags; TRY(begin(&call, &function)); return open_library(); }
NVML nvmlShutdown(void) { SYSTEM(); opened--; return OK; }
