/* process.h - the processes of a schedule: each has an attachment of its own, its own copy of what attach.c keeps in globals,
 * and a coroutine that runs its program. */
#ifndef PROCESS_H
#define PROCESS_H

#include "layout.h"
#include "shmlimit.h"
#include "words.h"

#define OPERATIONS_MAX 12

/* The inspector runs between schedules: its place is where the schedule was begun. */
enum { PROCESSES = 4, INSPECTOR = PROCESSES, EVERYBODY };

struct operation {
    const char *word;
    void (*run)(int who);
};

/* What a process has in memory of its own. */
struct process {
    struct limiter l;
    struct limiter *registry;
    uint64_t epoch, epoch_before_fork;
    struct permit permit;
    const struct operation *doing;
    int at;            /* which operation of its program comes next */
    bool born;         /* false: a fork child to be */
    bool attached, holds, waits;
    uint64_t touched_us; /* when a touch of this permit is known to have counted; 0: none yet */
    bool dead, frozen, done;
    bool under_way;    /* its coroutine is in the middle of its program */
    shared32 *sleeps_on; /* parked; NULL: not */
    uint64_t deadline_us;
    int woken_by;      /* what os_futex_wait() returns */
    bool is_trying, was_blocked; /* during its try there was an instant without room for it */
};

extern struct process processes[EVERYBODY];
/* Whose access comes next; -1: nobody's, accesses are no steps of the schedule. */
extern int running;

/* Makes the coroutines. */
void processes_start(void);
/* The globals of attach.c become those of this process; -1 puts the last one's back into its memory only. */
void process_load(int who);
/* What fork(2) gives the child: a copy, in which the handlers have run. */
void process_fork(int parent, int child);
/* Leaves the running process, goes on with that one; returns when somebody goes on with this one. */
void process_switch(int to);

#endif
