/* program.h - what the processes of a schedule do: named programs over a small segment. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "process.h"
#include "shmlimit.h"

enum program_flags {
    WATCHED = 1,   /* permits may be taken back: the clock passes the slot time-out */
    SAMPLED = 2,   /* an upstream is sampled: room also depends on what it says */
    LIMIT_MOVES = 4,
    RETIRES = 8,
    CLOCK_MOVES = 16, /* by an operation, so that what is due may be overdue */
};
/* A play: words of operations.c; those before `/` are done before the schedule begins, one process after another. */
struct program {
    const char *name;
    uint32_t limit, flags;
    uint64_t cooldown_us, slot_timeout_us;
    const char *plays[PROCESSES];
};
extern const struct program programs[];
extern const unsigned long n_programs;
extern const struct program *program; /* the one that runs */

void program_begin(const struct program *chosen);
void program_begin_again(void);
/* NULL: it has ended. */
const struct operation *program_operation(int who, int at);
/* All processes have ended or died: everything is accounted for. */
void program_settle(void);

const struct operation *operation_named(const char *word, unsigned long length);

#endif
