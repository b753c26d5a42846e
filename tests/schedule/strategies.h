/* strategies.h - which schedules are run. */
#ifndef STRATEGIES_H
#define STRATEGIES_H

#include "scheduler.h"

/* ---- exhaustive.c: depth first, every schedule within the budget. */
extern const struct strategy exhaustive;
void exhaustive_begin(void);
/* False: that was the last one. */
bool exhaustive_next(void);

/* ---- chance.c: seeded. */
extern const struct strategy walk; /* at each step somebody else may go on */
extern const struct strategy pct;  /* the first in rank goes on; a few times, at steps chosen before, it becomes the last */
void chance_begin(uint64_t seed);
/* Before each schedule. */
void chance_next(void);

#endif
