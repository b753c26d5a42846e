/* patience.h - how much one call may do before it gives up: one budget for all its loops, nested or not.
 *
 * The loops of the core retry because others made progress. Honest others let a call through after a few passes; an
 * enemy who changes the words between every two looks would keep it for ever. A call that has lost its patience answers
 * SHMLIMIT_CORRUPT within PATIENCE looks at slots and those for each table that it goes through once: within half a
 * second, where a look takes some nanoseconds. A table of 4096 slots can be gone through over 7,000 times, which is more
 * than its slots can honestly be admitted or expired one by one; what a larger one has left then is left to the next call.
 *
 * Thread-local, and not an argument: the loops are at the bottom of every call, and without contention none of them has a
 * second pass. So what nobody contends for costs one store a call. */
#ifndef SHMLIMIT_PATIENCE_H
#define SHMLIMIT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#ifndef PATIENCE
#define PATIENCE (1u << 25)
#endif
#define PATIENCE_PER_PASS 256u /* a pass that looks at no table: some atomic accesses and a system call */

/* The dynamic models cost a function call for each access; elsewhere than in glibc a loaded library needs them. */
#ifdef __GLIBC__
#define PATIENCE_STORAGE __attribute__((tls_model("initial-exec")))
#else
#define PATIENCE_STORAGE
#endif

extern _Thread_local uint32_t patience_left PATIENCE_STORAGE;

/* By each call from outside, before its first loop. */
static inline void patience_begin(void) { patience_left = PATIENCE; }

/* Before each pass of a loop that looks at so many slots in one: true if the call may go on. The first pass is free. */
static inline bool patience_lasts(uint32_t pass, uint32_t slots)
{
    uint32_t cost = PATIENCE_PER_PASS + slots;

    if (!pass)
        return true;
    patience_left = patience_left > cost ? patience_left - cost : 0; /* once lost, lost for the outer loops too */
    return patience_left;
}

/* True when a call that can be taken up again should end before it must answer SHMLIMIT_CORRUPT. */
static inline bool patience_is_low(void) { return patience_left < PATIENCE / 2; }

#endif
