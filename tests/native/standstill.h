/* standstill.h - two users and a poller of one segment, on a clock that only pass() moves. */
#ifndef STANDSTILL_H
#define STANDSTILL_H

#include "check.h"
#include "fake_os.h"
#include "gate.h"
#include "queue.h"
#include "scratch.h"

#define COOLDOWN_US 350000
#define STALE_US 10000000
#define SETTLE_US 1000000
#define TIMEOUT_US 300000000

extern struct limiter me, other, poller;
extern struct permit held[4]; /* of me */
extern struct permit waiting, newcomer; /* of other */

void begin_with(uint32_t limit, uint64_t cooldown_us, uint32_t flags);
void begin(uint32_t limit);
void end(void);
void pass(uint64_t us);
void fill(uint32_t n);
/* Once all have cooled: the same slot in its next occupancy. */
void hold_again(const struct permit *last);
void release(int i);
void queue(void);
bool is_in(void);
uint32_t look(void);
bool may_enter(void);
void sample(uint32_t count_milli);
struct gate_view view_now(void);

#endif
