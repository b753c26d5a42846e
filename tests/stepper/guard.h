/* guard.h - this process's own mappings of the watched files, closed and opened: which instructions go to them? For signal
 * handlers: it allocates nothing. */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stdint.h>

void guard_begin(const char *part);
/* Mappings change in system calls only: look for them after each. */
void guard_find(void);
/* Closed, every access faults. */
void guard_close(void);
void guard_open(void);
bool guard_covers(uint64_t address);

#endif
