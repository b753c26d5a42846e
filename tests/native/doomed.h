/* doomed.h - a process that is killed or stopped before its n-th access to shared memory, what it may be doing then, and the
 * world around it: two attachments of its parent, which stay. */
#ifndef DOOMED_H
#define DOOMED_H

#include "check.h"
#include "os.h"
#include "scratch.h"

#define LIMIT 2u
#define SLOTS 8u

extern struct limiter survivor, second;
extern struct permit held[4], waiting; /* of survivor, of second */
extern uint32_t n_held;
extern bool is_waiting;
extern pid_t helper; /* a third process that some scenarios need; 0: none */

/* Another process, which died at its own step of an act: what a reaper under test finds. */
extern long victim_step;
extern void (*victim_act)(void);
extern bool victim_completed;

/* What the child does. prepare: before it is armed; arrange: in the parent, after that. `scans`: it reads much and writes
 * little, so a death is tried at each change of the bytes; `attaches`: it is not attached before. */
struct scenario {
    const char *name;
    void (*prepare)(void), (*arrange)(void), (*act)(void);
    bool scans, attaches;
};

void let_go(void);
void nothing(void);
void child_holds(void);
void child_polls(void);
void fill(void);
void hold_one_and_queue(void);
void fill_and_queue(void);
void cool_for_a_while(void);
void leave_cooled(void);
void pause_and_queue(void);
void try_and_release(void);
void enter_and_leave(void);
void enter_and_wait(void);
void release(void);
void raise_limit(void);
void reset(void);
void pause_long(void);
void touch(void);
void report(void);
void write_sample(void);
void write_failure(void);
void reap(void);
void detach(void);
void attach(void);
void hold_and_queue_in_child(void);
void release_when_asked(void);
void find_a_corpse(void);
void find_a_corpse_in_a_queue(void);
/* Starts the child; it gets the signal before its n-th access. */
pid_t start(const struct scenario *s, long n, int signal_at_step, int go[2]);
void end_helper(void);

#endif
