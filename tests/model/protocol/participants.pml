/* participants.c: who is attached, who is dead. */

#define is_entry_known(p) (participant[p].known & ME)
#define remember_entry(p) participant[p].known = participant[p].known | ME
#define forget_entry(p) participant[p].known = participant[p].known & ~ME

/* participants_join() and take(): the first entry that is FREE and whose lock nobody has. ok 0: there is none. */
inline join()
{
    at = 0;
    ok = 0;
    do
    :: at < PARTICIPANTS ->
        STEP(ready = (participant[at].state == LEFT); if :: ready -> remember_entry(at) :: else fi);
        if
        :: ready ->
#ifdef LIVE_BEFORE_LOCK
            take_entry(at);
            take_lock(at);
#else
            take_lock(at);
            if
            :: ok -> take_entry(at)
            :: else -> STEP(forget_entry(at))
            fi;
#endif
            ready = 0;
            if
            :: ok -> break
            :: else
            fi
        :: else
        fi;
        at++
    :: else -> break
    od;
    at = 0
}

inline take_lock(p)
{
    STEP(
        ok = !participant[p].locked;
        if
        :: ok -> participant[p].locked = 1; index = p
        :: else
        fi)
}

inline take_entry(p)
{
    STEP(
        ok = (is_entry_known(p) && participant[p].state == LEFT);
        if
        :: ok -> participant[p].state = LIVE; index = p; vain = 0
        :: else -> participant[p].locked = 0; index = NOBODY
        fi;
        forget_entry(p))
}

/* participants_is_dead(): ok, and then `entry` is the state of the word that was seen dead. */
inline participant_is_dead(p)
{
    ok = 0;
    if
    :: p == index
    :: else ->
        STEP(entry = participant[p].state; if :: entry != LEFT -> remember_entry(p) :: else fi);
        if
        :: entry == RECLAIMING -> ok = 1
        :: entry == LIVE ->
            STEP(ok = !participant[p].locked; if :: !ok -> forget_entry(p) :: else fi);
            if
            :: ok ->
                /* Still the one whose lock was free, or on its way out. */
                STEP(
                    ok = ((is_entry_known(p) && participant[p].state == LIVE) || participant[p].state == RECLAIMING);
                    entry = participant[p].state;
                    if
                    :: ok -> remember_entry(p)
                    :: else -> forget_entry(p)
                    fi)
            :: else
            fi
        :: else
        fi
    fi
}
