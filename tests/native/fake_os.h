/* fake_os.h - an operating system that stands still: the clock is set by hand, a futex wait never sleeps, locks are a table.
 * A call for a lock is a step, as an access to shared memory is.
 * Linked in place of csrc/os.c. For one thread. */
#ifndef FAKE_OS_H
#define FAKE_OS_H

#include "os.h"

#define FAKE_LOCKS 64

struct fake_os {
    uint64_t now_us;
    uint64_t wakes; /* calls of os_futex_wake */
    struct fake_lock {
        int fd; /* 0: unused */
        int64_t byte;
    } locks[FAKE_LOCKS];
};

/* All of its state, so that a test can put it back. */
extern struct fake_os fake_os;

/* What the kernel does when the last descriptor of an open file goes, as at SIGKILL. */
void fake_os_drop(int fd);

#endif
