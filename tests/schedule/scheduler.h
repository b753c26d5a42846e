/* scheduler.h - runs a program once for each schedule that a strategy chooses: before every access of every process it is
 * decided who goes on, who dies, who freezes, who is woken. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may happen at a step. The letters are those of a trace: `A12 xB A3` is twelve steps of A, B dies, three of A. */
enum move_kind {
    RUN,     /*    the next access of a process */
    CRASH,   /* x  SIGKILL */
    FREEZE,  /* f  SIGSTOP */
    SPUR,    /* w  a sleeper wakes though nobody called */
    EXPIRE,  /* e  the clock moves to the end of a sleep */
    SIGNAL,  /* s  a sleeper gets a signal */
    DROP,    /* d  the wake that a process is calling is lost */
    PASS,    /* t  nobody can run: the clock moves to the first end of a sleep */
    THAW,    /* u  nobody else can do anything: SIGCONT */
    KEEP,    /*    the wake is not lost; in no trace */
    KINDS
};
struct move {
    uint8_t kind, who;
};
extern const char move_letters[KINDS + 1];

#define MOVES_MAX 32

/* Decides. The first of the moves is to go on as before. */
struct strategy {
    size_t (*choose)(const struct move *moves, size_t n);
};

struct budget {
    int preemptions, faults;
};
extern struct budget allowed, used;

/* ---- What happened: the same moves again, and how often. */
#define TRACE_MAX 65536
struct event {
    struct move move;
    uint32_t times;
};
extern struct event trace[TRACE_MAX];
extern size_t trace_length;
extern uint64_t steps;       /* of this schedule */
extern uint64_t steps_taken; /* of all */
extern bool is_told;         /* each step is printed */

/* One schedule, from the beginning of the program to the end of all its processes. */
void scheduler_run(const struct strategy *strategy);
void step(void);
/* A wake has sleepers: whether it is lost. */
bool scheduler_drops_wake(void);
/* A process's program, on its stack. */
_Noreturn void scheduler_play(int who);

#endif
