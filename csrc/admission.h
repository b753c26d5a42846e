/* admission.h - the moves that change the sum: install an operation in A, finish anybody's. */
#ifndef SHMLIMIT_ADMISSION_H
#define SHMLIMIT_ADMISSION_H

#include "slots.h"

/* Finishes whatever operation A holds; *a is A with nothing left to do. SHMLIMIT_CORRUPT on impossible bytes. */
enum shmlimit_status admission_settle(struct limiter *l, uint64_t *a);
/* Installs an operation over the settled value a, on a slot whose word under a was `word` (the operation's from-state),
 * and finishes it. False if A has changed: read everything again. */
bool admission_install(struct limiter *l, uint64_t a, enum admission_op op, uint32_t slot, uint64_t word,
                       uint32_t used_milli, bool has_waiters);
/* Clears has_waiters over the settled value a. */
bool admission_clear_waiters(struct limiter *l, uint64_t a);
/* After a change of settings: no admission decided before it succeeds after it. */
void admission_bump(struct limiter *l);
/* EXPIRE of a slot that was COOLING under a. False: A has changed, or the weight is impossible. */
bool admission_expire(struct limiter *l, uint64_t a, uint32_t slot, uint64_t word);

#endif
