/* What is long and called from many places is expanded once for each process: a call remembers where to return to.
 * Each call has a number of its own. */
#define CALL(routine, n) back_##routine = n; goto routine; routine##_##n: skip
#define RETURN(routine, n) back_##routine == n -> back_##routine = 0; goto routine##_##n

/* Only where a configuration has such calls. */
#ifdef LIMIT_CHANGES
#define RETURN_TO_SETTER :: RETURN(grant, 7)
#else
#define RETURN_TO_SETTER
#endif
#ifdef GATE
#define RETURN_TO_POLLER :: RETURN(grant, 9)
#else
#define RETURN_TO_POLLER
#endif
#ifdef JOINS
#define RETURN_TO_ATTACHED(routine, n) :: RETURN(routine, n)
#else
#define RETURN_TO_ATTACHED(routine, n)
#endif

#define GRANT(n) CALL(grant, n)
#define RETURN_FROM_GRANT \
    if \
    :: RETURN(grant, 1) :: RETURN(grant, 2) :: RETURN(grant, 3) :: RETURN(grant, 4) :: RETURN(grant, 5) :: RETURN(grant, 6) \
    RETURN_TO_SETTER RETURN_TO_POLLER RETURN_TO_ATTACHED(grant, 8) \
    fi

#if CRASHES
#define SWEEP(range, n) scope = range; CALL(sweep, n)
#define RECLAIM(p, n) corpse = p; CALL(reclaim, n)
#define REAPER_ROUTINES \
sweep: \
    sweep_routine(); \
    if \
    :: RETURN(sweep, 1) :: RETURN(sweep, 2) :: RETURN(sweep, 3) :: RETURN(sweep, 4) RETURN_TO_ATTACHED(sweep, 5) \
    fi; \
reclaim: \
    reclaim_routine(); \
    if \
    :: RETURN(reclaim, 1) :: RETURN(reclaim, 2) RETURN_TO_ATTACHED(reclaim, 3) \
    fi;
#else
/* Nobody dies: there is nothing to take back. */
#define SWEEP(range, n) skip
#define REAPER_ROUTINES
#endif
