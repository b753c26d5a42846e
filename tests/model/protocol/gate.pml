/* gate.c: how much may be admitted now. */

inline gate_read()
{
#ifdef LIMIT_CHANGES
    STEP(cap = limit)
#else
    cap = LIMIT
#endif
}

#ifdef LIMIT_CHANGES
#define can_never_fit (OWN_WEIGHT > cap)
#else
#define can_never_fit 0
#endif
