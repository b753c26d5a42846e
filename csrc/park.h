/* park.h - sleep on a slot until admitted. */
#ifndef SHMLIMIT_PARK_H
#define SHMLIMIT_PARK_H

#include "shmlimit.h"

/* Blocks until the WAITING slot of the permit is HELD, the deadline passes, or something else wants attention.
 * The caller is still in the queue unless the answer is OK or LOST. */
enum shmlimit_status park_until(struct limiter *l, struct permit *permit, uint64_t deadline_us);

/* The same without sleeping; SHMLIMIT_QUEUED: nothing new. Looks after the queue if `was_woken` or permit->look_at_us has
 * come, and sets that anew. */
enum shmlimit_status park_look(struct limiter *l, struct permit *permit, bool was_woken);

#endif
