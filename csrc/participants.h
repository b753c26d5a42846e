/* participants.h - who is attached and who is dead: entries of the participant table and their byte locks. */
#ifndef SHMLIMIT_PARTICIPANTS_H
#define SHMLIMIT_PARTICIPANTS_H

#include "layout.h"
#include "shmlimit.h"
#include "words.h"

/* Takes a FREE entry with its byte lock for this attachment; SHMLIMIT_PARTICIPANTS_FULL when there is none. */
enum shmlimit_status participants_join(struct limiter *l, struct fault *fault);
/* True when the entry is LIVE and its lock is free [I5], or RECLAIMING. *word is the word that this is true of, for ever: by
 * now the entry may be another's. An unanswered question counts as alive. */
bool participants_is_dead(const struct limiter *l, uint32_t index, uint64_t *word);

#endif
