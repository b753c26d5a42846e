/* admission.c: the moves that change the sum. */

#define from_state(op) (op == ADMIT_OWN || op == ENQUEUE -> CLAIMED : (op == EXPIRE -> COOLING : WAITING))
#define to_state(op) (op == ADMIT_OWN || op == ADMIT_WAITER -> HELD : (op == ENQUEUE -> WAITING : FREE))

#define load_a() \
    a_used = A.used; a_waiters = A.waiters; a_op = A.op; a_slot = A.slot; a_known = a_known | ME
#define is_a_known (a_known & ME)
/* What is not used again is cleared, so that it does not tell states apart. */
#define drop_a() a_used = 0; a_waiters = 0; a_op = 0; a_slot = 0; a_known = a_known & ~ME

/* Any CAS on A that succeeded: the version is another. */
inline write_a(used_, waiters_, op_, slot_)
{
    A.used = used_;
    A.waiters = waiters_;
    A.op = op_;
    A.slot = slot_;
    a_known = 0;
    vain = 0
}

/* cas64(&slot->word, x, slot_moved(x, to)), in a step; ok says whether it succeeded. */
inline cas_slot(s, kind, from, to)
{
    if
    :: is_known(s, kind) && slot[s].state == from ->
        slot[s].state = to;
        if
        :: to == FREE || to == COOLING -> slot[s].owner = NOBODY
        :: else
        fi;
        ok = 1;
        vain = 0
    :: else -> ok = 0
    fi
}

inline move_slot(s, op_, kind)
{
    STEP(
        cas_slot(s, kind, from_state(op_), to_state(op_));
        if
        :: kind != MINE -> forget(s, kind)
        :: else
        fi)
}

inline announce(s)
{
#ifndef WITHOUT_BUMP_OF_WAKE
    STEP(slot[s].looked = 0);
#endif
    STEP(slot[s].asleep = 0)
}

/* Leaves with `a` settled: is_a_known as long as A has not changed since. */
inline settle()
{
    do
    :: STEP(load_a());
        if
        :: a_op == NONE -> break
        :: else ->
            STEP(
                ready = (slot[a_slot].state == from_state(a_op));
                if
                :: ready -> remember(a_slot, READ)
                :: else
                fi);
#ifdef WITHOUT_RECHECK
            unchanged = 1;
#else
            STEP(
                unchanged = (is_a_known != 0);
                if
                :: !unchanged -> forget(a_slot, READ)
                :: else
                fi);
#endif
            if
            :: !unchanged
            :: else ->
#ifdef WAKE_BEFORE_MOVE
                if
                :: a_op == ADMIT_WAITER -> announce(a_slot)
                :: else
                fi;
#endif
                if
                :: ready -> move_slot(a_slot, a_op, READ)
                :: else
                fi;
#ifdef ONE_ADMIT_CODE
                break
#else
                if
                :: a_op != ADMIT_WAITER -> break
                :: else ->
#if !defined(WAKE_BEFORE_MOVE) && !defined(WITHOUT_ANNOUNCE)
                    announce(a_slot);
#endif
                    STEP(
                        ok = (is_a_known != 0);
                        if
                        :: ok -> write_a(a_used, a_waiters, NONE, 0); load_a()
                        :: else
                        fi);
                    if
                    :: ok -> break
                    :: else
                    fi
                fi
#endif
            fi
        fi
    od;
    ready = 0
}

#ifdef GATE
#define is_confirmed(s) (slot[s].cool <= G.t0 || (habits & SURVIVES))
#else
#define is_confirmed(s) true
#endif

/* The CAS of admission_install(), over the settled `a`. */
inline cas_a(used_, waiters_, op_, slot_)
{
    STEP(
        ok = (is_a_known != 0);
        if
        :: ok ->
            assert(used_ <= bound || (op_ != ADMIT_OWN && op_ != ADMIT_WAITER)); /* G1 */
            assert(op_ != EXPIRE || is_confirmed(slot_));
            write_a(used_, waiters_, op_, slot_)
        :: else
        fi;
        drop_a())
}

/* admission_install(): ok says whether A was still `a`. `kind` is the word of the slot that was read under a. */
inline install(op_, s, kind, used_, waiters_)
{
    cas_a(used_, waiters_, op_, s);
    if
    :: ok ->
#ifdef LATE_HELPER
        STEP(ready = (slot[s].state == from_state(op_)); remember(s, kind));
        if
        :: ready -> move_slot(s, op_, kind)
        :: else
        fi;
        ready = 0;
#else
        move_slot(s, op_, kind);
#endif
        ok = 1
    :: else
    fi
}

inline install_admit_waiter(s, used_)
{
    cas_a(used_, 1, ADMIT_WAITER, s);
    if
    :: ok -> settle(); STEP(drop_a()); ok = 1
    :: else
    fi
}

inline clear_waiters()
{
    STEP(
        ok = (is_a_known != 0);
        if
        :: ok -> write_a(a_used, 0, NONE, 0)
        :: else
        fi;
        drop_a())
}

/* ok: A has not changed, so the EXPIRE is installed. The weight is read with the CAS: while A has not changed since the scan,
 * the slot is still COOLING and its record constant. */
inline expire(s, kind)
{
    install(EXPIRE, s, kind, a_used - slot[s].weight, a_waiters)
}

/* What the bump puts in force. Another's sample may have been written meanwhile: until its own bump both count. */
#ifdef GATE
#define IN_FORCE (foreign < G.foreign -> LIMIT - foreign : LIMIT - G.foreign)
#else
#define IN_FORCE limit
#endif

inline bump()
{
#ifdef WITHOUT_BUMP
    bound = IN_FORCE
#else
    do
    :: STEP(load_a());
        STEP(
            ok = (is_a_known != 0);
            if
            :: ok -> write_a(a_used, a_waiters, a_op, a_slot); bound = IN_FORCE
            :: else
            fi;
            drop_a());
        if
        :: ok -> break
        :: else
        fi
    od
#endif
}
