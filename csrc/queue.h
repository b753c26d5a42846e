/* queue.h - admit the best waiter while there is room. Order: priority, then older since, then arrival. */
#ifndef SHMLIMIT_QUEUE_H
#define SHMLIMIT_QUEUE_H

#include "gate.h"

#define NO_SLOT UINT32_MAX

struct queue_outlook {
    uint32_t head;           /* the slot of the waiter that is next; NO_SLOT: none can be */
    uint32_t admitted;       /* how many this call admitted */
    uint64_t changes_at_us;  /* when room may appear by itself; NEVER_US: not */
};

/* Admits waiters as long as the best one fits, expiring what is due; leaves the head awake. `is_tick`: called by a waiter
 * whom nothing woke, so that finding room overdue counts as a self-heal. */
enum shmlimit_status queue_grant(struct limiter *l, bool is_tick, struct queue_outlook *outlook);
/* Expires a COOLING slot that is due over the settled value a. *found false: there was none. */
enum shmlimit_status queue_expire_one(struct limiter *l, uint64_t a, const struct gate_view *view, bool *found);
/* How many waiters are before this one. */
uint32_t queue_rank(const struct limiter *l, uint32_t slot);

#endif
