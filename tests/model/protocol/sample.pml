/* sample.c: what a poller writes. */

#ifdef LATE_SAMPLE
#define IS_NEWER(t0) true
#else
#define IS_NEWER(t0) (t0 > G.t0)
#endif

/* poller_write_sample() and write_gate(), after a request that was sent at t0 and told how much of the upstream is foreign. */
inline poll()
{
    STEP(t0 = clock; clock++);
    if
    :: foreign = 0
    :: foreign = 1
    fi;
    do
    :: STEP(ok = IS_NEWER(t0); g_known = g_known | ME);
        if
        :: !ok -> break
        :: else
        fi;
        STEP(
            ok = ((g_known & ME) != 0);
            if
            :: ok ->
                assert(t0 > G.t0);
                G.foreign = foreign;
                G.t0 = t0;
                g_known = 0;
                bound = (LIMIT - foreign > bound -> LIMIT - foreign : bound)
            :: else
            fi);
        if
        :: ok ->
            bump();
            GRANT(9);
            break
        :: else
        fi
    od;
    g_known = g_known & ~ME;
    t0 = 0;
    foreign = 0
}
