#include "fake_os.h"

#include <errno.h>

struct fake_os fake_os = {.now_us = 1000000000};

uint64_t os_now_us(void) { return fake_os.now_us; }
uint64_t os_coarse_us(void) { return fake_os.now_us; }

int os_futex_wait(shared32 *word, uint32_t seen, uint64_t deadline_us)
{
    (void)deadline_us;
    return atomic_load(word) == seen ? -ETIMEDOUT : 0;
}

void os_futex_wake(shared32 *word)
{
    (void)word;
    fake_os.wakes++;
}

static struct fake_lock *lock_on(int64_t byte)
{
    for (int i = 0; i < FAKE_LOCKS; i++)
        if (fake_os.locks[i].fd && fake_os.locks[i].byte == byte)
            return &fake_os.locks[i];
    return 0;
}

int os_lock(int fd, int64_t byte)
{
    struct fake_lock *lock;

    STEP();
    lock = lock_on(byte);
    if (lock)
        return lock->fd == fd;
    for (int i = 0; i < FAKE_LOCKS; i++)
        if (!fake_os.locks[i].fd) {
            fake_os.locks[i] = (struct fake_lock){fd, byte};
            return 1;
        }
    return -ENOLCK;
}

int os_lock_is_held(int fd, int64_t byte)
{
    struct fake_lock *lock;

    STEP();
    lock = lock_on(byte);
    return lock && lock->fd != fd;
}

int os_unlock(int fd, int64_t byte)
{
    struct fake_lock *lock;

    STEP();
    lock = lock_on(byte);
    if (lock && lock->fd == fd)
        lock->fd = 0;
    return 0;
}

void fake_os_drop(int fd)
{
    for (int i = 0; i < FAKE_LOCKS; i++)
        if (fake_os.locks[i].fd == fd)
            fake_os.locks[i].fd = 0;
}
