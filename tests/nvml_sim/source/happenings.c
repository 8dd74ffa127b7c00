/* The directives for what happens: processes, faults, events. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "reading.h"

static const struct slot OF_PROCESS[] = {
	NAMED_SLOT(process, SELECTION, "gpu", gpus), SLOT(process, COUNT, gi), SLOT(process, COUNT, ci),
	SLOT(process, NUMBER_OF, from), SLOT(process, NUMBER_OF, until), SLOT(process, EXPRESSION, mem),
	SLOT(process, EXPRESSION, sm), SLOT(process, EXPRESSION, memutil), SLOT(process, EXPRESSION, enc),
	SLOT(process, EXPRESSION, dec), SLOT(process, EXPRESSION, jpg), SLOT(process, EXPRESSION, ofa),
	{ "name", IGNORED, 0, 0 } /* is for whoever reads the scenario */, { NULL, IGNORED, 0, 0 },
};

static unsigned process_id(const char *text)
{
	if (!strcmp(text, "self"))
		return (unsigned)getpid();
	return !strcmp(text, "parent") ? (unsigned)getppid() : (unsigned)strtoul(text, NULL, 10);
}

bool read_process(struct reader *r, struct word *words, int n)
{
	struct process p = { .types = COMPUTES, .gi = NO_INSTANCE, .ci = NO_INSTANCE, .until = INFINITY };
	if (r->s->n_processes == MOST_PROCESSES)
		return complain(r, "there are too many processes");
	for (int i = 1; i < n; i++) {
		const char *key = words[i].key, *text = words[i].text;
		if (fill(r, OF_PROCESS, &p, words[i]))
			continue;
		if (text && !strcmp(key, "pid"))
			p.pid = process_id(text);
		else if (text && !strcmp(key, "type"))
			p.types = (strchr(text, 'C') ? COMPUTES : 0) | (strchr(text, 'G') ? DRAWS : 0) | (strchr(text, 'M') ? SHARES : 0);
		else
			return complain(r, "a process has no \"%.40s\"", key);
	}
	r->s->processes[r->s->n_processes++] = p;
	return p.gpus && p.pid ? true : complain(r, "a process wants gpu= and pid=");
}

/* ---- events ---- */

static const struct slot OF_EVENT[] = {
	NAMED_SLOT(event, SELECTION, "gpu", gpus), SLOT(event, NUMBER_OF, at), SLOT(event, NUMBER_OF, repeat),
	{ "id", IGNORED, 0, 0 } /* makes a line another one */, { NULL, IGNORED, 0, 0 },
};
static const struct code EVENT_TYPES[] = {
	{ "sbe", 0x1 }, { "dbe", 0x2 }, { "pstate", 0x4 }, { "clock", 0x10 }, { "power", 0x80 }, { "mig", 0x100 },
	{ "sbe_storm", 0x200 }, { "retired", 0x400 }, { "retirement_failed", 0x800 }, { "contained", 0x1000 },
	{ "uncontained", 0x2000 }, { "unavailable", 0x4000 }, { "recovery", 0x8000 }, { "unbind", EVENT_UNBIND },
	{ "bind", EVENT_BIND }, { NULL, 0 },
};

static u64 hash_of(const struct word *words, int n)
{
	u64 x = 0;
	for (int i = 0; i < n; i++)
		x = x * 31 + hash(words[i].key) + (words[i].text ? hash(words[i].text) : 0);
	return x;
}

/* When a line that was there before appeared; now for a new one. */
static double appeared(u64 line)
{
	for (unsigned i = 0; scene && i < scene->n_events; i++)
		if (scene->events[i].line == line)
			return scene->events[i].at;
	return now();
}

static bool add(struct reader *r, struct event e)
{
	if (r->s->n_events == MOST_EVENTS)
		return complain(r, "there are too many events");
	if (isnan(e.at))
		e.at = appeared(e.line);
	r->s->events[r->s->n_events++] = e;
	return true;
}

bool read_event(struct reader *r, struct word *words, int n)
{
	struct event e = { .line = hash_of(words, n), .at = NAN };
	for (int i = 1; i < n; i++) {
		const char *key = words[i].key, *text = words[i].text;
		if (fill(r, OF_EVENT, &e, words[i]))
			continue;
		if (text && !strcmp(key, "xid")) {
			e.type = EVENT_XID;
			e.data = strtoul(text, NULL, 10);
		} else if (!text || strcmp(key, "type") || !(e.type = code_of(EVENT_TYPES, text)))
			return complain(r, "an event has no \"%.40s=%.40s\"", key, text ? text : "");
	}
	return e.type && e.gpus ? add(r, e) : complain(r, "an event wants gpu= and xid= or type=");
}

/* ---- faults ---- */

static const struct slot OF_FAULT[] = {
	NAMED_SLOT(fault, SELECTION, "gpu", gpus), NAMED_SLOT(fault, TEXT, "fn", function), SLOT(fault, NUMBER_OF, delay),
	NAMED_SLOT(fault, NUMBER_OF, "at", from), SLOT(fault, NUMBER_OF, until), SLOT(fault, FLAG, hang),
	SLOT(fault, FLAG, lost), { "id", IGNORED, 0, 0 }, { NULL, IGNORED, 0, 0 },
};
static const struct code ERRORS[] = {
	{ "UNINITIALIZED", UNINITIALIZED }, { "INVALID_ARGUMENT", INVALID_ARGUMENT }, { "NOT_SUPPORTED", NOT_SUPPORTED },
	{ "NO_PERMISSION", NO_PERMISSION }, { "NOT_FOUND", NOT_FOUND }, { "INSUFFICIENT_SIZE", INSUFFICIENT_SIZE },
	{ "DRIVER_NOT_LOADED", DRIVER_NOT_LOADED }, { "TIMEOUT", TIMEOUT }, { "FUNCTION_NOT_FOUND", FUNCTION_NOT_FOUND },
	{ "GPU_IS_LOST", GPU_IS_LOST }, { "RESET_REQUIRED", RESET_REQUIRED }, { "OPERATING_SYSTEM", OPERATING_SYSTEM },
	{ "LIB_RM_VERSION_MISMATCH", LIB_RM_VERSION_MISMATCH }, { "MEMORY", OUT_OF_MEMORY },
	{ "ARGUMENT_VERSION_MISMATCH", VERSION_MISMATCH }, { "DEPRECATED", DEPRECATED }, { "GPU_NOT_FOUND", GPU_NOT_FOUND },
	{ "UNKNOWN", UNKNOWN }, { NULL, 0 },
}, DRIVERS[] = {
	{ "mismatch", LIB_RM_VERSION_MISMATCH }, { "unloaded", DRIVER_NOT_LOADED }, { "nopermission", NO_PERMISSION }, { NULL, 0 },
};

bool read_fault(struct reader *r, struct word *words, int n)
{
	struct fault f = { .function = "*", .from = -INFINITY, .until = INFINITY };
	if (r->s->n_faults == MOST_FAULTS)
		return complain(r, "there are too many faults");
	for (int i = 1; i < n; i++) {
		const char *key = words[i].key, *text = words[i].text;
		if (fill(r, OF_FAULT, &f, words[i]))
			continue;
		if (text && !strcmp(key, "driver")) {
			snprintf(f.function, sizeof f.function, "nvmlInit*");
			f.error = (nvmlReturn_t)code_of(DRIVERS, text);
		} else if (text && !strcmp(key, "error"))
			f.error = (nvmlReturn_t)code_of(ERRORS, text);
		else
			return complain(r, "a fault has no \"%.40s\"", key);
	}
	if (f.lost)
		f.error = GPU_IS_LOST;
	if (!f.error && !f.hang && f.delay <= 0)
		return complain(r, "a fault wants lost, hang, delay=, or a known error= or driver=");
	r->s->faults[r->s->n_faults++] = f;
	if (!f.lost)
		return true;
	return add(r, (struct event){ f.gpus, EVENT_XID, 79, hash_of(words, n), isinf(f.from) ? NAN : f.from, 0 });
}
