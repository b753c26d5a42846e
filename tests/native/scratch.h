/* scratch.h - a segment of the test's own under /dev/shm, gone when the program ends, however it ends. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "layout.h"
#include "shmlimit.h"
#include "words.h"

/* The settings that most tests want: no cooldown, no watchdog. */
#define SCRATCH_SETTINGS(slots, n)                                                                                   \
    (struct segment_settings) { .n_slots = (slots), .limit = (n), .configured = (n), .stale_after_us = 10000000,     \
                                .settle_us = 1000000 }

/* Makes a segment, in place of this program's last one. */
void scratch_segment(const struct segment_settings *settings);
const char *scratch_path(void);
void scratch_attach(struct limiter *l);
void scratch_remove(void);

struct permit scratch_hold(struct limiter *l);                       /* limiter_try of weight 1, which must succeed */
enum shmlimit_status scratch_try(struct limiter *l, uint32_t weight_milli, struct permit *permit);
enum shmlimit_status scratch_enter(struct limiter *l, uint32_t weight_milli, struct permit *permit);
uint32_t scratch_count(const struct limiter *l, enum slot_state state);
uint32_t scratch_used_milli(const struct limiter *l);
/* Fails unless the invariants hold. */
void scratch_audit(const struct limiter *l);
/* With all permits back: frees what has cooled, then fails unless every slot is FREE and the sum is 0. */
void scratch_check_empty(struct limiter *l);
/* Fails unless exactly the limit can be had, one by one; gives it back. */
void scratch_check_limit(struct limiter *l, uint32_t limit);

#endif
