/* pairs.c - one pair of calls many times: `pairs NAME COUNT` repeats it so often, for a profiler to count instructions;
 * `pairs` times all of them in interleaved rounds and prints "NAME minimum median", in ns. Nobody else uses the words. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "scratch.h"

#define LIMIT 4
#define ROUNDS 401
#define REPEATS 2000

static struct limiter limiter, full;
static struct permit permit, held;
static const struct request request = {.weight_milli = 1000};
static sem_t semaphore;
static pthread_mutex_t mutex;
static struct line {
    _Alignas(64) _Atomic uint64_t word;
} lines[2], ticket, serving;

static void try_and_release(void)
{
    limiter_try(&limiter, &request, &permit);
    limiter_release(&limiter, &permit);
}

static void enter_and_leave(void)
{
    limiter_enter(&full, &request, &permit);
    limiter_leave(&full, &permit);
}

static void be_refused(void) { limiter_try(&full, &request, &permit); }
static void touch(void) { limiter_touch(&full, &held); }

static void sem_pair(void)
{
    sem_wait(&semaphore);
    sem_post(&semaphore);
}

static void mutex_pair(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void change(struct line *line)
{
    uint64_t seen = atomic_load(&line->word);

    atomic_compare_exchange_strong(&line->word, &seen, seen + 1);
}

/* What an owner, a sum and a place in the queue cost at least: claim, admit, hold; cool, expire, free. */
static void six_cas(void)
{
    for (int i = 0; i < 3; i++) {
        change(&lines[0]);
        change(&lines[1]);
    }
}

static void ticket_pair(void)
{
    uint64_t mine = atomic_fetch_add(&ticket.word, 1);

    while (atomic_load(&serving.word) + LIMIT <= mine)
        ;
    atomic_fetch_add(&serving.word, 1);
}

static const struct pair {
    const char *name;
    void (*run)(void);
} pairs[] = {
    {"try-and-release", try_and_release}, {"enter-and-leave", enter_and_leave}, {"be-refused", be_refused},
    {"touch", touch},                     {"sem_t", sem_pair},                  {"robust-mutex", mutex_pair},
    {"6-cas-on-2-lines", six_cas},        {"ticket", ticket_pair},
};
#define PAIRS (sizeof pairs / sizeof *pairs)

static void begin(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4096, LIMIT);
    pthread_mutexattr_t robust;

    scratch_segment(&settings);
    scratch_attach(&limiter);
    settings.limit = settings.configured = 1;
    scratch_segment(&settings); /* the first lives on, without a name */
    scratch_attach(&full);
    held = scratch_hold(&full);
    sem_init(&semaphore, 1, LIMIT);
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&mutex, &robust);
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void repeat(const struct pair *pair, long count)
{
    for (long i = 0; i < count; i++)
        pair->run();
}

static void time_all(void)
{
    static double taken[PAIRS][ROUNDS];

    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < PAIRS; i++) {
            double from = now_ns();

            repeat(&pairs[i], REPEATS);
            taken[i][round] = (now_ns() - from) / REPEATS;
        }
    for (size_t i = 0; i < PAIRS; i++) {
        qsort(taken[i], ROUNDS, sizeof **taken, by_size);
        printf("%s %.1f %.1f\n", pairs[i].name, taken[i][0], taken[i][ROUNDS / 2]);
    }
}

int main(int argc, char **argv)
{
    begin();
    if (argc == 1)
        time_all();
    for (size_t i = 0; i < PAIRS && argc == 3; i++)
        if (!strcmp(pairs[i].name, argv[1]))
            repeat(&pairs[i], atol(argv[2]));
    limiter_release(&full, &held);
    limiter_detach(&full);
    limiter_detach(&limiter);
    return 0;
}
