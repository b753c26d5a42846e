/* enemy.h - who edits the segment's bytes: at once, between two accesses of an operation, or again and again. */
#ifndef ENEMY_H
#define ENEMY_H

#include "patience.h"
#include "world.h"

/* A call that has lost its patience has looked at no more slots than that, at five words of each at most; and the tables
 * it goes through once: every slot for every participant. */
#define ACCESSES_MAX (UINT64_C(8) * PATIENCE + UINT64_C(32) * PARTICIPANTS * SLOTS)

/* To shared memory, by the operation that goes on. */
extern uint64_t accesses;

void enemy_begin(void);
void enemy_edit(const struct record *record);
/* Before each operation. */
void enemy_watch(void);
bool enemy_has_edited(void);
bool enemy_has_interfered(void); /* since enemy_watch() */
/* True if it may still edit in the middle of an operation. */
bool enemy_is_at_work(void);

#endif
