/* Cutting lines into words, and words into values. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "reading.h"

bool complain(struct reader *r, const char *format, ...)
{
	if (*r->wrong)
		return false;
	int n = snprintf(r->wrong, sizeof r->wrong, "%.100s:%d: ", r->file, r->line);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(r->wrong + n, sizeof r->wrong - (size_t)n, format, arguments);
	va_end(arguments);
	return false;
}

u64 hash(const char *text)
{
	u64 x = 0xCBF29CE484222325ull;
	for (; *text; text++)
		x = (x ^ (unsigned char)*text) * 0x100000001B3ull;
	x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9ull; /* so that nearly the same texts differ everywhere */
	return x ^ x >> 32;
}

/* End the word at `from` with a zero, without its quotes; return where the next one may begin. */
static char *cut(char *from)
{
	char *to = from;
	int depth = 0;
	bool quoted = false;
	for (; *from && (quoted || depth > 0 || !isspace((unsigned char)*from)); from++) {
		quoted ^= *from == '"';
		depth += quoted ? 0 : (*from == '(') - (*from == ')');
		if (*from != '"')
			*to++ = *from;
	}
	char *next = *from ? from + 1 : from;
	*to = 0;
	return next;
}

/* Cut a line into words, blanks inside quotes and parentheses kept; return how many there are. */
int split(char *line, struct word *words)
{
	int n = 0;
	while (n < MOST_WORDS) {
		while (isspace((unsigned char)*line))
			line++;
		if (!*line || *line == '#')
			break;
		char *key = line, *equals;
		line = cut(line);
		if ((equals = strchr(key, '=')))
			*equals = 0;
		words[n++] = (struct word){ key, equals ? equals + 1 : NULL };
	}
	return n;
}

const struct expression *expression(struct reader *r, const char *text)
{
	const char *wrong;
	const struct expression *e = parse(&r->s->pool, text, &wrong);
	if (!e)
		complain(r, "%s in \"%.60s\"", wrong, text);
	return e;
}

static double constant(struct reader *r, const char *text)
{
	struct moment m = { 0 };
	const struct expression *e = expression(r, text);
	return e ? value(e, &m) : 0;
}

/* Turn `0`, `0-3`, `1,4` or `*` into a bit for each GPU. */
unsigned selection(struct reader *r, const char *text)
{
	unsigned found = 0;
	const char *at = text;
	if (!strcmp(text, "*"))
		return (1u << MOST_GPUS) - 1;
	while (isdigit((unsigned char)*at)) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
		for (; first <= last && first < MOST_GPUS; first++)
			found |= 1u << first;
		at = *end == ',' ? end + 1 : end;
	}
	if (*at || !found)
		complain(r, "\"%.40s\" chooses no GPU", text);
	return found;
}

/* Put a word into the slot of its key; false: there is none. */
bool fill(struct reader *r, const struct slot *slots, void *record, struct word word)
{
	while (slots->key && strcmp(slots->key, word.key))
		slots++;
	if (!slots->key || (slots->kind == FLAG) != !word.text)
		return false;
	void *slot = (char *)record + slots->offset;
	switch (slots->kind) {
	case COUNT: *(unsigned *)slot = (unsigned)constant(r, word.text); break;
	case NUMBER_OF: *(double *)slot = constant(r, word.text); break;
	case EXPRESSION: *(const struct expression **)slot = expression(r, word.text); break;
	case SELECTION: *(unsigned *)slot = selection(r, word.text); break;
	case TEXT: snprintf(slot, slots->size, "%s", word.text); break;
	case FLAG: *(bool *)slot = true; break;
	case IGNORED: break;
	}
	return true;
}

/* Return the number that a name stands for, 0 for none. */
u64 code_of(const struct code *codes, const char *name)
{
	while (codes->name && strcmp(codes->name, name))
		codes++;
	return codes->number;
}
