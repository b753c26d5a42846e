#define _GNU_SOURCE
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - host_clock_offset_us()) + 1;
}

uint64_t os_now_us(void) { return clock_us(CLOCK_MONOTONIC); }
uint64_t os_coarse_us(void) { return clock_us(CLOCK_MONOTONIC_COARSE); }

/* No FUTEX_PRIVATE_FLAG: the waiter and the waker are different processes. */
int os_futex_wait(shared32 *word, uint32_t seen, uint64_t deadline_us)
{
    int64_t local_us = (int64_t)deadline_us + host_clock_offset_us();
    struct timespec deadline = {.tv_sec = local_us / 1000000, .tv_nsec = local_us % 1000000 * 1000};
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, deadline_us == UINT64_MAX ? NULL : &deadline, NULL,
                      FUTEX_BITSET_MATCH_ANY);

    if (rc == 0 || errno == EAGAIN)
        return 0;
    return -errno;
}

void os_futex_wake(shared32 *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX); }

static struct flock lock_of(short type, int64_t byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static int lock_call(int fd, int command, struct flock *lock)
{
    int rc;

    do
        rc = fcntl(fd, command, lock);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

int os_lock(int fd, int64_t byte)
{
    struct flock lock = lock_of(F_WRLCK, byte);
    int rc = lock_call(fd, F_OFD_SETLK, &lock);

    if (rc == -EAGAIN || rc == -EACCES)
        return 0;
    return rc < 0 ? rc : 1;
}

int os_lock_is_held(int fd, int64_t byte)
{
    struct flock lock = lock_of(F_WRLCK, byte);
    int rc = lock_call(fd, F_OFD_GETLK, &lock);

    return rc < 0 ? rc : lock.l_type != F_UNLCK;
}

int os_unlock(int fd, int64_t byte)
{
    struct flock lock = lock_of(F_UNLCK, byte);

    return lock_call(fd, F_OFD_SETLK, &lock);
}
