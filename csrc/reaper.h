/* reaper.h - take back from the dead and the stuck. Any number may reap at once; none holds anything meanwhile. */
#ifndef SHMLIMIT_REAPER_H
#define SHMLIMIT_REAPER_H

#include "participants.h"

/* Takes back every slot of the participant that is dead (or is this attachment, leaving) with this word, and frees its entry. */
enum shmlimit_status reaper_reclaim(struct limiter *l, uint32_t index, uint64_t word, uint32_t *taken_back);
enum reap_scope {
    REAP_HOLDERS, /* what occupies room; dead waiters are found when their turn comes */
    REAP_OWNERS,  /* and whoever is waiting or claiming */
};
/* Looks at the participants that own slots and at permits past the slot time-out. */
enum shmlimit_status reaper_sweep(struct limiter *l, enum reap_scope scope, uint32_t *taken_back);
/* As reaper_sweep, and frees the entries of all dead participants. */
enum shmlimit_status reaper_sweep_table(struct limiter *l, uint32_t *taken_back);

#endif
