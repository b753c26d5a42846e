/* gate.c: how much may be admitted now. */

/* gate_is_due(): the sample in force began after the slot had cooled. Who comes last finds samples stale and the slots cool. */
#define LATEST 7
#if defined(GATE) && !defined(UNCONFIRMED)
#define is_due(s) (slot[s].cool <= confirmed)
#else
#define is_due(s) true
#endif

inline gate_read()
{
#ifdef LIMIT_CHANGES
    STEP(cap = limit)
#elif defined(GATE)
    STEP(cap = LIMIT - G.foreign; confirmed = (habits & SURVIVES -> LATEST : G.t0))
#else
    cap = LIMIT
#endif
}

/* gate_cool_until_us(): without a gate and without a cooldown, nobody is to look at it. */
inline stamp_cool_until()
{
#ifdef GATE
    tells = 1;
    STEP(slot[mine].cool = clock)
#else
    skip
#endif
}
