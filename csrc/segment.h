/* segment.h - one file, mapped and checked. */
#ifndef SHMLIMIT_SEGMENT_H
#define SHMLIMIT_SEGMENT_H

#include "layout.h"
#include "os.h"
#include "shmlimit.h"

/* Opens and maps the file at path after checking, on the descriptor, that it is ours and what we understand. */
enum shmlimit_status segment_open(struct limiter *l, const char *path, bool observer, struct fault *fault);
void segment_close(struct limiter *l);
/* A second open file on the same inode, for a lock of its own; -errno, or -ESTALE if the name means another file now. */
int segment_reopen(const struct limiter *l);
/* What its negative result means for an attachment. */
enum shmlimit_status segment_reopen_failed(int rc, struct fault *fault);
/* True when the file has no name any more: a second segment may exist beside it. */
bool segment_is_orphan(const struct limiter *l);

#endif
