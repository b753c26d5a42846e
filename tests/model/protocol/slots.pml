/* slots.c: the moves of a slot that do not change the sum. */

/* slots_claim(): from this process's last slot on; mine is NO_SLOT if there was none. */
inline claim()
{
    at = last;
    do
    :: STEP(ready = (slot[at].state == FREE); if :: ready -> remember(at, READ) :: else fi);
        if
        :: ready ->
            raise_high_water(at);
            STEP(
                if
                :: is_known(at, READ) && slot[at].state == FREE ->
#ifdef NO_GENERATION
                    slot[at].known = slot[at].known | KIND(MINE);
#else
                    slot[at].known = KIND(MINE);
#endif
                    slot[at].state = CLAIMED;
                    slot[at].owner = index;
                    mine = at;
                    last = at;
                    vain = 0
                :: else -> forget(at, READ)
                fi)
        :: else
        fi;
        ready = 0;
        if
        :: mine != NO_SLOT -> break
        :: else -> at = (at + 1) % SLOTS
        fi;
        if
        :: at == last -> break
        :: else
        fi
    od;
    at = 0
}

inline raise_high_water(s)
{
#ifdef HIGH_WATER
    STEP(tells = (high_water <= s)); /* tells: there is something to do */
    if
    :: tells -> STEP(if :: high_water <= s -> high_water = s + 1 :: else fi)
    :: else
    fi;
    tells = 0
#else
    skip
#endif
}

/* How far a sweep of the slots goes. */
inline load_high_water()
{
#ifdef HIGH_WATER
    STEP(reach = high_water)
#else
    reach = SLOTS
#endif
}

inline fill()
{
#ifdef WEIGHTS
    STEP(slot[mine].weight = weight)
#else
    skip
#endif
}

inline give_back()
{
    STEP(cas_slot(mine, MINE, CLAIMED, FREE); assert(ok); forget(mine, MINE); mine = NO_SLOT)
}

/* slots_cool(): ok says whether the slot had been HELD by this occupant. */
#define cool(s, kind) cas_slot(s, kind, HELD, COOLING)
