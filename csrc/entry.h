/* entry.h - a newcomer: a slot claimed, and admitted at once, queued, or given back. */
#ifndef SHMLIMIT_ENTRY_H
#define SHMLIMIT_ENTRY_H

#include "shmlimit.h"

/* SHMLIMIT_OK: admitted; SHMLIMIT_QUEUED, only if may_queue: in the queue; else nothing is left behind. */
enum shmlimit_status entry_take(struct limiter *l, const struct request *request, struct permit *permit, bool may_queue);
/* The permit's slot has been admitted: from now on permit->word is its HELD word, and it counts as granted. */
void entry_hold(struct limiter *l, struct permit *permit);

#endif
