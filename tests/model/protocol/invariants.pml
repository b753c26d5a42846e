/* What must hold in every state. */

/* What a slot adds to A.used: share_milli() of audit.c. */
#define share(s) \
    ((slot[s].state == HELD || (slot[s].state == COOLING && !(A.op == EXPIRE && A.slot == s)) \
      || (slot[s].state == CLAIMED && A.op == ADMIT_OWN && A.slot == s) \
      || (slot[s].state == WAITING && A.op == ADMIT_WAITER && A.slot == s)) -> slot[s].weight : 0)

/* I2 and I6. */
#define is_owned(s) \
    (is_occupied(slot[s].state) -> slot[s].owner != NOBODY && participant[slot[s].owner].state != LEFT \
     : slot[s].owner == NOBODY)

/* G3: while somebody waits, A says so, so that no newcomer takes the room. */
#define is_announced(s) (slot[s].state != WAITING || A.waiters)

/* I4: whoever sleeps in a slot that is no longer waiting is still owed a wake, and A knows it. */
#define is_owed_its_wake(s) \
    (!slot[s].asleep || slot[s].state == WAITING || (A.op == ADMIT_WAITER && A.slot == s))

#if SLOTS == 1
#define FOR_ALL_SLOTS(property) (property(0))
#define SUM share(0)
#elif SLOTS == 2
#define FOR_ALL_SLOTS(property) (property(0) && property(1))
#define SUM (share(0) + share(1))
#else
#define FOR_ALL_SLOTS(property) (property(0) && property(1) && property(2))
#define SUM (share(0) + share(1) + share(2))
#endif

#define INVARIANTS \
    (SUM == A.used && FOR_ALL_SLOTS(is_owned) && FOR_ALL_SLOTS(is_announced) && FOR_ALL_SLOTS(is_owed_its_wake))

/* Whenever one is broken, the monitor can move, and says so. */
proctype Monitor()
{
end:
    atomic {
        !(INVARIANTS) ->
        assert(SUM == A.used);
        assert(FOR_ALL_SLOTS(is_owned));
        assert(FOR_ALL_SLOTS(is_announced));
        assert(FOR_ALL_SLOTS(is_owed_its_wake))
    }
}

#define is_free(s) (slot[s].state == FREE)
#define EVERYTHING_IS_FREE (FOR_ALL_SLOTS(is_free) && A.used == 0)
