/* watch.h - the files of a directory whose names contain a part: their names, bytes and locks. For signal handlers: it
 * allocates nothing. */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>

void watch_begin(const char *directory, const char *part);
/* Whether the watch has a file mapped there for itself. */
bool watch_has_mapped(const void *address);
/* Has anything changed since the last look? Names and locks are looked at only if asked: system calls change them. */
bool watch_look(bool kernel_too);

#endif
