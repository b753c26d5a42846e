/* enemies.c - threads that use a segment while others write into it what they like, all at full speed: every call ends, with a
 * documented answer, in a bounded number of accesses; the sanitizers see to the rest. Built with SHMLIMIT_STEP=step.
 *
 * An enemy has a way for some thousand writes, then another: words at random, words that are plausible where they are put, one
 * word again and again, so that every CAS on it fails, or the segment as it was, so that there is something to spoil. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "os.h"
#include "patience.h"
#include "scratch.h"

#define SLOTS 16u
#define USERS 2
#define ENEMIES 2
#define OCCUPANTS 4
#define ACCESSES_MAX (UINT64_C(10) * PATIENCE + UINT64_C(32) * PARTICIPANTS * SLOTS)

static struct limiter limiters[USERS];
static char *image;
static size_t size;
static _Atomic bool goes_on;

static _Thread_local uint64_t accesses;

void step(void);
void step(void) { CHECK(++accesses <= ACCESSES_MAX); }

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice->state >> 33) % sides;
}

/* ---- Enemies. */
static shared64 *word_at(size_t offset) { return (shared64 *)(void *)((char *)limiters[0].header + offset); }

static size_t anywhere_after_the_envelope(struct dice *dice)
{
    switch (roll(dice, 4)) {
    case 0:
        return 64 + roll(dice, 448 / 8) * 8u;
    case 1:
        return PARTICIPANTS_OFFSET + roll(dice, 8 * 8) * 8u;
    case 2:
        return SLOTS_OFFSET + roll(dice, SLOTS * 8) * 8u;
    default:
        return roll(dice, 2) ? offsetof(struct header, admission) : SLOTS_OFFSET + roll(dice, SLOTS) * sizeof(struct slot);
    }
}

static uint64_t plausible_word(struct dice *dice, size_t at)
{
    uint32_t participant = roll(dice, 4), slot = roll(dice, SLOTS);

    if (at >= SLOTS_OFFSET)
        return slot_word((enum slot_state)roll(dice, SLOT_STATES), participant, roll(dice, 4));
    if (at >= PARTICIPANTS_OFFSET)
        return participant_word((enum participant_state)roll(dice, 3), roll(dice, 3));
    return admission_word(roll(dice, 4000), roll(dice, 2), (enum admission_op)roll(dice, OP_CODES), slot, roll(dice, 100));
}

static void restore(void)
{
    for (size_t at = 64; at < size; at += 8)
        atomic_store(word_at(at), *(uint64_t *)(void *)(image + at));
}

static void spoil(struct dice *dice)
{
    size_t at = anywhere_after_the_envelope(dice);
    uint32_t way = roll(dice, 5), writes = roll(dice, 5000);

    if (way == 0)
        restore();
    for (uint32_t i = 0; way && i < writes && atomic_load(&goes_on); i++) {
        if (way <= 2)
            at = anywhere_after_the_envelope(dice);
        if (way == 1)
            atomic_fetch_xor(word_at(at), UINT64_C(1) << roll(dice, 64));
        else if (way == 2)
            atomic_store(word_at(at), plausible_word(dice, at));
        else
            atomic_fetch_add(word_at(way == 3 ? offsetof(struct header, admission) : at), UINT64_C(1) << 41);
    }
}

static void *enemy(void *seed)
{
    struct dice dice = {(uint64_t)(uintptr_t)seed};

    while (atomic_load(&goes_on))
        spoil(&dice);
    return NULL;
}

/* ---- Users. */
static void is_documented(enum shmlimit_status status)
{
    CHECK(status <= SHMLIMIT_LOST || status == SHMLIMIT_CORRUPT || status == SHMLIMIT_ORPHANED);
}

static void wait_out(struct limiter *l, struct permit *permit, enum shmlimit_status status, struct dice *dice)
{
    is_documented(status);
    if (status == SHMLIMIT_QUEUED) {
        accesses = 0;
        is_documented(status = limiter_wait(l, permit, os_now_us() + roll(dice, 500)));
    }
    if (status == SHMLIMIT_INTERRUPTED || status == SHMLIMIT_POLLER_WANTED) {
        accesses = 0;
        is_documented(limiter_leave(l, permit));
    }
}

static void look(struct limiter *l)
{
    struct occupant occupants[OCCUPANTS];
    struct snapshot s;
    struct census census;
    struct fault fault = {0};
    char config[CONFIG_BYTES];
    enum shmlimit_status status;

    CHECK_EQUAL(limiter_snapshot(l, &s, occupants, OCCUPANTS), SHMLIMIT_OK);
    CHECK(s.n_occupants <= OCCUPANTS && strlen(s.reason) <= REASON_BYTES);
    for (uint32_t i = 0; i < s.n_occupants; i++)
        CHECK(strlen(occupants[i].label) <= LABEL_BYTES && strlen(occupants[i].program) <= 16);
    CHECK(limiter_config(l, config, sizeof config) <= sizeof config);
    poller_census(l, &census);
    CHECK(census.held_count + census.waiters <= SLOTS);
    status = limiter_audit(l, &fault);
    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_WOULD_BLOCK || (status == SHMLIMIT_CORRUPT && fault.what));
}

static void visit(void)
{
    struct limiter guest;
    struct fault fault = {0};
    enum shmlimit_status status = limiter_attach(&guest, scratch_path(), false, &fault);

    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_CORRUPT || status == SHMLIMIT_PARTICIPANTS_FULL);
    CHECK(status == SHMLIMIT_OK || fault.what);
    accesses = 0;
    if (status == SHMLIMIT_OK)
        limiter_detach(&guest);
}

static void use(struct limiter *l, struct permit *permit, struct dice *dice)
{
    struct request request = {.weight_milli = 1 + roll(dice, 2000), .since_ns = 1, .label = "x", .label_length = 1};
    uint32_t taken_back;
    bool reduced, changed;

    switch (roll(dice, 13)) {
    case 0:
        is_documented(limiter_try(l, &request, permit));
        break;
    case 1:
    case 2:
        wait_out(l, permit, limiter_enter(l, &request, permit), dice);
        break;
    case 3:
        limiter_release(l, permit);
        break;
    case 4:
        limiter_touch(l, permit);
        break;
    case 5:
        look(l);
        break;
    case 6:
        is_documented(limiter_reap(l, &taken_back));
        break;
    case 7:
        is_documented(limiter_set_limit(l, 1 + roll(dice, 4)));
        is_documented(limiter_follow(l, roll(dice, 3)));
        break;
    case 8:
        is_documented(limiter_reset(l));
        break;
    case 9:
        is_documented(limiter_report_refusal(l, permit, os_now_us() + roll(dice, 100), &reduced));
        break;
    case 10:
        is_documented(poller_elect(l));
        is_documented(poller_write_sample(l, roll(dice, 3000), os_now_us(), 0));
        is_documented(poller_set_limit(l, 1 + roll(dice, 4), &changed));
        poller_resign(l);
        is_documented(feed_write_sample(l, roll(dice, 3000), roll(dice, 3000), os_now_us(), 0));
        break;
    case 11:
        is_documented(limiter_pause(l, os_now_us() + roll(dice, 100), roll(dice, 2)));
        break;
    default:
        if (!roll(dice, 8))
            visit();
    }
}

struct user {
    pthread_t thread;
    struct limiter *l;
    uint64_t seed, calls, most_accesses;
    int64_t longest_us;
};

static int64_t cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void *user(void *given)
{
    struct user *user = given;
    struct dice dice = {user->seed};
    struct permit permits[4] = {0};

    for (; atomic_load(&goes_on); user->calls++) {
        int64_t begun_us = cpu_us(), us;

        accesses = 0;
        use(user->l, &permits[roll(&dice, 4)], &dice);
        us = cpu_us() - begun_us;
        if (us > user->longest_us)
            user->longest_us = us;
        if (accesses > user->most_accesses)
            user->most_accesses = accesses;
    }
    return NULL;
}

static void every_call_ends_whatever_others_write_meanwhile(void)
{
    const char *given = getenv("SHMLIMIT_NATIVE_SECONDS"), *seed = getenv("SHMLIMIT_NATIVE_SEED");
    struct segment_settings settings = SCRATCH_SETTINGS(SLOTS, 2);
    struct user users[USERS] = {0};
    pthread_t enemies[ENEMIES];

    settings.slot_timeout_us = 100000;
    settings.cooldown_us = 100;
    settings.flags = FLAG_USAGE;
    scratch_segment(&settings);
    for (int i = 0; i < USERS; i++)
        scratch_attach(&limiters[i]);
    size = SEGMENT_SIZE(SLOTS);
    image = malloc(size);
    CHECK(image);
    memcpy(image, limiters[0].header, size);
    atomic_store(&goes_on, true);
    for (int i = 0; i < ENEMIES; i++)
        CHECK(!pthread_create(&enemies[i], NULL, enemy, (void *)(uintptr_t)((seed ? strtoull(seed, NULL, 10) : 1) * 8 + (unsigned)i)));
    for (int i = 0; i < USERS; i++) {
        users[i] = (struct user){.l = &limiters[i], .seed = (seed ? strtoull(seed, NULL, 10) : 1) * 8 + 4 + (unsigned)i};
        CHECK(!pthread_create(&users[i].thread, NULL, user, &users[i]));
    }
    sleep(given ? (unsigned)atoi(given) : 2);
    atomic_store(&goes_on, false);
    for (int i = 0; i < ENEMIES; i++)
        pthread_join(enemies[i], NULL);
    for (int i = 0; i < USERS; i++)
        pthread_join(users[i].thread, NULL);
    for (int i = 0; i < USERS; i++)
        printf("user %d: %" PRIu64 " calls, the longest %" PRId64 " us of CPU, at most %" PRIu64 " accesses\n", i, users[i].calls,
               users[i].longest_us, users[i].most_accesses);
    restore();
    for (int i = 0; i < USERS; i++)
        limiter_detach(&limiters[i]);
    free(image);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(every_call_ends_whatever_others_write_meanwhile),
    };

    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
