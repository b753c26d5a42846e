/* attach.h - this process's attachments: attach, detach, and what a fork leaves. */
#ifndef SHMLIMIT_ATTACH_H
#define SHMLIMIT_ATTACH_H

#include "segment.h"

/* Before every use of an attachment: in a forked child joins as a participant of its own. */
enum shmlimit_status attach_renew(struct limiter *l);

static inline enum shmlimit_status attach_ready(struct limiter *l)
{
    return limiter_is_current(l) ? SHMLIMIT_OK : attach_renew(l);
}

#endif
