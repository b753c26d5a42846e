/* Whoever comes last takes back from the dead, expires what is due, and must find everything FREE. */
inline survive()
{
    reap();
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
    last = me % SLOTS;
    do
    :: !(habits & (REAPS | SURVIVES)) && MAY_GO_ON ->
        COUNT_ROUND;
        if
        :: may_queue = 1
        :: habits & TRIES -> may_queue = 0
        fi;
        acquire();
        if
        :: result == HELD -> release()
        :: else
        fi;
        d_step { drop_private() }
    :: (habits & REAPS) && MAY_GO_ON -> COUNT_ROUND; reap(); d_step { drop_private() }
    :: habits & SURVIVES -> finished == CLIENTS; survive(); goto gone
    :: !(habits & SURVIVES) -> break
    od;
    atomic { true; d_step { drop_private(); finished++ } };
    goto gone;
dead:
    atomic { true; d_step { participant[index].locked = 0; drop_private(); finished++; dying = 0 } };
    goto gone;
grant:
    grant_routine();
    RETURN_FROM_GRANT;
    REAPER_ROUTINES
gone:
    skip
}
