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
                STEP(
                    ok = (is_entry_known(p) && participant[p].state == entry);
                    if
                    :: !ok -> forget_entry(p)
                    :: else
                    fi)
            :: else
            fi
        :: else
        fi
    fi
}
