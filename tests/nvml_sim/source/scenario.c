/* Scenario files: a directive a line, read anew while clients run. README.md says how they are written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "reading.h"

struct scenario *scene;

/* ---- GPUs ---- */

static const struct { const char *name, *words; } MODELS[] = {
#include "models.h"
};

static const char *const KEY_NAMES[] = {
#define KEY(name, otherwise) #name,
#include "keys.h"
#undef KEY
};

static bool set(struct reader *r, struct gpu *g, struct word word);

static bool become(struct reader *r, struct gpu *g, const char *model)
{
	for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
		if (strcmp(MODELS[i].name, model))
			continue;
		char line[LONGEST_LINE];
		struct word words[MOST_WORDS];
		snprintf(line, sizeof line, "%s", MODELS[i].words);
		memset(g->number, 0, sizeof g->number);
		int n = split(line, words);
		for (int k = 0; k < n; k++)
			if (!set(r, g, words[k]))
				return false;
		return true;
	}
	return complain(r, "there is no model \"%.40s\"", model);
}

static const struct slot OF_GPU[] = { SLOT(gpu, TEXT, name), SLOT(gpu, TEXT, uuid), { NULL, IGNORED, 0, 0 } };

static bool set(struct reader *r, struct gpu *g, struct word word)
{
	const char *text = word.text ? word.text : "";
	for (int k = 0; k < KEYS; k++)
		if (!strcmp(word.key, KEY_NAMES[k]))
			return (g->number[k] = expression(r, text)) != NULL;
	if (fill(r, OF_GPU, g, word))
		return true;
	if (!strcmp(word.key, "model"))
		return become(r, g, text);
	if (!strcmp(word.key, "bus") && sscanf(text, "%x:%x:%x", &g->domain, &g->bus, &g->device) == 3)
		return true;
	if (strcmp(word.key, "na+") || !*text)
		return complain(r, "a GPU has no \"%.40s=%.40s\"", word.key, text);
	size_t length = strlen(g->na);
	snprintf(g->na + length, sizeof g->na - length, "%s,", text);
	return true;
}

static bool set_all(struct reader *r, unsigned gpus, const struct word *words, int n)
{
	for (int k = 2; k < n; k++)
		for (unsigned i = 0; i < r->s->n_gpus; i++)
			if (gpus >> i & 1 && !set(r, &r->s->gpus[i], words[k]))
				return false;
	return true;
}

static bool plug_in(struct reader *r, unsigned place)
{
	static const unsigned BUSES[MOST_GPUS] = { 0x1B, 0x43, 0x52, 0x61, 0x9D, 0xC3, 0xD1, 0xDF, 0x1F, 0x47, 0x56, 0x65,
		0xA1, 0xC7, 0xD5, 0xE3 };
	struct gpu *g = &r->s->gpus[place];
	char seed[32];
	snprintf(seed, sizeof seed, "gpu %u", place);
	u64 x = hash(seed);
	*g = (struct gpu){ .bus = BUSES[place] };
	snprintf(g->uuid, sizeof g->uuid, "GPU-%08x-5a5a-4%03x-8%03x-%012llx", (unsigned)(x >> 32), (unsigned)x & 0xFFF,
		(unsigned)(x >> 12) & 0xFFF, x & 0xFFFFFFFFFFFFull);
	return become(r, g, "h100");
}

static bool read_gpus(struct reader *r, struct word *words, int n)
{
	r->s->n_gpus = n > 1 ? (unsigned)strtoul(words[1].key, NULL, 10) : MOST_GPUS + 1;
	if (r->s->n_gpus > MOST_GPUS)
		return complain(r, "gpus wants a count of 0 to %d", MOST_GPUS);
	for (unsigned i = 0; i < r->s->n_gpus; i++)
		if (!plug_in(r, i))
			return false;
	return set_all(r, selection(r, "*"), words, n);
}

static bool read_gpu(struct reader *r, struct word *words, int n)
{
	unsigned gpus = n > 1 ? selection(r, words[1].key) : 0;
	return gpus ? set_all(r, gpus, words, n) : complain(r, "gpu wants a selection such as 0, 0-3, 1,4 or *");
}

static const struct slot OF_INSTANCE[] = {
	SLOT(instance, COUNT, gi), SLOT(instance, COUNT, ci), SLOT(instance, EXPRESSION, mem_used),
	SLOT(instance, TEXT, profile), { NULL, IGNORED, 0, 0 },
};

static bool read_instance(struct reader *r, struct word *words, int n)
{
	struct instance made = { .gi = 0 };
	unsigned gpu = MOST_GPUS;
	for (int i = 1; i < n; i++) {
		if (fill(r, OF_INSTANCE, &made, words[i]))
			continue;
		if (!words[i].text || strcmp(words[i].key, "gpu"))
			return complain(r, "an instance has no \"%.40s\"", words[i].key);
		gpu = (unsigned)strtoul(words[i].text, NULL, 10);
	}
	if (gpu >= r->s->n_gpus || sscanf(made.profile, "%ug.%ugb", &made.slices, &made.mem_total) != 2)
		return complain(r, "mig wants gpu= and a profile= such as 1g.10gb");
	struct gpu *g = &r->s->gpus[gpu];
	if (g->n_instances == MOST_INSTANCES)
		return complain(r, "a GPU has at most %d instances", MOST_INSTANCES);
	for (unsigned i = 0; i < g->n_instances; i++)
		made.start += g->instances[i].slices;
	made.mem_total *= 1024;
	char seed[160];
	snprintf(seed, sizeof seed, "%s %s %u %u", g->uuid, made.profile, made.gi, made.ci);
	snprintf(made.uuid, sizeof made.uuid, "MIG-%08x-5a5a-4000-8000-%012llx", (unsigned)(hash(seed) >> 32),
		hash(seed) & 0xFFFFFFFFFFFFull);
	g->instances[g->n_instances++] = made;
	return true;
}

/* ---- the whole ---- */

static const struct slot OF_SYSTEM[] = {
	SLOT(scenario, TEXT, driver), SLOT(scenario, NUMBER_OF, cuda), SLOT(scenario, COUNT, gpm),
	SLOT(scenario, NUMBER_OF, reload), SLOT(scenario, NUMBER_OF, t0), { NULL, IGNORED, 0, 0 },
};

static bool read_system(struct reader *r, struct word *words, int n)
{
	for (int i = 1; i < n; i++) {
		if (fill(r, OF_SYSTEM, r->s, words[i]))
			continue;
		if (!words[i].text || strcmp(words[i].key, "proc_v3") || strcmp(words[i].text, "legacy"))
			return complain(r, "a system has no \"%.40s\"", words[i].key);
		r->s->longer_records = true;
	}
	return true;
}

static const struct { const char *word; bool (*read)(struct reader *, struct word *, int); } DIRECTIVES[] = {
	{ "system", read_system }, { "gpus", read_gpus }, { "gpu", read_gpu }, { "mig", read_instance },
	{ "proc", read_process }, { "event", read_event }, { "fault", read_fault },
};

static bool read_line(struct reader *r, char *line)
{
	struct word words[MOST_WORDS];
	int n = split(line, words);
	for (size_t i = 0; n && i < sizeof DIRECTIVES / sizeof *DIRECTIVES; i++)
		if (!strcmp(words[0].key, DIRECTIVES[i].word))
			return DIRECTIVES[i].read(r, words, n) && !*r->wrong;
	return !n || complain(r, "there is no directive \"%.40s\"", words[0].key);
}

/* Read a file that may be absent; a line that ends in a backslash goes on in the next. */
static bool read_file(struct reader *r, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[LONGEST_LINE] = "";
	bool well = true;
	r->file = path;
	r->line = 0;
	while (well && file && fgets(line + strlen(line), (int)(sizeof line - strlen(line)), file)) {
		r->line++;
		char *end = strchr(line, '\n');
		if (end && end > line && end[-1] == '\\') {
			end[-1] = 0;
			continue;
		}
		well = read_line(r, line);
		*line = 0;
	}
	if (file)
		fclose(file);
	return well;
}

static void throw_away(struct scenario *s)
{
	if (!s)
		return;
	give_back(&s->pool);
	free(s->processes);
	free(s);
}

static void load(const char *path, const char *live)
{
	static unsigned generation;
	struct reader r = { .s = calloc(1, sizeof *r.s) };
	if (!r.s || !(r.s->processes = calloc(MOST_PROCESSES, sizeof *r.s->processes)))
		abort();
	r.s->generation = ++generation;
	r.s->cuda = 13.0;
	r.s->reload = 0.1;
	snprintf(r.s->driver, sizeof r.s->driver, "580.95.05");
	if (read_file(&r, path) && read_file(&r, live)) {
		throw_away(scene);
		scene = r.s;
		return;
	}
	fprintf(stderr, "simulated NVML: %s%s\n", r.wrong, scene ? "; the scenario stays as it was" : "");
	throw_away(r.s);
}

struct stamp { long long seconds, nanoseconds, size; unsigned long inode; };

static struct stamp stamp_of(const char *path)
{
	struct stat found;
	if (stat(path, &found))
		return (struct stamp){ .size = -1 };
	return (struct stamp){ found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size, found.st_ino };
}

bool renew(void)
{
	static struct stamp known[2];
	static double looked;
	char live[512];
	const char *path = getenv("NVML_SIM_SCENARIO");
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	double at = (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
	if (!path || (scene && at - looked < scene->reload))
		return scene != NULL;
	looked = at;
	snprintf(live, sizeof live, "%s.live", path);
	struct stamp found[2] = { stamp_of(path), stamp_of(live) };
	if (!scene || memcmp(found, known, sizeof found)) {
		memcpy(known, found, sizeof known);
		load(path, live);
	}
	return scene != NULL;
}
