/* gate.c: how much may be admitted now. */

inline gate_read()
{
#ifdef LIMIT_CHANGES
    STEP(cap = limit)
#else
    cap = LIMIT
#endif
}
