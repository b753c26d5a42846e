/* os.h - the seam to the operating system: clock, futex, locks. Tests link another implementation of it.
 *
 * Results are 0 or a positive answer, or -errno. */
#ifndef SHMLIMIT_OS_H
#define SHMLIMIT_OS_H

#include <stdint.h>

#include "atomic.h"

/* Host time in microseconds: CLOCK_MONOTONIC less this process's time-namespace offset, so that processes in
 * different time namespaces mean the same instant by the same number. Never 0. */
uint64_t os_now_us(void);
uint64_t os_coarse_us(void); /* a third of the cost, late by up to a kernel tick (1 to 10 ms), never early */

/* Sleeps while *word == seen, at the longest until host time deadline_us (UINT64_MAX: no deadline).
 * 0: woken or *word differs; -ETIMEDOUT; -EINTR. Shared between processes. */
int os_futex_wait(shared32 *word, uint32_t seen, uint64_t deadline_us);
void os_futex_wake(shared32 *word); /* all who sleep on it */

/* Open-file-description locks: owned by the open file, not the process; freed by the kernel when its last
 * descriptor is closed, about a millisecond after SIGKILL, also for zombies and across pid namespaces. */
int os_lock(int fd, int64_t byte);        /* 1: taken, 0: somebody has it */
int os_lock_is_held(int fd, int64_t byte); /* 1: by another open file, 0: free */
int os_unlock(int fd, int64_t byte);

#endif
