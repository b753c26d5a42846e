/* threads.c - many threads, each a participant of its own, at everything at once; under ThreadSanitizer the data race check. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "os.h"
#include "scratch.h"

#define THREADS 6
#define LIMIT 3u

static struct limiter limiters[THREADS], inspector;
static long rounds;
static _Atomic uint32_t holders_milli;
static _Atomic uint64_t admissions;

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice->state >> 33) % sides;
}

/* Between its admission and its release a permit is certainly held: the sum of these never passes the limit. */
static void hold_for_a_while(struct limiter *l, const struct permit *permit, struct dice *dice)
{
    uint32_t now = atomic_fetch_add(&holders_milli, permit->weight_milli) + permit->weight_milli;

    CHECK(now <= LIMIT * 1000);
    atomic_fetch_add(&admissions, 1);
    if (!roll(dice, 4))
        sched_yield();
    if (!roll(dice, 8))
        CHECK(limiter_touch(l, permit));
    CHECK(limiter_holds(l, permit));
    atomic_fetch_sub(&holders_milli, permit->weight_milli);
    CHECK(limiter_release(l, permit));
    if (!roll(dice, 16))
        CHECK(!limiter_release(l, permit));
}

static void acquire(struct limiter *l, const struct request *request, struct dice *dice)
{
    enum shmlimit_status status;
    struct permit permit;

    status = limiter_enter(l, request, &permit);
    while (status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED)
        status = limiter_wait(l, &permit, UINT64_MAX);
    CHECK_EQUAL(status, SHMLIMIT_OK);
    hold_for_a_while(l, &permit, dice);
}

static void give_up(struct limiter *l, const struct request *request, struct dice *dice)
{
    struct permit permit;
    enum shmlimit_status status = limiter_enter(l, request, &permit);

    if (status == SHMLIMIT_QUEUED && roll(dice, 2))
        status = limiter_wait(l, &permit, os_now_us() + roll(dice, 50));
    if (status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED) {
        status = limiter_leave(l, &permit);
        CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_WOULD_BLOCK);
        status = status == SHMLIMIT_WOULD_BLOCK ? SHMLIMIT_OK : SHMLIMIT_TIMED_OUT;
    }
    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_TIMED_OUT);
    if (status == SHMLIMIT_OK)
        hold_for_a_while(l, &permit, dice);
}

/* The limit in force never rises above LIMIT, so an admission decided under any of them keeps the bound. */
static void change_settings(struct limiter *l, struct dice *dice)
{
    struct fault fault = {0};
    enum shmlimit_status status;
    uint32_t taken_back;

    switch (roll(dice, 6)) {
    case 0:
        CHECK_EQUAL(limiter_set_limit(l, 1 + roll(dice, LIMIT)), SHMLIMIT_OK);
        break;
    case 1:
        CHECK_EQUAL(limiter_pause(l, os_now_us() + 200, false), SHMLIMIT_OK);
        CHECK_EQUAL(limiter_reset(l), SHMLIMIT_OK);
        break;
    case 2:
        CHECK_EQUAL(limiter_reap(l, &taken_back), SHMLIMIT_OK);
        CHECK_EQUAL(taken_back, 0);
        break;
    case 3:
        status = limiter_audit(l, &fault);
        CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_WOULD_BLOCK);
        break;
    default:
        break;
    }
}

static void *work(void *argument)
{
    size_t number = (size_t)argument;
    struct limiter *l = &limiters[number];
    struct dice dice = {number * 977 + 1};
    struct permit permit;
    char label[LABEL_BYTES];

    memset(label, 'a' + (int)number, sizeof label);
    for (long i = 0; i < rounds; i++) {
        struct request request = {.weight_milli = roll(&dice, 2) ? 1000 : 500, .priority = (int32_t)roll(&dice, 3),
                                  .since_ns = (int64_t)roll(&dice, 100), .label = roll(&dice, 2) ? label : NULL,
                                  .label_length = sizeof label};

        switch (roll(&dice, 8)) {
        case 0:
        case 1:
            acquire(l, &request, &dice);
            break;
        case 2:
        case 3:
            give_up(l, &request, &dice);
            break;
        case 4:
            change_settings(l, &dice);
            break;
        default:
            if (limiter_try(l, &request, &permit) == SHMLIMIT_OK)
                hold_for_a_while(l, &permit, &dice);
        }
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        CHECK(!pthread_create(&threads[i], NULL, work, (void *)i));
    for (size_t i = 0; i < THREADS; i++)
        CHECK(!pthread_join(threads[i], NULL));
}

static void begin(uint32_t slots)
{
    struct segment_settings settings = SCRATCH_SETTINGS(slots, LIMIT);
    const char *given = getenv("SHMLIMIT_NATIVE_ROUNDS");

    rounds = given ? atol(given) : 40000;
    scratch_segment(&settings);
    scratch_attach(&inspector);
    for (size_t i = 0; i < THREADS; i++)
        scratch_attach(&limiters[i]);
    atomic_store(&holders_milli, 0);
    atomic_store(&admissions, 0);
}

static void everything_is_conserved(void)
{
    uint64_t granted = 0;

    begin(16);
    run_threads();
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        granted += load64(&inspector.participants[i].granted);
    CHECK_EQUAL(atomic_load(&holders_milli), 0);
    CHECK(atomic_load(&admissions) > (uint64_t)rounds);
    /* A give_up() that is admitted while it leaves is not counted as granted. */
    CHECK(granted <= atomic_load(&admissions));
    scratch_check_empty(&inspector);
    CHECK_EQUAL(load64(&inspector.header->queue.reaped), 0);
    CHECK_EQUAL(load64(&inspector.header->queue.self_heals), 0);
    CHECK_EQUAL(limiter_set_limit(&inspector, LIMIT), SHMLIMIT_OK);
    scratch_check_limit(&inspector, LIMIT);
    for (size_t i = 0; i < THREADS; i++)
        limiter_detach(&limiters[i]);
    limiter_detach(&inspector);
}

/* Hands one permit round: each wait ends by a wake, so no look of a parked waiter ever has anything to repair. */
static _Atomic uint32_t in_the_room;

static void *hand_on(void *argument)
{
    struct limiter *l = argument;
    const struct request request = {.weight_milli = 1000, .since_ns = 1};

    for (long i = 0; i < rounds; i++) {
        struct permit permit;
        enum shmlimit_status status = limiter_enter(l, &request, &permit);

        while (status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED)
            status = limiter_wait(l, &permit, UINT64_MAX);
        CHECK_EQUAL(status, SHMLIMIT_OK);
        CHECK_EQUAL(atomic_fetch_add(&in_the_room, 1), 0);
        atomic_fetch_sub(&in_the_room, 1);
        CHECK(limiter_release(l, &permit));
    }
    return NULL;
}

static void no_wake_is_lost(void)
{
    pthread_t threads[4];

    begin(16);
    rounds /= 4;
    CHECK_EQUAL(limiter_set_limit(&inspector, 1), SHMLIMIT_OK);
    for (size_t i = 0; i < 4; i++)
        CHECK(!pthread_create(&threads[i], NULL, hand_on, &limiters[i]));
    for (size_t i = 0; i < 4; i++)
        CHECK(!pthread_join(threads[i], NULL));
    CHECK_EQUAL(load64(&inspector.header->queue.self_heals), 0);
    scratch_check_empty(&inspector);
    for (size_t i = 0; i < THREADS; i++)
        limiter_detach(&limiters[i]);
    limiter_detach(&inspector);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(everything_is_conserved),
        PROPERTY(no_wake_is_lost),
    };

    check_bounded(120);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
