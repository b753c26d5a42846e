/* reaper.c: take back from the dead. */

#define is_still_reclaiming(p) (is_entry_known(p) && participant[p].state == RECLAIMING)

/* What a sweep looks at: what occupies room; whoever owns a slot; the whole table, then whoever owns a slot. */
#define HOLDERS 0
#define OWNERS 1
#define TABLE 2

#ifdef REAP_HELD_ONLY
#define REAP_HELD_ONLY_TOO || word != HELD
#else
#define REAP_HELD_ONLY_TOO
#endif

#ifdef LEFT_TO_THE_FASTER
#define GOES_ON false
#else
#define GOES_ON true
#endif

/* vacate() and take_back(): until slot `at` no longer names the participant; ok 0: somebody else has freed the entry. */
inline vacate(p)
{
    do
    :: STEP(word = slot[at].state; owner = slot[at].owner; if :: is_occupied(word) && owner == p -> remember(at, TAKEN) :: else fi);
        if
        :: !(is_occupied(word) && owner == p) REAP_HELD_ONLY_TOO -> ok = 1; break
        :: else
        fi;
#ifndef REAP_WITHOUT_CHECK
        STEP(ok = (is_still_reclaiming(p)); if :: !ok -> forget(at, TAKEN) :: else fi);
        if
        :: !ok -> break
        :: else
        fi;
#endif
        if
        :: word == HELD -> STEP(cool(at, TAKEN); forget(at, TAKEN))
        :: else ->
#ifndef REAP_UNSETTLED
            settle();
#endif
            STEP(
                ready = (is_known(at, TAKEN) && slot[at].state == word);
                if
                :: !ready -> forget(at, TAKEN)
                :: else
                fi);
            if
            :: ready && word == CLAIMED -> STEP(cas_slot(at, TAKEN, CLAIMED, FREE); forget(at, TAKEN); drop_a())
            :: ready && word == WAITING -> install(CANCEL, at, TAKEN, a_used, a_waiters); STEP(forget(at, TAKEN))
            :: else
            fi;
            ready = 0
        fi
    od;
    word = 0;
    owner = 0
}

/* reaper_reclaim() of the participant whose word was `entry`; call it by RECLAIM. */
inline reclaim_routine()
{
    ok = 1;
    if
    :: entry == LIVE ->
        STEP(
            ok = (is_entry_known(corpse) && participant[corpse].state == LIVE);
            if
            :: ok -> participant[corpse].state = RECLAIMING; vain = 0
            :: else
            fi);
        if
        :: !ok ->
            STEP(
                ok = (GOES_ON && is_still_reclaiming(corpse));
                if
                :: !ok -> forget_entry(corpse)
                :: else
                fi)
        :: else
        fi
    :: else
    fi;
    if
    :: ok ->
        at = 0;
        load_high_water();
        do
        :: at < reach ->
            vacate(corpse);
            if
            :: !ok -> break
            :: else -> at++
            fi
        :: else -> break
        od;
        at = 0;
        STEP(
            if
            :: ok && is_still_reclaiming(corpse) ->
                participant[corpse].state = LEFT;
                participant[corpse].known = 0;
                vain = 0
            :: else -> forget_entry(corpse)
            fi)
    :: else
    fi;
    entry = 0;
    corpse = 0;
    ok = 0
}

/* reaper_sweep() and reaper_sweep_table(); call it by SWEEP. */
inline sweep_routine()
{
    owners = 0;
    if
    :: scope == TABLE -> owners = (1 << PARTICIPANTS) - 1
    :: else
    fi;
    do
    ::
        if
        :: !owners ->
            at = 0;
            load_high_water();
            do
            :: at < reach ->
                STEP(
                    if
                    :: slot[at].state == HELD || (scope != HOLDERS && is_occupied(slot[at].state)) ->
                        owners = owners | (1 << slot[at].owner)
                    :: else
                    fi);
                at++
            :: else -> break
            od;
            at = 0
        :: else
        fi;
        victim = 0;
        do
        :: victim < PARTICIPANTS ->
            if
            :: owners & (1 << victim) ->
                participant_is_dead(victim);
                if
                :: ok -> RECLAIM(victim, 2)
                :: else
                fi
            :: else
            fi;
            victim++
        :: else -> break
        od;
        victim = 0;
        owners = 0;
        if
        :: scope == TABLE -> scope = OWNERS
        :: else -> break
        fi
    od
}
