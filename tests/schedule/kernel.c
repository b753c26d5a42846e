#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <string.h>

#include "host.h"
#include "scheduler.h"
#include "segment.h"

#define KERNEL_TICK_US 4000 /* of the coarse clock */

_Static_assert(offsetof(struct segment, participants) == PARTICIPANTS_OFFSET, "as in the file");
_Static_assert(offsetof(struct segment, slots) == SLOTS_OFFSET, "as in the file");

struct segment segment;
struct kernel kernel;

/* ---- Clock. */
uint64_t os_now_us(void) { return kernel.now_us; }
uint64_t os_coarse_us(void) { return kernel.now_us - kernel.now_us % KERNEL_TICK_US; }

/* ---- Futex. */
int os_futex_wait(shared32 *word, uint32_t seen, uint64_t deadline_us)
{
    struct process *p;

    step();
    if (atomic_load(word) != seen)
        return 0;
    if (kernel.now_us >= deadline_us)
        return -ETIMEDOUT;
    p = &processes[running];
    p->sleeps_on = word;
    p->deadline_us = deadline_us;
    step();
    return p->woken_by;
}

void kernel_wake(int who, int result)
{
    processes[who].sleeps_on = NULL;
    processes[who].woken_by = result;
}

void os_futex_wake(shared32 *word)
{
    bool anybody = false;

    step();
    for (uint32_t i = 0; i < SLOTS; i++)
        kernel.wakes[i] += word == &segment.slots[i].wake;
    for (int i = 0; i < PROCESSES; i++)
        anybody |= !processes[i].dead && processes[i].sleeps_on == word;
    if (!anybody || scheduler_drops_wake())
        return;
    for (int i = 0; i < PROCESSES; i++)
        if (processes[i].sleeps_on == word)
            kernel_wake(i, 0);
}

/* ---- Locks. */
static struct lock *lock_on(int64_t byte)
{
    for (int i = 0; i < LOCKS; i++)
        if (kernel.locks[i].fd && kernel.locks[i].byte == byte)
            return &kernel.locks[i];
    return NULL;
}

int os_lock(int fd, int64_t byte)
{
    struct lock *lock;

    step();
    lock = lock_on(byte);
    if (lock)
        return lock->fd == fd;
    for (int i = 0; i < LOCKS; i++)
        if (!kernel.locks[i].fd) {
            kernel.locks[i] = (struct lock){fd, byte};
            return 1;
        }
    return -ENOLCK;
}

int os_lock_is_held(int fd, int64_t byte)
{
    struct lock *lock;

    step();
    lock = lock_on(byte);
    return lock && lock->fd != fd;
}

int os_unlock(int fd, int64_t byte)
{
    struct lock *lock;

    step();
    lock = lock_on(byte);
    if (lock && lock->fd == fd)
        lock->fd = 0;
    return 0;
}

bool kernel_is_locked(int64_t byte) { return lock_on(byte); }

bool kernel_holds_lock(int who, int64_t byte)
{
    const struct lock *lock = lock_on(byte);

    return lock && lock->fd == processes[who].l.fd;
}

/* The last descriptor of an open file goes, and with it its locks. */
static void drop(int fd)
{
    for (int i = 0; i < LOCKS; i++)
        if (kernel.locks[i].fd == fd)
            kernel.locks[i].fd = 0;
}

int close(int fd)
{
    if (fd >= 0) {
        step();
        drop(fd);
    }
    return 0;
}

void kernel_kill(int who)
{
    processes[who].dead = true;
    processes[who].sleeps_on = NULL;
    drop(processes[who].l.fd);
}

/* ---- Without procfs. */
int host_clock_read(void) { return 0; }
void host_clock_forget(void) {}
uint64_t host_program(char program[16])
{
    memset(program, 0, 16);
    return 0;
}

/* ---- The segment. */
enum shmlimit_status segment_open(struct limiter *l, const char *path, bool observer, struct fault *fault)
{
    (void)path, (void)fault;
    *l = (struct limiter){.header = &segment.header, .participants = segment.participants, .slots = segment.slots,
                          .labels = segment.labels, .size = sizeof segment, .n_slots = SLOTS, .observer = observer,
                          .index = NOBODY, .fd = ++kernel.last_fd};
    return SHMLIMIT_OK;
}

void segment_close(struct limiter *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

int segment_reopen(const struct limiter *l)
{
    (void)l;
    return kernel.unlinked ? -ESTALE : ++kernel.last_fd;
}

enum shmlimit_status segment_reopen_failed(int rc, struct fault *fault)
{
    fault->error = -rc;
    return rc == -ESTALE ? SHMLIMIT_NOT_FOUND : SHMLIMIT_SYSTEM;
}

bool segment_is_orphan(const struct limiter *l)
{
    (void)l;
    return kernel.unlinked;
}

void kernel_format(const struct segment_settings *settings)
{
    struct header *h = &segment.header;

    memset((void *)&segment, 0, sizeof segment);
    kernel = (struct kernel){.now_us = 1000000000, .last_fd = 100};
    atomic_store(&h->settings.limits, limits_word(settings->limit, settings->configured, 0));
    atomic_store(&h->settings.cooldown_us, settings->cooldown_us);
    atomic_store(&h->settings.slot_timeout_us, settings->slot_timeout_us);
    atomic_store(&h->settings.stale_after_us, settings->stale_after_us);
    atomic_store(&h->settings.settle_us, settings->settle_us);
    atomic_store(&h->settings.flags, settings->flags);
    for (uint32_t i = 0; i < SLOTS; i++)
        atomic_store(&segment.slots[i].word, slot_word(SLOT_FREE, NOBODY, 0));
}
