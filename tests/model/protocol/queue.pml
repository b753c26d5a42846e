/* queue.c: admit the best waiter while there is room. */

/* scan_slots(). The best is any waiter, which includes every order by priority, since and arrival. */
inline scan()
{
    best = NO_SLOT;
    due = NO_SLOT;
    any = 0;
    i = 0;
    load_high_water();
    do
    :: i < reach ->
        STEP(
            word = slot[i].state;
            if
            :: word == WAITING -> owner = slot[i].owner
            :: word == COOLING && is_due(i) ->
                if
                :: due != NO_SLOT -> forget(due, READ)
                :: else
                fi;
                due = i;
                remember(due, READ)
            :: else
            fi);
        if
        :: word == WAITING ->
            if
            :: true -> best = i; best_owner = owner; load_weight(i)
            :: best != NO_SLOT
            fi;
            any = 1
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    word = 0;
    owner = 0
}

inline load_weight(s)
{
#ifdef WEIGHTS
    STEP(heft = slot[s].weight)
#else
    heft = 1
#endif
}

/* bury(): a dead waiter would keep others out. */
inline bury()
{
#if CRASHES
    participant_is_dead(best_owner);
    was_dead = ok;
    if
    :: was_dead -> RECLAIM(best_owner, 1)
    :: else
    fi
#else
    was_dead = 0
#endif
}

inline drop_scan()
{
    best = 0;
    best_owner = 0;
    due = 0;
    any = 0;
    heft = 0;
    cap = 0;
    confirmed = 0;
    fits = 0
}

/* queue_grant(); call it by GRANT. */
inline grant_routine()
{
    do
    :: settle();
        if
        :: !a_waiters -> break
        :: else
        fi;
        gate_read();
        scan();
        /* After it the due slot is remembered only if it is what comes next. */
        STEP(
            unchanged = (is_a_known != 0);
            fits = (any && a_used + heft <= cap);
            if
            :: due != NO_SLOT && (!unchanged || !any || fits) -> forget(due, READ); due = NO_SLOT
            :: else
            fi);
        if
        :: !unchanged
        :: unchanged && !any ->
            clear_waiters();
            if
            :: ok -> break
            :: else
            fi
        :: unchanged && any && !fits && due != NO_SLOT -> expire(due, READ)
        :: else ->
            bury();
            if
            :: was_dead
            :: !was_dead && fits -> install_admit_waiter(best, a_used + heft)
            :: else ->
                STEP(unchanged = (is_a_known != 0));
                if
                :: unchanged -> break
                :: else
                fi
            fi
        fi
    od;
    drop_scan();
    was_dead = 0
}

/* queue_expire_one() over the settled `a`; expired says whether there was one. */
inline expire_one()
{
    scan();
    expired = (due != NO_SLOT);
    if
    :: expired -> expire(due, READ)
    :: else
    fi;
    drop_scan()
}
