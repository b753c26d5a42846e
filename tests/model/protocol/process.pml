/* Whoever comes last, having taken back from the dead, expires what is due. */
inline find_everything_free()
{
    do
    :: settle();
        gate_read();
        expire_one();
        if
        :: !expired -> break
        :: else
        fi
    od;
    assert(EVERYTHING_IS_FREE && !A.waiters)
}

/* limiter_detach(). */
inline detach()
{
    STEP(entry = participant[index].state; remember_entry(index));
    RECLAIM(index, 3);
    STEP(participant[index].locked = 0; index = NOBODY);
    GRANT(8)
}

/* What the kernel does at a death. */
#define free_lock() if :: index != NOBODY -> participant[index].locked = 0 :: else fi

/* How often each goes round: for ever, or ROUNDS times. */
#ifdef ROUNDS
#define MAY_GO_ON (round < ROUNDS)
#define COUNT_ROUND round++
#else
#define MAY_GO_ON true
#define COUNT_ROUND skip
#endif

/* One process: attached, alive, and doing what its habits say as often as it likes. */
proctype Process(byte me; byte weight; byte habits)
{
    PRIVATE;
    index = me;
#ifdef JOINS
born:
    if
    :: index == NOBODY ->
        join();
        if
        :: !ok -> SWEEP(TABLE, 5); join()
        :: else
        fi;
        assert(ok) /* the table was full of one dead entry, which the sweep frees whoever else is at it */
    :: else
    fi;
#endif
    last = index % SLOTS;
    do
    :: !(habits & (REAPS | SURVIVES | SETS | POLLS)) && MAY_GO_ON ->
        COUNT_ROUND;
        if
        :: !(habits & RUSHES) -> may_queue = 1
        :: habits & (TRIES | RUSHES) -> may_queue = 0
        fi;
        acquire();
        if
        :: result == HELD -> release()
        :: else
        fi;
        d_step { drop_private() }
    :: ((habits & REAPS) && MAY_GO_ON) || ((habits & SURVIVES) && finished == CLIENTS) ->
        COUNT_ROUND;
        reap();
        if
        :: habits & SURVIVES -> find_everything_free(); goto gone
        :: else
        fi;
        d_step { drop_private() }
#ifdef LIMIT_CHANGES
    :: (habits & SETS) && MAY_GO_ON -> COUNT_ROUND; lower_and_raise(); d_step { drop_private() }
#endif
#ifdef GATE
    :: (habits & POLLS) && MAY_GO_ON -> COUNT_ROUND; poll(); d_step { drop_private() }
#endif
    :: !(habits & SURVIVES) -> break
    od;
#ifdef JOINS
    detach();
#endif
    atomic { true; d_step { drop_private(); finished++ } };
    goto gone;
dead:
#ifdef JOINS
    atomic { true; d_step { free_lock(); drop_private(); index = NOBODY; dying = 0 } };
    goto born;
#else
    atomic { true; d_step { free_lock(); drop_private(); finished++; dying = 0 } };
    goto gone;
#endif
grant:
    grant_routine();
    RETURN_FROM_GRANT;
    REAPER_ROUTINES
gone:
    skip
}
