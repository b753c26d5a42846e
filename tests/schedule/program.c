#include "program.h"

#include <string.h>

#include "admission.h"
#include "check.h"
#include "invariants.h"
#include "kernel.h"
#include "queue.h"
#include "trace.h"

const struct program *program;

static const struct operation *script[PROCESSES][OPERATIONS_MAX + 1];
static int begins_at[PROCESSES]; /* what is before is done once, before all schedules */
static bool is_fork_child[PROCESSES];

static void parse(int who, const char *play)
{
    int n = 0;

    begins_at[who] = 0;
    while (play && *play) {
        unsigned long length = strcspn(play, " ");

        if (*play == '/')
            begins_at[who] = n;
        else {
            CHECK(n < OPERATIONS_MAX);
            script[who][n++] = operation_named(play, length);
            if (who + 1 < PROCESSES && !strncmp(play, "fork", length))
                is_fork_child[who + 1] = true;
        }
        play += length;
        play += strspn(play, " ");
    }
    script[who][n] = NULL;
}

const struct operation *program_operation(int who, int at) { return script[who][at]; }

/* ---- The world and its image. */
#define HEADER_BYTES 512 /* up to the reserve: nothing behind changes */

static struct image {
    char header[HEADER_BYTES];
    struct participant participants[PARTICIPANTS];
    struct slot slots[SLOTS];
    struct process processes[PROCESSES];
    struct process inspector;
    struct kernel kernel;
} image;

static void save(void)
{
    process_load(-1);
    memcpy(image.header, (void *)&segment.header, HEADER_BYTES);
    memcpy((void *)image.participants, (void *)segment.participants, sizeof image.participants);
    memcpy((void *)image.slots, (void *)segment.slots, sizeof image.slots);
    memcpy(image.processes, processes, sizeof image.processes);
    image.inspector = processes[INSPECTOR];
    image.kernel = kernel;
}

void program_begin_again(void)
{
    process_load(-1);
    memcpy((void *)&segment.header, image.header, HEADER_BYTES);
    memcpy((void *)segment.participants, (void *)image.participants, sizeof image.participants);
    memcpy((void *)segment.slots, (void *)image.slots, sizeof image.slots);
    memcpy(processes, image.processes, sizeof image.processes);
    processes[INSPECTOR] = image.inspector;
    kernel = image.kernel;
    invariants_begin();
}

static void set_up(int who)
{
    struct process *p = &processes[who];

    *p = (struct process){.born = !is_fork_child[who] && script[who][0], .epoch = 1, .epoch_before_fork = 1};
    p->done = !script[who][0];
    process_load(who);
    if (p->born && strcmp(script[who][0]->word, "attach"))
        operation_named("attach", 6)->run(who);
    for (; p->at < begins_at[who]; p->at++)
        script[who][p->at]->run(who);
}

void program_begin(const struct program *chosen)
{
    struct fault fault;

    program = chosen;
    check_scene = chosen->name;
    memset(is_fork_child, 0, sizeof is_fork_child);
    for (int who = 0; who < PROCESSES; who++)
        parse(who, chosen->plays[who]);
    kernel_format(&(struct segment_settings){.limit = chosen->limit, .configured = chosen->limit,
                                             .cooldown_us = chosen->cooldown_us, .slot_timeout_us = chosen->slot_timeout_us,
                                             .stale_after_us = 10000000, .settle_us = 1000000});
    processes[INSPECTOR] = (struct process){.epoch = 1, .epoch_before_fork = 1, .done = true, .under_way = true};
    process_load(INSPECTOR);
    CHECK_EQUAL(limiter_attach(&processes[INSPECTOR].l, "", false, &fault), SHMLIMIT_OK);
    for (int who = 0; who < PROCESSES; who++)
        set_up(who);
    save();
}

/* ---- The end. */
static void settle_process(int who)
{
    struct process *p = &processes[who];

    CHECK(p->dead || !p->born || p->done);
    if (p->dead || !p->attached)
        return;
    process_load(who);
    if (p->holds)
        operation_named("release", 7)->run(who);
    operation_named("leave", 5)->run(who);
}

static void expire_everything(struct limiter *l)
{
    struct queue_outlook outlook;
    bool found = true;

    while (found) {
        struct gate_view view;
        uint64_t a;

        CHECK_EQUAL(queue_grant(l, false, &outlook), SHMLIMIT_OK);
        CHECK_EQUAL(admission_settle(l, &a), SHMLIMIT_OK);
        gate_read(l, &view);
        CHECK_EQUAL(queue_expire_one(l, a, &view, &found), SHMLIMIT_OK);
    }
}

static void check_empty(void)
{
    invariants_begin(); /* many accesses since the last look */
    invariants_check();
    for (uint32_t i = 0; i < SLOTS; i++)
        CHECK_EQUAL(slot_state(atomic_load(&segment.slots[i].word)), SLOT_FREE);
    CHECK_EQUAL(admission_used_milli(atomic_load(&segment.header.admission.word)), 0);
    CHECK(!admission_has_waiters(atomic_load(&segment.header.admission.word)));
    for (int who = 0; who < PROCESSES; who++)
        for (uint32_t i = 0; processes[who].dead && i < PARTICIPANTS; i++)
            CHECK(participant_state(atomic_load(&segment.participants[i].word)) != PARTICIPANT_LIVE
                  || kernel_is_locked(LOCK_BASE + i));
}

/* Nobody has a lock but on its own entry. */
static void check_locks(void)
{
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        if (kernel_is_locked(LOCK_BASE + i)) {
            bool is_own = false;

            for (int who = 0; who < EVERYBODY; who++)
                is_own |= !processes[who].dead && processes[who].l.index == i && kernel_holds_lock(who, LOCK_BASE + i);
            CHECK(is_own);
        }
}

/* Exactly the limit can be had. */
static void check_limit(struct limiter *l)
{
    struct request request = {.weight_milli = 1000, .since_ns = 1};
    uint32_t limit = limits_limit(atomic_load(&segment.header.settings.limits));
    struct permit permits[SLOTS], extra;

    CHECK(limit < SLOTS);
    for (uint32_t i = 0; i < limit; i++)
        CHECK_EQUAL(limiter_try(l, &request, &permits[i]), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_try(l, &request, &extra), SHMLIMIT_WOULD_BLOCK);
    for (uint32_t i = 0; i < limit; i++)
        CHECK(limiter_release(l, &permits[i]));
}

void program_settle(void)
{
    struct limiter *l = &processes[INSPECTOR].l;
    uint32_t taken_back;

    for (int who = 0; who < PROCESSES; who++)
        settle_process(who);
    process_load(INSPECTOR);
    kernel.now_us += 10000000;
    CHECK_EQUAL(limiter_reap(l, &taken_back), SHMLIMIT_OK);
    kernel.now_us += 10000000;
    CHECK_EQUAL(limiter_reset(l), SHMLIMIT_OK);
    expire_everything(l);
    if (used.faults == 0 && !(program->flags & CLOCK_MOVES))
        CHECK_EQUAL(atomic_load(&segment.header.queue.self_heals), 0);
    if (!(program->flags & RETIRES)) {
        check_limit(l);
        kernel.now_us += 10000000;
        expire_everything(l);
    }
    check_empty();
    check_locks();
}
