/* enemy.h - who edits the segment's bytes: at once, between two accesses of an operation, or again and again. */
#ifndef ENEMY_H
#define ENEMY_H

#include "patience.h"
#include "world.h"

/* A call that has lost its patience has looked at no more slots than that, and in so small a table at fewer, since each pass
 * is charged for what else it does; and every slot for every participant, some times. */
#define ACCESSES_MAX (UINT64_C(2) * PATIENCE + UINT64_C(4) * PARTICIPANTS * SLOTS)

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
