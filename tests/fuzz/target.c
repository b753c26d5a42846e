/* target.c - what the fuzzers call with each input. Built with SHMLIMIT_STEP=step, and fake_os.c in place of csrc/os.c. */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "operations.h"
#include "queue.h"
#include "slots.h"
#include "target.h"

static struct figures {
    uint64_t inputs, operations, most_accesses;
    int64_t longest_ns;
    enum verb most_accesses_by, longest_by;
} figures;

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void report(void)
{
    fprintf(stderr,
            "inputs %" PRIu64 ", operations %" PRIu64 ", most accesses in one operation %" PRIu64 " of %" PRIu64
            " (verb %d), longest %" PRId64 " us of CPU (verb %d)\n",
            figures.inputs, figures.operations, figures.most_accesses, (uint64_t)ACCESSES_MAX,
            (int)figures.most_accesses_by, figures.longest_ns / 1000, (int)figures.longest_by);
}

/* abort(), not exit(): the fuzzer then keeps the input. */
static void give_up(void)
{
    scratch_remove();
    report();
    abort();
}

static void measure(const struct record *record)
{
    int64_t begun_ns = cpu_ns(), ns;

    operate(record);
    ns = cpu_ns() - begun_ns;
    figures.operations++;
    if (accesses > figures.most_accesses) {
        figures.most_accesses = accesses;
        figures.most_accesses_by = record->verb;
    }
    if (ns > figures.longest_ns) {
        figures.longest_ns = ns;
        figures.longest_by = record->verb;
    }
}

/* Whatever was asked for, as long as nobody edits the bytes. */
static void check_sound(void)
{
    struct limiter *l = &holders[ACTOR_ME].l;
    uint64_t limits = load64(&l->header->settings.limits);
    struct fault fault = {0};

    enemy_watch();
    CHECK_EQUAL(limiter_audit(l, &fault), SHMLIMIT_OK);
    CHECK(limits_limit(limits) >= 1 && limits_limit(limits) <= limits_configured(limits));
    for (uint32_t i = slots_high_water(l); i < SLOTS; i++)
        CHECK_EQUAL(slot_state(load64(&l->slots[i].word)), SLOT_FREE);
}

/* All give back what they have: nothing is lost. */
static void check_nothing_lost(void)
{
    struct limiter *me = &holders[ACTOR_ME].l;
    uint32_t taken_back;

    for (enum actor actor = 0; actor < ACTORS; actor++)
        for (int i = 0; holders[actor].is_here && i < PERMITS; i++) {
            if (holders[actor].phases[i] == PERMIT_QUEUED)
                limiter_leave(&holders[actor].l, &holders[actor].permits[i]);
            limiter_release(&holders[actor].l, &holders[actor].permits[i]);
        }
    enemy_watch();
    CHECK_EQUAL(limiter_reap(me, &taken_back), SHMLIMIT_OK);
    fake_os.now_us += UINT64_C(1) << 34; /* past every cooldown */
    enemy_watch();
    scratch_check_empty(me);
}

/* Not before the first input: a fuzzer may fork until then, and what is attached belongs to one process. */
static void make_once(void)
{
    static bool is_made;

    if (is_made)
        return;
    is_made = true;
    world_make();
    check_cleanup = give_up;
    atexit(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = records_in(size);
    bool is_peace;

    if (!size)
        return 0;
    make_once();
    figures.inputs++;
    is_peace = data[0] & PEACE;
    world_begin((data[0] & ~PEACE) % BEGINNINGS);
    enemy_begin();
    for (size_t i = 0; i < n; i++) {
        struct record record;

        memcpy(&record, data + 1 + i * sizeof record, sizeof record);
        record.verb %= VERBS;
        check_step = (long)i;
        if (record.verb > VERB_ADD)
            measure(&record);
        else if (!is_peace)
            enemy_edit(&record);
        if (!enemy_has_edited() && !enemy_is_at_work())
            check_sound();
    }
    if (!enemy_has_edited() && !enemy_is_at_work())
        check_nothing_lost();
    world_end();
    return 0;
}
