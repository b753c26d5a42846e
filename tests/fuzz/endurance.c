/* endurance.c - how long a call can be kept, with the patience that is shipped: a large table in the state that makes a call
 * work most, and an enemy who changes one word before every n-th access that the call makes. Built with SHMLIMIT_STEP=step.
 *
 * The bound that is checked is of accesses; the time is printed: it is the machine's. */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "check.h"
#include "os.h"
#include "patience.h"
#include "scratch.h"

/* Two visits of a slot for each that patience counts, at five words each at most; and once every slot for every participant. */
#define ACCESSES_MAX(n_slots) (UINT64_C(10) * PATIENCE + UINT64_C(4) * PARTICIPANTS * (n_slots))

static struct limiter me, other;
static struct permit mine, waiting;
static char *image;
static uint64_t accesses, every;
static shared64 *target;
static uint64_t change; /* added */

void step(void);
void step(void)
{
    accesses++;
    if (every && accesses % every == 0)
        atomic_fetch_add(target, change);
}

/* ---- Tables. */
static void all_free(uint32_t i) { (void)i; }

static void put(uint32_t i, enum slot_state state, uint32_t participant)
{
    struct slot *slot = &me.slots[i];

    if (slot_state(slot->word) != SLOT_FREE)
        return;
    atomic_store(&slot->word, slot_word(state, participant, 1));
    atomic_store(&slot->weight_milli, 1);
    atomic_store(&slot->since_ns, (uint64_t)me.n_slots - i); /* each looks better than those before it */
}

static void all_waiting(uint32_t i) { put(i, SLOT_WAITING, other.index); }
static void all_waiting_dead(uint32_t i) { put(i, SLOT_WAITING, 2 + i % (PARTICIPANTS - 2)); }
static void all_cooled(uint32_t i) { put(i, SLOT_COOLING, NOBODY); }
static void all_held_dead(uint32_t i) { put(i, SLOT_HELD, 2 + i % (PARTICIPANTS - 2)); }
static void cooled_and_waiting(uint32_t i) { put(i, i % 2 ? SLOT_COOLING : SLOT_WAITING, i % 2 ? NOBODY : other.index); }

static const struct table {
    const char *name;
    void (*put)(uint32_t i);
} tables[] = {
    {"all waiting", all_waiting},
    {"all free", all_free},
    {"all waiting, dead", all_waiting_dead},
    {"all cooled", all_cooled},
    {"all held, dead", all_held_dead},
    {"cooled and waiting", cooled_and_waiting},
};

static void fill(const struct table *table)
{
    struct header *h = me.header;
    uint64_t used = 0;

    for (uint32_t i = 0; i < me.n_slots; i++)
        table->put(i);
    for (uint32_t i = 2; i < PARTICIPANTS; i++)
        atomic_store(&me.participants[i].word, participant_word(PARTICIPANT_LIVE, 1)); /* and no lock: dead */
    for (uint32_t i = 0; i < me.n_slots; i++)
        if (slot_state(me.slots[i].word) == SLOT_HELD || slot_state(me.slots[i].word) == SLOT_COOLING)
            used += me.slots[i].weight_milli;
    atomic_store(&h->queue.high_water, me.n_slots);
    atomic_store(&h->admission.word, admission_word((uint32_t)used, true, OP_NONE, 0, 1));
}

/* ---- Enemies. */
enum prey { NOTHING, ADMISSION, OWN_SLOT, OWN_WAKE, LIMITS, PAUSE, GATE, HIGH_WATER, PARTICIPANT, PREYS };

static void aim(enum prey prey)
{
    struct header *h = me.header;

    change = 1;
    switch (prey) {
    case ADMISSION:
        target = &h->admission.word;
        change = UINT64_C(1) << 41; /* a version of its own */
        break;
    case OWN_SLOT:
        target = &me.slots[waiting.slot].word;
        change = UINT64_C(1) << 63;
        break;
    case OWN_WAKE:
        target = (shared64 *)(void *)&me.slots[waiting.slot].wake;
        break;
    case LIMITS:
        target = &h->settings.limits;
        break;
    case PAUSE:
        target = &h->settings.paused_until_us;
        break;
    case GATE:
        target = &h->gate.word;
        break;
    case HIGH_WATER:
        target = (shared64 *)(void *)&h->queue.high_water;
        change = UINT32_MAX;
        break;
    case PARTICIPANT:
        target = &me.participants[2].word;
        break;
    default:
        target = NULL;
    }
}

/* ---- Calls. */
static struct request light = {.weight_milli = 1000, .since_ns = 1 << 20}, heavy = {.weight_milli = 4000000, .since_ns = 1 << 20};

static void call_try(void) { limiter_try(&me, &light, &mine); }
static void call_try_heavy(void) { limiter_try(&me, &heavy, &mine); }
static void call_enter(void) { limiter_enter(&me, &heavy, &mine); }
static void call_wait(void) { limiter_wait(&me, &waiting, os_now_us() + 1000); }
static void call_leave(void) { limiter_leave(&me, &waiting); }
static void call_release(void) { limiter_release(&me, &mine); }
static void call_set_limit(void) { limiter_set_limit(&me, LIMIT_MAX); }
static void call_reset(void) { limiter_reset(&me); }
static void call_pause(void) { limiter_pause(&me, 1, true); }
static void call_sample(void) { poller_write_sample(&me, 0, os_now_us() + 1000000, 0); }

static void call_refuse(void)
{
    bool reduced;

    limiter_report_refusal(&me, &mine, 1, &reduced);
}

static void call_reap(void)
{
    uint32_t taken_back;

    limiter_reap(&me, &taken_back);
}

static void call_audit(void)
{
    struct fault fault;

    limiter_audit(&me, &fault);
}

static void call_attach(void)
{
    struct limiter guest;
    struct fault fault;

    if (limiter_attach(&guest, scratch_path(), false, &fault) == SHMLIMIT_OK)
        limiter_detach(&guest);
}

static const struct call {
    const char *name;
    void (*make)(void);
} calls[] = {
    {"try", call_try},         {"try, heavy", call_try_heavy}, {"enter", call_enter},   {"wait", call_wait},
    {"leave", call_leave},     {"release", call_release},      {"set limit", call_set_limit}, {"reset", call_reset},
    {"pause", call_pause},     {"refusal", call_refuse},       {"sample", call_sample}, {"reap", call_reap},
    {"audit", call_audit},     {"attach", call_attach},
};

static int64_t cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static struct {
    int64_t us;
    uint64_t accesses;
    char scene[120];
} longest;

static void endure(const struct table *table, enum prey prey, uint64_t n, const struct call *call)
{
    static char scene[120];
    int64_t us;

    every = 0;
    memcpy(me.header, image, me.size);
    fill(table);
    aim(prey);
    snprintf(scene, sizeof scene, "%u slots, %s, enemy %d every %" PRIu64 ", %s", me.n_slots, table->name, (int)prey, n,
             call->name);
    check_scene = scene;
    accesses = 0;
    us = cpu_us();
    every = target ? n : 0;
    call->make();
    every = 0;
    us = cpu_us() - us;
    CHECK(accesses <= ACCESSES_MAX(me.n_slots));
    if (getenv("ENDURANCE_TRACE") && us > 50000)
        printf("%8" PRId64 " us %10" PRIu64 " %s\n", us, accesses, scene);
    if (us > longest.us) {
        longest.us = us;
        longest.accesses = accesses;
        memcpy(longest.scene, scene, sizeof scene);
    }
}

/* Of the enemies and tables all, or those that were found to take longest. */
static void every_call_ends(uint32_t n_slots, bool all)
{
    const uint64_t paces[] = {97, 1, 2, 3, 5, n_slots * 2};
    struct segment_settings settings = SCRATCH_SETTINGS(n_slots, LIMIT_MAX);
    struct limiter as_attached;

    scratch_segment(&settings);
    scratch_attach(&me);
    scratch_attach(&other);
    CHECK_EQUAL(limiter_try(&me, &light, &mine), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_limit(&me, 1), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_enter(&me, &(struct request){.weight_milli = 1000, .since_ns = 1 << 20}, &waiting), SHMLIMIT_QUEUED);
    CHECK_EQUAL(poller_elect(&me), SHMLIMIT_OK);
    atomic_store(&me.header->settings.slot_timeout_us, 1);
    image = malloc(me.size);
    CHECK(image);
    memcpy(image, me.header, me.size);
    as_attached = me;
    for (size_t t = 0; t < (all ? sizeof tables / sizeof *tables : 1); t++)
        for (enum prey prey = all ? NOTHING : ADMISSION; prey < (all ? PREYS : OWN_SLOT); prey++)
            for (size_t p = 0; p < (all && prey ? sizeof paces / sizeof *paces : 1); p++)
                for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
                    struct permit kept[] = {mine, waiting};

                    endure(&tables[t], prey, paces[p], &calls[c]);
                    mine = kept[0];
                    waiting = kept[1];
                    me = as_attached;
                }
    memcpy(me.header, image, me.size);
    limiter_detach(&other);
    limiter_detach(&me);
    free(image);
    printf("longest: %" PRId64 " ms of CPU, %" PRIu64 " accesses of %" PRIu64 ": %s\n", longest.us / 1000, longest.accesses,
           ACCESSES_MAX(n_slots), longest.scene);
    longest.us = 0;
}

static void a_call_that_is_kept_ends(void) { every_call_ends(4096, false); }
static void every_call_ends_in_the_small_table(void) { every_call_ends(16, true); }
static void every_call_ends_in_the_default_table(void) { every_call_ends(4096, true); }
static void every_call_ends_in_the_largest_table(void) { every_call_ends(SLOTS_MAX, true); }

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_call_that_is_kept_ends),
        PROPERTY(every_call_ends_in_the_small_table),
        PROPERTY(every_call_ends_in_the_default_table),
        PROPERTY(every_call_ends_in_the_largest_table),
    };

    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
