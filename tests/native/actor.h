/* actor.h - processes that can be left before any access to shared memory and gone on with later: coroutines, each on an
 * attachment of its own, over one segment whose bytes can be put back. */
#ifndef ACTOR_H
#define ACTOR_H

#include <ucontext.h>

#include "scratch.h"

#define SLOTS 5u

struct actor {
    struct limiter l;
    struct permit held, queued;
    bool holds, waits, may_have_lost;
    uint64_t touched_us; /* its permit's last touch that is known to have counted; 0: none */
    void (*act)(struct actor *);
    bool done, dead;
    struct actor *plays; /* another one that dies with it */
    long left; /* accesses until the next switch; -1: no more switches */
    ucontext_t context;
};

enum { INSPECTOR, A, B, C, ACTORS };
extern struct actor actors[ACTORS];
extern struct slot slots_image[SLOTS];

/* When a change of settings has returned, nothing decided before it is admitted any more: the sum only falls. */
extern uint32_t ceiling_milli;

/* What actors_restore() goes back to: the segment, the actors and the operating system as they are now. */
void actors_save(void);
void actors_restore(void);
/* Goes on with actor i for so many accesses; -1: to its end. */
void actor_run(int i, long accesses);
/* Actor i, unless it has finished, never runs again, and the kernel takes its locks. */
void actor_die(int i);

/* ---- acts.c: what an actor does. */
void act_try(struct actor *p);
void act_try_with_room(struct actor *p);
void act_release(struct actor *p);
void act_release_and_cool(struct actor *p);
void act_try_and_release(struct actor *p);
void act_enter(struct actor *p);
void act_leave(struct actor *p);
void act_wait(struct actor *p);
void act_enter_and_leave(struct actor *p);
void act_lower(struct actor *p);
void act_pause(struct actor *p);
void act_raise(struct actor *p);
void act_sweep(struct actor *p);
void act_look_and_grant(struct actor *p);
void act_part(struct actor *p);
void act_sweep_and_be_another(struct actor *p);
void act_join_and_try(struct actor *p);
void act_join_and_part(struct actor *p);
void act_sweep_entries(struct actor *p);
void act_touch(struct actor *p);
void act_release_late(struct actor *p);
void act_touch_late(struct actor *p);
void act_take_back_reuse_and_cool(struct actor *p);
void act_take_back_reuse_and_touch(struct actor *p);
void act_help_and_reuse(struct actor *p);
void act_refuse(struct actor *p);

/* ---- beginnings.c: how a world begins. */
void nobody_holds(void);
void nearly_full(void);
void full_with_a_waiter(void);
void full_with_a_waiter_without_b(void);
void full_and_a_waits(void);
void full_and_both_wait(void);
void cooling(void);
void a_release_cools(void);
void b_holds_all_and_its_release_cools(void);
void every_slot_taken_and_three_cooled(void);
void a_has_not_joined(void);
void a_and_b_have_not_joined(void);
void a_dead_holder(void);
void a_dead_waiter(void);
void stuck_holders(void);
void one_stuck_holder_and_a_cooldown(void);

#endif
