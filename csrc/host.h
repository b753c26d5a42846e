/* host.h - what procfs tells of this host and this process. Without procfs (some containers) everything is 0.
 *
 * Results are 0 or -errno: too few descriptors or too little memory must not pass for a host without procfs. */
#ifndef SHMLIMIT_HOST_H
#define SHMLIMIT_HOST_H

#include <stdint.h>

/* What tells one boot from the next. */
int host_boot_id(uint64_t id[2]);

/* What this process's CLOCK_MONOTONIC is ahead of the host's, in microseconds: 0 outside time namespaces. */
int64_t host_clock_offset_us(void);
/* Reads it, once; until that succeeds it counts as 0. */
int host_clock_read(void);
/* In a forked child: its parent may have made a time namespace for its children. */
void host_clock_forget(void);

/* Start time in clock ticks, and command name: for people only, so a failure is 0. */
uint64_t host_program(char program[16]);

#endif
