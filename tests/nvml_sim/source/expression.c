/* Expressions of time and of a GPU's other numbers: `sine(60,20,30)`, `70GiB`, `if(t<30,0,util*2)`. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

struct block { struct block *next; };
struct pool { struct block *blocks; };

void *take(struct pool **pool, size_t size)
{
	if (!*pool)
		*pool = calloc(1, sizeof **pool);
	struct block *block = calloc(1, sizeof *block + size);
	if (!*pool || !block)
		abort();
	block->next = (*pool)->blocks;
	(*pool)->blocks = block;
	return block + 1;
}

void give_back(struct pool **pool)
{
	while (*pool && (*pool)->blocks) {
		struct block *block = (*pool)->blocks;
		(*pool)->blocks = block->next;
		free(block);
	}
	free(*pool);
	*pool = NULL;
}

/* ---- what an expression is made of ---- */

enum { NUMBER, TIME, GPU, KEYED, SUM, DIFFERENCE, PRODUCT, QUOTIENT, REST, BITS, LESS, MORE, AT_MOST, AT_LEAST, SAME, CALLED };
enum { MOST_ARGUMENTS = 5 };

struct expression {
	int kind, key, called, n;
	double number;
	const struct expression *argument[MOST_ARGUMENTS];
};

static double fraction(double x) { return x - floor(x); }

/* A number from 0 to 1 that depends on seed and step alone. */
static double chance(double seed, double step)
{
	u64 x = (u64)(long long)(seed * 7919) * 0x9E3779B97F4A7C15ull ^ (u64)(long long)step * 0xBF58476D1CE4E5B9ull;
	x = (x ^ x >> 31) * 0x94D049BB133111EBull;
	return (double)(x >> 11) / 9007199254740992.0;
}

static double sine(double t, const double *a, int n) { return a[0] + a[1] * sin(2 * M_PI * (t + (n > 3 ? a[3] : 0)) / a[2]); }
static double square(double t, const double *a, int n)
{
	return fraction((t + (n > 4 ? a[4] : 0)) / a[2]) < (n > 3 ? a[3] : 0.5) ? a[1] : a[0];
}
static double ramp(double t, const double *a, int n)
{
	(void)n;
	return t <= a[2] ? a[0] : t >= a[3] ? a[1] : a[0] + (a[1] - a[0]) * (t - a[2]) / (a[3] - a[2]);
}
static double step(double t, const double *a, int n) { (void)n; return t < a[0] ? a[1] : a[2]; }
static double pulse(double t, const double *a, int n) { (void)n; return t >= a[2] && t < a[3] ? a[1] : a[0]; }
static double noise(double t, const double *a, int n)
{
	return a[0] * (2 * chance(n > 1 ? a[1] : 0, floor(t / (n > 2 ? a[2] : 1))) - 1);
}
static double wander(double t, const double *a, int n)
{
	double at = t / (n > 2 ? a[2] : 10), way = fraction(at), seed = n > 1 ? a[1] : 0;
	double before = chance(seed, floor(at)), after = chance(seed, floor(at) + 1);
	return a[0] * (2 * (before + (after - before) * way * way * (3 - 2 * way)) - 1);
}
static double least(double t, const double *a, int n) { (void)t, (void)n; return fmin(a[0], a[1]); }
static double most(double t, const double *a, int n) { (void)t, (void)n; return fmax(a[0], a[1]); }
static double clamp(double t, const double *a, int n) { (void)t, (void)n; return fmin(fmax(a[0], a[1]), a[2]); }
static double absolute(double t, const double *a, int n) { (void)t, (void)n; return fabs(a[0]); }
static double down(double t, const double *a, int n) { (void)t, (void)n; return floor(a[0]); }
static double nearest(double t, const double *a, int n) { (void)t, (void)n; return round(a[0]); }
static double either(double t, const double *a, int n) { (void)t, (void)n; return a[0] != 0 ? a[1] : a[2]; }
static double has(double t, const double *a, int n) { (void)t, (void)n; return ((u64)a[0] & (u64)a[1]) != 0; }

static const struct { const char *name; int least, most; double (*work)(double, const double *, int); } FUNCTIONS[] = {
	{ "sine", 3, 4, sine }, { "square", 3, 5, square }, { "ramp", 4, 4, ramp }, { "step", 3, 3, step },
	{ "pulse", 4, 4, pulse }, { "noise", 1, 3, noise }, { "wander", 1, 3, wander }, { "min", 2, 2, least },
	{ "max", 2, 2, most }, { "clamp", 3, 3, clamp }, { "abs", 1, 1, absolute }, { "floor", 1, 1, down },
	{ "round", 1, 1, nearest }, { "if", 3, 3, either }, { "has", 2, 2, has },
};

static const struct { const char *name; double number; } NAMES[] = {
	{ "na", -1 }, { "idle", 0x1 }, { "app_clocks", 0x2 }, { "sw_power", 0x4 }, { "hw_slowdown", 0x8 },
	{ "sync_boost", 0x10 }, { "sw_thermal", 0x20 }, { "hw_thermal", 0x40 }, { "hw_brake", 0x80 }, { "display", 0x100 },
}, UNITS[] = {
	{ "KiB", 1.0 / 1024 }, { "MiB", 1 }, { "GiB", 1024 }, { "KBps", 1 }, { "MBps", 1e3 }, { "GBps", 1e6 },
	{ "ms", 1e-3 }, { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "W", 1 }, { "kW", 1e3 }, { "MHz", 1 }, { "GHz", 1e3 },
};

static const char *const KEY_NAMES[] = {
#define KEY(name, otherwise) #name,
#include "keys.h"
#undef KEY
};

double value(const struct expression *e, struct moment *m)
{
	double a[MOST_ARGUMENTS];
	for (int i = 0; i < e->n; i++)
		a[i] = value(e->argument[i], m);
	switch (e->kind) {
	case TIME: return m->t;
	case GPU: return m->gpu;
	case KEYED: return number(m, (enum key)e->key);
	case SUM: return a[0] + a[1];
	case DIFFERENCE: return a[0] - a[1];
	case PRODUCT: return a[0] * a[1];
	case QUOTIENT: return a[1] != 0 ? a[0] / a[1] : 0;
	case REST: return a[1] != 0 ? fmod(a[0], a[1]) : 0;
	case BITS: return (double)((u64)a[0] | (u64)a[1]);
	case LESS: return a[0] < a[1];
	case MORE: return a[0] > a[1];
	case AT_MOST: return a[0] <= a[1];
	case AT_LEAST: return a[0] >= a[1];
	case SAME: return a[0] == a[1];
	case CALLED: return FUNCTIONS[e->called].work(m->t, a, e->n);
	default: return e->number;
	}
}

/* ---- reading one ---- */

struct reader { struct pool **pool; const char *at, *wrong; };

static struct expression *any(struct reader *r);

static struct expression *make(struct reader *r, int kind, const struct expression *first, const struct expression *second)
{
	struct expression *e = take(r->pool, sizeof *e);
	e->kind = kind;
	if (first)
		e->argument[e->n++] = first;
	if (second)
		e->argument[e->n++] = second;
	return e;
}

static struct expression *fail(struct reader *r, const char *wrong)
{
	if (!r->wrong)
		r->wrong = wrong;
	return make(r, NUMBER, NULL, NULL);
}

static bool comes(struct reader *r, const char *sign)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
	if (strncmp(r->at, sign, strlen(sign)))
		return false;
	r->at += strlen(sign);
	return true;
}

static struct expression *call_of(struct reader *r, int called)
{
	struct expression *e = make(r, CALLED, NULL, NULL);
	e->called = called;
	do {
		if (e->n == MOST_ARGUMENTS)
			return fail(r, "too many arguments");
		const struct expression *argument = any(r);
		e->argument[e->n++] = argument;
	} while (comes(r, ","));
	if (!comes(r, ")"))
		return fail(r, "a parenthesis is not closed");
	if (e->n < FUNCTIONS[called].least || e->n > FUNCTIONS[called].most)
		return fail(r, "a function has too few or too many arguments");
	return e;
}

static struct expression *named(struct reader *r)
{
	char word[32];
	size_t n = 0;
	while ((isalnum((unsigned char)*r->at) || *r->at == '_') && n + 1 < sizeof word)
		word[n++] = *r->at++;
	word[n] = 0;
	if (comes(r, "(")) {
		for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
			if (!strcmp(word, FUNCTIONS[i].name))
				return call_of(r, (int)i);
		return fail(r, "there is no such function");
	}
	struct expression *e = make(r, !strcmp(word, "t") ? TIME : !strcmp(word, "gpu") ? GPU : NUMBER, NULL, NULL);
	if (e->kind != NUMBER)
		return e;
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
		if (!strcmp(word, NAMES[i].name)) {
			e->number = NAMES[i].number;
			return e;
		}
	e->kind = KEYED;
	for (e->key = 0; e->key < KEYS; e->key++)
		if (!strcmp(word, KEY_NAMES[e->key]))
			return e;
	return fail(r, "there is no such name");
}

static struct expression *primary(struct reader *r)
{
	if (comes(r, "-"))
		return make(r, DIFFERENCE, make(r, NUMBER, NULL, NULL), primary(r));
	if (comes(r, "(")) {
		struct expression *e = any(r);
		return comes(r, ")") ? e : fail(r, "a parenthesis is not closed");
	}
	if (isalpha((unsigned char)*r->at))
		return named(r);
	char *end;
	struct expression *e = make(r, NUMBER, NULL, NULL);
	e->number = strtod(r->at, &end);
	if (end == r->at)
		return fail(r, "a number is missing");
	r->at = end;
	size_t length = strspn(r->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	for (size_t i = 0; length && i < sizeof UNITS / sizeof *UNITS; i++)
		if (strlen(UNITS[i].name) == length && !strncmp(r->at, UNITS[i].name, length)) {
			e->number *= UNITS[i].number;
			r->at += length;
			length = 0;
		}
	return length ? fail(r, "there is no such unit") : e;
}

/* Operators from the loosest to the tightest; `<=` stands before `<`, with which it begins. */
static const struct { int rank; const char *sign; int kind; } OPERATORS[] = {
	{ 0, "|", BITS }, { 1, "<=", AT_MOST }, { 1, ">=", AT_LEAST }, { 1, "==", SAME }, { 1, "<", LESS }, { 1, ">", MORE },
	{ 2, "+", SUM }, { 2, "-", DIFFERENCE }, { 3, "*", PRODUCT }, { 3, "/", QUOTIENT }, { 3, "%", REST },
};
enum { RANKS = 4 };

static struct expression *ranked(struct reader *r, int rank)
{
	if (rank == RANKS)
		return primary(r);
	struct expression *e = ranked(r, rank + 1);
	for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
		if (OPERATORS[i].rank == rank && comes(r, OPERATORS[i].sign)) {
			e = make(r, OPERATORS[i].kind, e, ranked(r, rank + 1));
			i = (size_t)-1; /* and look for another from the start */
		}
	return e;
}

static struct expression *any(struct reader *r) { return ranked(r, 0); }

/* Return what the text means, or NULL and in `wrong` why it means nothing. */
const struct expression *parse(struct pool **pool, const char *text, const char **wrong)
{
	struct reader r = { pool, text, NULL };
	struct expression *e = any(&r);
	comes(&r, ""); /* blanks at the end */
	if (!r.wrong && *r.at)
		r.wrong = "something follows that does not belong there";
	*wrong = r.wrong;
	return r.wrong ? NULL : e;
}
