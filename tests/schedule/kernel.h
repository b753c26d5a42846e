/* kernel.h - the operating system under the processes of a schedule, in place of csrc/os.c and csrc/segment.c: a clock that
 * moves when it is told to, futexes that put to sleep, locks that go with their owner, a segment in private memory.
 * Each call that another process can notice is a step of the schedule. */
#ifndef KERNEL_H
#define KERNEL_H

#include "os.h"
#include "process.h"

#define SLOTS 6u /* four processes, and what they have left to cool */
#define LOCKS 16

struct segment {
    struct header header;
    struct participant participants[PARTICIPANTS];
    struct slot slots[SLOTS];
    struct label labels[SLOTS];
};
extern struct segment segment;

/* All of its state, so that it can be put back. */
struct kernel {
    uint64_t now_us;
    uint32_t wakes[SLOTS]; /* calls of os_futex_wake() on the slot's word, heard or not */
    int last_fd;
    bool unlinked;
    struct lock {
        int fd; /* 0: unused */
        int64_t byte;
    } locks[LOCKS];
};
extern struct kernel kernel;

void kernel_format(const struct segment_settings *settings);
/* What happens at SIGKILL. */
void kernel_kill(int who);
/* Ends a sleep with this result of os_futex_wait(). */
void kernel_wake(int who, int result);
bool kernel_is_locked(int64_t byte);
bool kernel_holds_lock(int who, int64_t byte);

#endif
