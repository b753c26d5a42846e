/* entry.c and limiter.c: acquire and release. */

#ifdef WEIGHTS
#define OWN_WEIGHT weight
#else
#define OWN_WEIGHT 1
#endif

/* hold(): from here on the caller believes that it has a permit. */
inline hold()
{
    d_step {
        assert(slot[mine].owner == index && is_known(mine, MINE) && slot[mine].state == HELD);
        believes = 1;
        inside = inside + OWN_WEIGHT;
#ifndef LIMIT_CHANGES
        assert(inside <= LIMIT)
#endif
    }
}

/* admit_own() */
inline admit_own()
{
    if
    :: !a_waiters && a_used + OWN_WEIGHT <= cap -> install(ADMIT_OWN, mine, MINE, a_used + OWN_WEIGHT, 0)
    :: else -> ok = 0
    fi;
    cap = 0
}

inline make_room()
{
    SWEEP(HOLDERS, 2);
    GRANT(2)
}

inline enqueue()
{
    install(ENQUEUE, mine, MINE, a_used, 1)
}

/* admit_slow(): result HELD, WAITING (queued), or FREE (to be given back). */
inline admit_slow()
{
    made_room = 0;
    do
    :: settle();
        gate_read();
        if
        :: !a_waiters && a_used + OWN_WEIGHT <= cap ->
            admit_own();
            if
            :: ok -> result = HELD; break
            :: else
            fi
        :: else ->
            if
            :: !made_room -> make_room(); made_room = 1
            :: else ->
                expired = 0;
                if
                :: !a_waiters -> expire_one()
                :: else
                fi;
                if
                :: expired
                :: !expired && !may_queue ->
                    STEP(unchanged = (A.used >= a_used));
                    if
                    :: unchanged -> result = FREE; break
                    :: else
                    fi
                :: !expired && may_queue ->
                    enqueue();
                    if
                    :: ok -> result = WAITING; break
                    :: else
                    fi
                fi
            fi
        fi
    od;
    made_room = 0;
    expired = 0;
    cap = 0
}

inline claim_slow()
{
    SWEEP(TABLE, 3);
    do
    :: settle();
        gate_read();
        expire_one();
        claim();
        if
        :: mine != NO_SLOT || !expired -> break
        :: else
        fi
    od;
    expired = 0
}

/* entry_take(): result as of admit_slow(). */
inline enter()
{
    claim();
    if
    :: mine == NO_SLOT -> claim_slow()
    :: else
    fi;
    if
    :: mine == NO_SLOT -> result = FREE
    :: else ->
        fill();
        settle();
        gate_read();
        admit_own();
        if
        :: ok -> result = HELD
        :: else ->
            admit_slow();
            if
            :: result == FREE -> give_back()
            :: else
            fi
        fi
    fi
}

/* limiter_reap() */
inline reap()
{
    SWEEP(TABLE, 4);
    GRANT(6)
}

/* limiter_enter() and limiter_wait(): result HELD or FREE. */
inline acquire()
{
    enter();
    if
    :: result == WAITING ->
        if
        :: GRANTS_WHEN_QUEUED -> GRANT(3)
        :: !GRANTS_WHEN_QUEUED
        fi;
        STEP(result = (is_known(mine, MINE) -> slot[mine].state : LOST); drop_a());
        if
        :: result == WAITING -> park()
        :: else
        fi;
        if
        :: result == WAITING -> leave()
        :: else
        fi;
        assert(result != LOST)
    :: else
    fi;
    if
    :: result == HELD -> hold()
    :: else
    fi
}

/* limiter_leave(): result HELD (admitted meanwhile) or FREE. */
inline leave()
{
    do
    :: settle();
        STEP(result = (is_known(mine, MINE) -> slot[mine].state : LOST));
        if
        :: result != WAITING -> break
        :: else ->
            install(CANCEL, mine, MINE, a_used, a_waiters);
            if
            :: ok ->
                STEP(forget(mine, MINE); mine = NO_SLOT);
                GRANT(4);
                result = FREE;
                break
            :: else
            fi
        fi
    od
}

inline expire_now()
{
    do
    :: settle();
        STEP(ready = (is_known(mine, MINE) && slot[mine].state == COOLING));
        if
        :: !ready -> break
        :: else ->
            expire(mine, MINE);
            if
            :: ok -> break
            :: else
            fi
        fi
    od;
    ready = 0
}

inline release()
{
    STEP(tells = A.waiters; drop_a());
    stamp_cool_until();
    STEP(
        believes = 0;
        inside = inside - OWN_WEIGHT;
        cool(mine, MINE);
        assert(ok));
    if
    :: !tells -> expire_now()
    :: else
    fi;
    STEP(
#ifndef WAITERS_READ_ONCE
        tells = A.waiters;
#endif
        forget(mine, MINE);
        mine = NO_SLOT;
        drop_a());
    if
    :: tells -> GRANT(5)
    :: else
    fi;
    tells = 0
}
