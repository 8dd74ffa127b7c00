/* Reading a scenario: words, values, and the slots of a record that they fill. */
#ifndef READING_H
#define READING_H

#include "sim.h"

enum { MOST_WORDS = 64, LONGEST_LINE = 4096 };

struct reader { struct scenario *s; const char *file; int line; char wrong[300]; };

/* `key=text`, or a lone key, whose text is NULL. */
struct word { char *key, *text; };

enum slot_kind { COUNT, NUMBER_OF, EXPRESSION, SELECTION, TEXT, FLAG, IGNORED };
struct slot { const char *key; enum slot_kind kind; size_t offset, size; };
#define SLOT(type, kind, field) { #field, kind, offsetof(struct type, field), sizeof((struct type *)0)->field }
#define NAMED_SLOT(type, kind, name, field) { name, kind, offsetof(struct type, field), sizeof((struct type *)0)->field }

struct code { const char *name; u64 number; };

bool complain(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
u64 hash(const char *text);
int split(char *line, struct word *words);
const struct expression *expression(struct reader *r, const char *text);
unsigned selection(struct reader *r, const char *text);
bool fill(struct reader *r, const struct slot *slots, void *record, struct word word);
u64 code_of(const struct code *codes, const char *name);

bool read_process(struct reader *r, struct word *words, int n);
bool read_fault(struct reader *r, struct word *words, int n);
bool read_event(struct reader *r, struct word *words, int n);

#endif
