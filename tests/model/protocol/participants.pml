/* participants.c: who is attached, who is dead. */

#define is_entry_known(p) (participant[p].known & ME)
#define remember_entry(p) participant[p].known = participant[p].known | ME
#define forget_entry(p) participant[p].known = participant[p].known & ~ME

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
