/* hostile.c - wrong bytes: no pattern of them may crash, hang or mislead an attached process. What it answers is one of the
 * documented statuses, within a bound; the sanitizers see to the rest. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "os.h"
#include "scratch.h"

#define SLOTS 16u
#define OCCUPANTS 8

static struct limiter me, other;
static struct permit waiting;
static char *image, *bytes;
static size_t size;

static uint64_t dice;

static uint32_t roll(uint32_t sides)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice >> 33) % sides;
}

/* A segment with something in every state: held, waiting, cooling, of a dead participant. */
static void begin(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(SLOTS, 2);
    struct permit permit;
    pid_t pid;
    int fd;

    settings.slot_timeout_us = 1000000;
    settings.cooldown_us = 1;
    settings.flags = FLAG_USAGE;
    settings.config = "{\"url\": \"https://example.invalid/usage\"}";
    settings.config_length = strlen(settings.config);
    scratch_segment(&settings);
    scratch_attach(&me);
    if (!(pid = fork())) {
        scratch_attach(&other);
        scratch_hold(&other);
        _exit(scratch_enter(&other, 2000, &permit) != SHMLIMIT_QUEUED);
    }
    CHECK(waitpid(pid, &fd, 0) == pid && WIFEXITED(fd) && !WEXITSTATUS(fd));
    scratch_attach(&other);
    CHECK_EQUAL(poller_elect(&other), SHMLIMIT_OK);
    CHECK_EQUAL(poller_write_sample(&other, 1000, os_now_us(), 1000), SHMLIMIT_OK);
    size = SEGMENT_SIZE(SLOTS);
    fd = open(scratch_path(), O_RDWR | O_CLOEXEC);
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(bytes != MAP_FAILED);
    close(fd);
    image = malloc(size);
    CHECK(image);
    memcpy(image, bytes, size);
}

static void end(void)
{
    memcpy(bytes, image, size);
    limiter_detach(&other);
    limiter_detach(&me);
    munmap(bytes, size);
    free(image);
}

/* ---- Wrong bytes. */
static const uint64_t extremes[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, INT64_MAX, UINT64_C(1) << 63, 0xffffffff, 0x7fffffff,
                                    0x80000000, BITS(24), BITS(48), NOBODY << 3};

static uint64_t plausible_word(size_t at)
{
    uint32_t participant = roll(4) ? roll(4) : roll(8192), slot = roll(4) ? roll(SLOTS) : roll(8192);

    if (at >= SLOTS_OFFSET)
        return slot_word((enum slot_state)roll(8), participant, roll(8));
    if (at >= PARTICIPANTS_OFFSET)
        return participant_word((enum participant_state)roll(4), roll(4));
    return admission_word(roll(4000), roll(2), (enum admission_op)roll(8), slot, roll(100));
}

static size_t anywhere_that_matters(bool with_envelope)
{
    switch (roll(4)) {
    case 0:
        return with_envelope ? roll(512 / 8) * 8u : 64 + roll(448 / 8) * 8u;
    case 1:
        return PARTICIPANTS_OFFSET + roll(4) * sizeof(struct participant) + roll(8) * 8;
    case 2:
        return SLOTS_OFFSET + roll(SLOTS) * sizeof(struct slot) + roll(8) * 8;
    default:
        return roll(2) ? offsetof(struct header, admission) : SLOTS_OFFSET + roll(SLOTS) * sizeof(struct slot);
    }
}

static void spoil(bool with_envelope)
{
    for (uint32_t n = 1 + roll(6); n; n--) {
        size_t at = anywhere_that_matters(with_envelope);
        shared64 *word = (shared64 *)(void *)(bytes + at);

        switch (roll(4)) {
        case 0:
            atomic_fetch_xor(word, UINT64_C(1) << roll(64));
            break;
        case 1:
            atomic_store(word, extremes[roll(sizeof extremes / sizeof *extremes)]);
            break;
        case 2:
            atomic_store(word, (uint64_t)roll(UINT32_MAX) << 32 | roll(UINT32_MAX));
            break;
        default:
            atomic_store(word, plausible_word(at));
        }
    }
}

static void status_is_known(enum shmlimit_status status) { CHECK(status <= SHMLIMIT_SYSTEM); }

static void use(struct limiter *l)
{
    struct occupant occupants[OCCUPANTS];
    struct snapshot snapshot;
    struct census census;
    struct permit permit;
    struct fault fault;
    uint32_t taken_back, pids[4];
    char config[CONFIG_BYTES];
    bool reduced;

    status_is_known(scratch_try(l, 1000, &permit));
    status_is_known(scratch_enter(l, 1000, &waiting));
    if (waiting.slot < SLOTS) {
        status_is_known(limiter_wait(l, &waiting, os_now_us()));
        status_is_known(limiter_leave(l, &waiting));
    }
    limiter_touch(l, &permit);
    limiter_release(l, &permit);
    CHECK_EQUAL(limiter_snapshot(l, &snapshot, occupants, OCCUPANTS), SHMLIMIT_OK);
    CHECK(snapshot.n_occupants <= OCCUPANTS && strlen(snapshot.reason) <= REASON_BYTES);
    for (uint32_t i = 0; i < snapshot.n_occupants; i++)
        CHECK(strlen(occupants[i].label) <= LABEL_BYTES && strlen(occupants[i].program) <= 16);
    CHECK(limiter_config(l, config, sizeof config) <= sizeof config);
    status_is_known(limiter_audit(l, &fault));
    poller_census(l, &census);
    participants_living(l, pids, 4);
    status_is_known(limiter_report_refusal(l, &permit, os_now_us(), &reduced));
    status_is_known(poller_write_sample(&other, roll(3000), os_now_us(), 0));
    status_is_known(limiter_set_limit(l, 3));
    status_is_known(limiter_reset(l));
    status_is_known(limiter_reap(l, &taken_back));
}

static long rounds(long n)
{
    const char *given = getenv("SHMLIMIT_NATIVE_ROUNDS");

    return given ? atol(given) : n;
}

static void an_attached_process_survives_any_bytes(void)
{
    begin();
    for (check_round = 0; check_round < rounds(20000); check_round++) {
        dice = (uint64_t)check_round * 7919 + 1;
        memcpy(bytes, image, size);
        spoil(false);
        use(&me);
    }
    end();
}

static void a_process_that_attaches_survives_any_bytes(void)
{
    long refused = 0, n = rounds(6000);

    begin();
    for (check_round = 0; check_round < n; check_round++) {
        bool observer = check_round & 1;
        struct occupant occupants[OCCUPANTS];
        struct snapshot snapshot;
        struct limiter l;
        struct fault fault;
        enum shmlimit_status status;

        dice = (uint64_t)check_round * 104729 + 1;
        memcpy(bytes, image, size);
        spoil(true);
        status = limiter_attach(&l, scratch_path(), observer, &fault);
        status_is_known(status);
        refused += status != SHMLIMIT_OK;
        if (status != SHMLIMIT_OK)
            continue;
        if (observer)
            CHECK_EQUAL(limiter_snapshot(&l, &snapshot, occupants, OCCUPANTS), SHMLIMIT_OK);
        else
            use(&l);
        limiter_detach(&l);
    }
    CHECK(refused > n / 10 && refused < n);
    end();
}

static _Atomic bool flips_go_on;
static void *flip(void *unused)
{
    uint64_t own = 12345;

    while (atomic_load(&flips_go_on)) {
        size_t at;

        own = own * UINT64_C(6364136223846793005) + 1;
        at = own >> 60 ? SLOTS_OFFSET + (own >> 40) % (SLOTS * 8) * 8 : 64 + (own >> 40) % 56 * 8;
        atomic_fetch_xor((shared64 *)(void *)(bytes + at), UINT64_C(1) << (own >> 50 & 63));
        usleep(20);
    }
    return unused;
}

static void an_attached_process_survives_bytes_that_change(void)
{
    pthread_t thread;

    begin();
    atomic_store(&flips_go_on, true);
    CHECK(!pthread_create(&thread, NULL, flip, NULL));
    for (check_round = 0; check_round < rounds(3000); check_round++) {
        if (check_round % 20 == 0)
            for (size_t i = 64; i < size; i += 8)
                atomic_store((shared64 *)(void *)(bytes + i), *(uint64_t *)(void *)(image + i));
        use(&me);
    }
    atomic_store(&flips_go_on, false);
    CHECK(!pthread_join(thread, NULL));
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(an_attached_process_survives_any_bytes),
        PROPERTY(a_process_that_attaches_survives_any_bytes),
        PROPERTY(an_attached_process_survives_bytes_that_change),
    };

    check_bounded(100);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
