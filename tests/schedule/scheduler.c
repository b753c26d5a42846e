#include "scheduler.h"

#include <errno.h>

#include "check.h"
#include "invariants.h"
#include "kernel.h"
#include "program.h"
#include "room.h"
#include "trace.h"
#include "variety.h"

#define STEPS_OF_A_SCHEDULE 200000
/* So often everybody looks again before those that are frozen go on, and before a waiter counts as forgotten. */
#define LOOKS 3
#define VAIN_MAX 400

const char move_letters[KINDS + 1] = " xfwesdtu.";
struct budget allowed, used;
uint64_t steps, steps_taken;

static const struct strategy *strategy;
static int vain; /* ends of sleeps since an operation ended */

static bool can_run(int who)
{
    const struct process *p = &processes[who];

    return p->born && !p->dead && !p->frozen && !p->done && !p->sleeps_on;
}

static bool is_asleep(int who) { return !processes[who].dead && !processes[who].frozen && processes[who].sleeps_on; }

static bool is_mortal(int who)
{
    const struct process *p = &processes[who];

    return p->born && !p->dead && (!p->done || p->holds || p->waits);
}

/* ---- The moves that are open. */
struct moves {
    struct move at[MOVES_MAX];
    size_t n;
};

static void open(struct moves *moves, enum move_kind kind, int who)
{
    CHECK(moves->n < MOVES_MAX);
    moves->at[moves->n++] = (struct move){(uint8_t)kind, (uint8_t)who};
}

static void open_faults(struct moves *moves)
{
    for (int who = 0; who < PROCESSES; who++)
        if (is_mortal(who))
            open(moves, CRASH, who);
    if (can_run(running))
        open(moves, FREEZE, running);
    for (int who = 0; who < PROCESSES; who++)
        if (is_asleep(who)) {
            open(moves, SPUR, who);
            open(moves, EXPIRE, who);
            open(moves, SIGNAL, who);
        }
}

static int first_to_wake(void)
{
    int first = -1;

    for (int who = 0; who < PROCESSES; who++)
        if (is_asleep(who) && (first < 0 || processes[who].deadline_us < processes[first].deadline_us))
            first = who;
    return first;
}

/* Nobody runs: time passes; and when that changes nothing, who was frozen goes on. */
static void open_rest(struct moves *moves)
{
    int first = first_to_wake(), asleep = 0;

    for (int who = 0; who < PROCESSES; who++)
        asleep += is_asleep(who);
    for (int who = 0; who < PROCESSES; who++)
        if (processes[who].frozen && !processes[who].dead && vain >= asleep * LOOKS)
            open(moves, THAW, who);
    if (first >= 0 && !moves->n)
        open(moves, PASS, first);
    if (used.faults == 0 ? first >= 0 && processes[first].deadline_us > kernel.now_us : vain >= asleep * LOOKS)
        room_nobody_is_forgotten();
}

static void open_moves(struct moves *moves)
{
    moves->n = 0;
    if (can_run(running))
        open(moves, RUN, running);
    if (!moves->n || used.preemptions < allowed.preemptions)
        for (int who = 0; who < PROCESSES; who++)
            if (who != running && can_run(who))
                open(moves, RUN, who);
    if (!moves->n)
        open_rest(moves);
    if (moves->n && used.faults < allowed.faults)
        open_faults(moves);
}

/* ---- One of them happens. */
static void pass_until(uint64_t us)
{
    if (us > kernel.now_us)
        kernel.now_us = us;
}

static void happen(struct move move)
{
    int who = move.who;

    if (move.kind != PASS) {
        used.faults += move.kind != THAW;
        vain = 0;
    }
    switch ((enum move_kind)move.kind) {
    case CRASH:
        kernel_kill(who);
        break;
    case FREEZE:
        processes[who].frozen = true;
        break;
    case THAW:
        processes[who].frozen = false;
        break;
    case SPUR:
        kernel_wake(who, 0);
        break;
    case SIGNAL:
        kernel_wake(who, -EINTR);
        break;
    case PASS:
        CHECK(vain++ < VAIN_MAX); /* or somebody is never served */
        pass_until(processes[who].deadline_us);
        kernel_wake(who, -ETIMEDOUT);
        break;
    case EXPIRE:
        pass_until(processes[who].deadline_us);
        kernel_wake(who, -ETIMEDOUT);
        break;
    case RUN:
    case DROP:
    case KEEP:
    case KINDS:
        break;
    }
}

static struct move choose(const struct moves *moves)
{
    struct move move = moves->at[strategy->choose(moves->at, moves->n)];

    trace_note(move);
    return move;
}

/* The running process is about to do something that others notice, or cannot go on. Returns when it is its turn. */
static void decide(void)
{
    if (invariants_check())
        variety_note_state();
    for (;;) {
        struct moves moves;
        struct move move;

        open_moves(&moves);
        if (!moves.n) {
            if (running != INSPECTOR)
                process_switch(INSPECTOR);
            return;
        }
        move = choose(&moves);
        if (move.kind != RUN) {
            happen(move);
            continue;
        }
        CHECK(++steps < STEPS_OF_A_SCHEDULE);
        if (move.who == running)
            return;
        used.preemptions += can_run(running);
        process_switch(move.who);
        return;
    }
}

void step(void)
{
    if (running >= 0)
        decide();
}

bool scheduler_drops_wake(void)
{
    struct moves moves = {.n = 0};

    if (running < 0 || used.faults >= allowed.faults)
        return false;
    open(&moves, KEEP, running);
    open(&moves, DROP, running);
    if (!strategy->choose(moves.at, moves.n))
        return false;
    trace_note(moves.at[1]);
    used.faults++;
    return true;
}

_Noreturn void scheduler_play(int who)
{
    struct process *p = &processes[who];

    while ((p->doing = program_operation(who, p->at))) {
        p->at++;
        trace_tell_operation(who);
        p->doing->run(who);
        vain = 0;
    }
    p->done = true;
    decide();
    /* Nobody chooses who has ended. */
    abort();
}

void scheduler_run(const struct strategy *by)
{
    strategy = by;
    program_begin_again();
    trace_length = 0;
    used = (struct budget){0};
    steps = 0;
    vain = 0;
    running = INSPECTOR; /* who cannot run: anybody may be first */
    decide();
    running = -1;
    process_load(INSPECTOR);
    steps_taken += steps;
    program_settle();
}
