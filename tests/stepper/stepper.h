/* stepper.h - a process walks through the instructions of one library, or is stopped at a chosen one. For x86-64.
 *
 * Loaded into the process by its test, so the library's bytes are those that users get. To walk, its text is made not
 * executable: each call into it, and each return, faults; then it is opened and the processor's trap flag is set, which
 * traps after each instruction until it is left. What is outside runs at full speed. To be stopped, a breakpoint is put on one
 * instruction, and its arrivals there are counted.
 *
 * Nothing here is seen by other processes: they find a process that was killed, or has stopped, before that instruction. */
#ifndef STEPPER_H
#define STEPPER_H

#include <stdint.h>

struct text {
    uint64_t from, to;
};

/* One instruction arrived at. A state is what a death would leave to others: names, bytes and locks of the files (watch.h); they
 * are numbered in the order in which they come. */
struct arrival {
    uint32_t offset; /* in the text */
    uint32_t state;
    uint32_t is_shared; /* it goes to shared memory, or leaves the text, maybe for a system call */
};

/* Records up to `room` arrivals, until walk_end(), which returns how many there were. */
void walk_begin(struct text text, const char *directory, const char *part, struct arrival *arrivals, uint64_t room);
uint64_t walk_end(void);

/* The signal comes before the n-th execution (from 1) of the instruction at the address. 0, or -errno. */
int stop_at(uint64_t address, uint64_t n, int signal);

#endif
