/* operations.c - what a process does, one call of the core each, and what it may expect of the answer. */
#include <string.h>

#include "check.h"
#include "kernel.h"
#include "program.h"
#include "room.h"
#include "queue.h"

#define BRIEFLY_US 250000
#define PAUSE_US 2000000
#define COOL_US 400000

static struct process *me(int who) { return &processes[who]; }

/* An answer other than OK, QUEUED and WOULD_BLOCK is right only in a program that gives a reason for it. */
static void expect_reason(enum shmlimit_status status)
{
    if (status == SHMLIMIT_ORPHANED)
        CHECK(program->flags & RETIRES);
    else if (status == SHMLIMIT_NEVER_ADMISSIBLE)
        CHECK(program->flags & LIMIT_MOVES);
    else
        CHECK_EQUAL(status, SHMLIMIT_OK);
}

/* ---- Permits. */
static struct request wanted(uint32_t weight_milli, int32_t priority, int64_t since_ns)
{
    return (struct request){.weight_milli = weight_milli, .priority = priority, .since_ns = since_ns};
}

static void try(struct process *p, uint32_t weight_milli)
{
    struct request request = wanted(weight_milli, 0, 2);
    enum shmlimit_status status;

    p->permit.weight_milli = weight_milli;
    p->is_trying = true;
    p->was_blocked = room_is_blocked(weight_milli);
    status = limiter_try(&p->l, &request, &p->permit);
    p->is_trying = false;
    p->attached = true;
    p->holds = status == SHMLIMIT_OK;
    if (status == SHMLIMIT_WOULD_BLOCK)
        CHECK(p->was_blocked); /* or there was room all the time */
    else
        expect_reason(status);
}

static void enter(struct process *p, struct request request)
{
    enum shmlimit_status status = limiter_enter(&p->l, &request, &p->permit);

    p->attached = true;
    p->holds = status == SHMLIMIT_OK;
    p->waits = status == SHMLIMIT_QUEUED;
    if (!p->waits)
        expect_reason(status);
}

static void wait_until(struct process *p, uint64_t deadline_us)
{
    enum shmlimit_status status;

    if (!p->waits)
        return;
    do
        status = limiter_wait(&p->l, &p->permit, deadline_us);
    while (status == SHMLIMIT_INTERRUPTED || status == SHMLIMIT_POLLER_WANTED);
    p->waits = false;
    p->holds = status == SHMLIMIT_OK;
    if (status == SHMLIMIT_TIMED_OUT)
        CHECK(kernel.now_us >= deadline_us);
    else
        expect_reason(status);
}

static void acquire(struct process *p, struct request request, uint64_t deadline_us)
{
    enter(p, request);
    wait_until(p, deadline_us);
}

static void op_try(int who) { try(me(who), 1000); }
static void op_try_two(int who) { try(me(who), 2000); }
static void op_enter(int who) { enter(me(who), wanted(1000, 0, 2)); }
static void op_enter_two(int who) { enter(me(who), wanted(2000, 0, 2)); }
static void op_enter_older(int who) { enter(me(who), wanted(1000, 0, 1)); }
static void op_enter_first(int who) { enter(me(who), wanted(1000, 1, 3)); }
static void op_wait(int who) { wait_until(me(who), UINT64_MAX); }
static void op_wait_briefly(int who) { wait_until(me(who), kernel.now_us + BRIEFLY_US); }
static void op_acquire(int who) { acquire(me(who), wanted(1000, 0, 2), UINT64_MAX); }
static void op_acquire_two(int who) { acquire(me(who), wanted(2000, 0, 2), UINT64_MAX); }
static void op_acquire_older(int who) { acquire(me(who), wanted(1000, 0, 1), UINT64_MAX); }
static void op_acquire_first(int who) { acquire(me(who), wanted(1000, 1, 3), UINT64_MAX); }
static void op_acquire_briefly(int who) { acquire(me(who), wanted(1000, 0, 2), kernel.now_us + BRIEFLY_US); }

/* As one task of an event loop does, whose only sleeper listens to its participant's bell. */
static void op_listen(int who)
{
    struct process *p = me(who);
    shared32 *bell = &segment.participants[p->l.index].bell;
    enum shmlimit_status status;
    bool was_woken = true;

    enter(p, (struct request){.weight_milli = 1000, .since_ns = 2, .has_bell = true});
    if (!p->waits)
        return;
    for (;;) {
        uint32_t heard = load32(bell);

        status = limiter_poll(&p->l, &p->permit, true, was_woken);
        if (status != SHMLIMIT_QUEUED && status != SHMLIMIT_INTERRUPTED && status != SHMLIMIT_POLLER_WANTED)
            break;
        was_woken = os_futex_wait(bell, heard, p->permit.look_at_us) == 0;
    }
    p->waits = false;
    p->holds = status == SHMLIMIT_OK;
    expect_reason(status);
}

static void op_leave(int who)
{
    struct process *p = me(who);
    enum shmlimit_status status;

    if (!p->waits)
        return;
    status = limiter_leave(&p->l, &p->permit);
    p->waits = false;
    p->holds = status == SHMLIMIT_WOULD_BLOCK;
    if (!p->holds && !(status == SHMLIMIT_LOST && program->flags & WATCHED))
        expect_reason(status);
}

static void op_release(int who)
{
    struct process *p = me(who);
    bool holds = p->holds;

    p->holds = false;
    p->touched_us = 0;
    if (holds && !limiter_release(&p->l, &p->permit))
        CHECK(program->flags & WATCHED);
}

/* The same again, and what a child inherited: nothing of anybody's changes. */
static void op_release_nothing(int who) { CHECK(!limiter_release(&me(who)->l, &me(who)->permit)); }

static void op_touch(int who)
{
    struct process *p = me(who);
    uint64_t now_us = kernel.now_us;

    if (!p->holds)
        return;
    if (limiter_touch(&p->l, &p->permit))
        p->touched_us = now_us;
    else
        CHECK(program->flags & WATCHED);
}

/* ---- Processes. */
static void op_attach(int who)
{
    struct process *p = me(who);
    struct fault fault;

    CHECK_EQUAL(limiter_attach(&p->l, "", false, &fault), SHMLIMIT_OK);
    p->attached = true;
}

static void op_detach(int who)
{
    struct process *p = me(who);

    p->attached = p->holds = p->waits = false;
    limiter_detach(&p->l);
}

/* Before the schedule begins. */
static void op_die(int who) { kernel_kill(who); }

/* The child is the next process of the program. */
static void op_fork(int who) { process_fork(who, who + 1); }

static void op_reap(int who)
{
    uint32_t taken_back;

    CHECK_EQUAL(limiter_reap(&me(who)->l, &taken_back), SHMLIMIT_OK);
}

/* ---- Settings. */
static void op_lower(int who) { CHECK_EQUAL(limiter_set_limit(&me(who)->l, 1), SHMLIMIT_OK); }
static void op_raise(int who) { CHECK_EQUAL(limiter_set_limit(&me(who)->l, 3), SHMLIMIT_OK); }
static void op_reset(int who) { CHECK_EQUAL(limiter_reset(&me(who)->l), SHMLIMIT_OK); }
static void op_pause(int who) { CHECK_EQUAL(limiter_pause(&me(who)->l, kernel.now_us + PAUSE_US, false), SHMLIMIT_OK); }
static void op_pause_briefly(int who)
{
    CHECK_EQUAL(limiter_pause(&me(who)->l, kernel.now_us + BRIEFLY_US, true), SHMLIMIT_OK);
}
static void op_end_pause(int who) { CHECK_EQUAL(limiter_end_pause(&me(who)->l, kernel.now_us + BRIEFLY_US), SHMLIMIT_OK); }
static void op_cooldown(int who) { CHECK_EQUAL(limiter_set_cooldown(&me(who)->l, COOL_US / 2), SHMLIMIT_OK); }
static void op_retire(int who) { limiter_retire(&me(who)->l); }
static void op_unlink(int who)
{
    (void)who;
    step();
    kernel.unlinked = true;
}

static void op_refusal(int who)
{
    struct process *p = me(who);
    bool reduced;

    CHECK_EQUAL(limiter_report_refusal(&p->l, p->holds ? &p->permit : NULL, kernel.now_us, &reduced), SHMLIMIT_OK);
}

/* ---- The upstream, and time. */
static void op_elect(int who)
{
    enum shmlimit_status status = poller_elect(&me(who)->l);

    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_WOULD_BLOCK);
}

static void sample(struct process *p, uint32_t count_milli)
{
    enum shmlimit_status status = poller_write_sample(&p->l, count_milli, kernel.now_us, count_milli);

    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_LOST);
}

static void op_sample_none(int who) { sample(me(who), 0); }
static void op_sample_one(int who) { sample(me(who), 1000); }

static void feed(struct process *p, uint32_t foreign_milli)
{
    enum shmlimit_status status = feed_write_sample(&p->l, foreign_milli, foreign_milli, kernel.now_us, foreign_milli);

    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_LOST);
}

static void op_feed_none(int who) { feed(me(who), 0); }
static void op_feed_one(int who) { feed(me(who), 1000); }
static void op_resign(int who) { poller_resign(&me(who)->l); }

static void op_cool(int who)
{
    (void)who;
    step();
    kernel.now_us += COOL_US;
}

/* Two of these are more than the time-out. */
static void op_work(int who)
{
    (void)who;
    step();
    kernel.now_us += program->slot_timeout_us * 3 / 5;
}

static void op_stuck(int who)
{
    (void)who;
    step();
    kernel.now_us += program->slot_timeout_us;
}

const struct operation *operation_named(const char *word, unsigned long length)
{
    static const struct operation operations[] = {
        {"try", op_try}, {"try-two", op_try_two}, {"enter", op_enter}, {"enter-two", op_enter_two},
        {"enter-older", op_enter_older}, {"enter-first", op_enter_first}, {"wait", op_wait},
        {"wait-briefly", op_wait_briefly}, {"acquire", op_acquire}, {"acquire-two", op_acquire_two},
        {"acquire-older", op_acquire_older}, {"acquire-first", op_acquire_first},
        {"acquire-briefly", op_acquire_briefly}, {"leave", op_leave}, {"release", op_release},
        {"release-nothing", op_release_nothing}, {"touch", op_touch}, {"attach", op_attach}, {"detach", op_detach},
        {"fork", op_fork}, {"die", op_die}, {"listen", op_listen}, {"reap", op_reap}, {"lower", op_lower}, {"raise", op_raise}, {"reset", op_reset},
        {"pause", op_pause}, {"pause-briefly", op_pause_briefly}, {"end-pause", op_end_pause}, {"cooldown", op_cooldown}, {"retire", op_retire},
        {"unlink", op_unlink}, {"refusal", op_refusal}, {"elect", op_elect}, {"sample-none", op_sample_none},
        {"sample-one", op_sample_one}, {"feed-none", op_feed_none}, {"feed-one", op_feed_one}, {"resign", op_resign}, {"cool", op_cool}, {"work", op_work}, {"stuck", op_stuck},
    };

    for (unsigned long i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strlen(operations[i].word) == length && !memcmp(operations[i].word, word, length))
            return &operations[i];
    fprintf(stderr, "no operation: %.*s\n", (int)length, word);
    exit(3);
}
