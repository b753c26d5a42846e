/* gate.h - how much may be admitted now, and why not more: the limit, the pause, what the upstream says. */
#ifndef SHMLIMIT_GATE_H
#define SHMLIMIT_GATE_H

#include "layout.h"
#include "shmlimit.h"
#include "words.h"

#define NEVER_US UINT64_MAX
/* A COOLING slot waits at most this long for a sample that confirms it: over twice the longest lag of an end that
 * was seen (2 s), so that a stuck poller delays and does not block. */
#define CONFIRM_WAIT_US UINT64_C(5000000)

/* One reading of everything that bounds admissions, at now_us. */
struct gate_view {
    uint64_t now_us;
    uint32_t cap_milli;      /* A.used may not pass this */
    uint32_t limit_milli;
    uint32_t foreign_milli;
    enum blocked_by bound;   /* what makes cap less than the limit; BLOCKED_FULL: nothing does */
    bool fresh;              /* a sample counts */
    bool one_per_poll;       /* queued waiters need an unspent sample that shows room */
    uint64_t word;           /* G */
    uint64_t settle_us;
    uint64_t confirmed_us;   /* what cooled by then is known to be free upstream; 0: nothing; NEVER_US: no sample needed */
    uint64_t changes_at_us;  /* when this reading may become more generous by itself; NEVER_US: not */
};

void gate_read(const struct limiter *l, struct gate_view *view);
/* The cap if it can be told without a clock (no pause, no sample, no refusal); false: use gate_read. */
bool gate_read_fast(const struct limiter *l, uint32_t *cap_milli);
/* True when a slot that is COOLING with this word counts no more; else *due_us is when it may, by itself. */
bool gate_is_due(const struct gate_view *view, const struct slot *slot, uint64_t word, uint64_t *due_us);
/* From when on a sample confirms that such a slot is free upstream: after its cooldown, and not so soon after its admission
 * that the sample may be of before (a short session, and a count that has yet to show its start). */
uint64_t gate_confirmed_from_us(const struct slot *slot, uint64_t word, uint64_t settle_us);
/* One-per-poll: takes the sample's one admission; false if it is spent, full, or replaced. */
bool gate_spend(struct limiter *l, const struct gate_view *view);
/* When a slot released now has cooled; 0 where nothing will look at it. */
uint64_t gate_cool_until_us(const struct limiter *l, bool has_waiters);
/* Wakes the poller: a waiter wants a sample, or a permit is back that a sample must confirm. */
void gate_ring(struct limiter *l);

#endif
