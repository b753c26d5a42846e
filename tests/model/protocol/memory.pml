/* What processes share, and what each remembers of it.
 *
 * Versions and generations are not numbers here. A CAS "from exactly the word that was read" asks two things: is it the
 * same state, and has the word not been through another version (of A) or occupancy (of a slot) since. So the second is
 * one bit for each remembered word, cleared for everybody when the version or the generation would have changed. That is
 * exact for numbers that never wrap, and lets processes go round for ever in finitely many states. */

#define FREE 0
#define CLAIMED 1
#define WAITING 2
#define HELD 3
#define COOLING 4

#define NONE 0
#define ADMIT_OWN 1
#define ADMIT_WAITER 2
#define ENQUEUE 3
#define CANCEL 4
#define EXPIRE 5

#define LEFT 0 /* a participant's FREE */
#define LIVE 1
#define RECLAIMING 2

#define NOBODY 7
#define NO_SLOT 7

#ifndef SIGNALS
#define SIGNALS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef MORTAL
#define MORTAL (habits != SURVIVES)
#endif
#ifndef TICKS
#define TICKS 0
#endif

typedef Slot {
    unsigned state : 3;
    unsigned owner : 3; /* a participant, or NOBODY */
    unsigned weight : 2;
    unsigned cool : 3; /* until when it cools */
    short known;        /* whose remembered word is of this occupancy: KINDS bits for each process */
    byte looked;        /* which processes have read the wake counter since it was last bumped */
    byte asleep         /* which processes sleep on it */
};
typedef Admission {
    unsigned used : 3;
    bit waiters;
    unsigned op : 3;
    unsigned slot : 3
};
typedef Gate {
    unsigned foreign : 2;
    unsigned t0 : 3
};
typedef Participant {
    unsigned state : 2;
    bit locked; /* the byte lock */
    byte known  /* whose remembered word is of this generation */
};

unsigned limit : 3 = LIMIT;
Slot slot[SLOTS];
Admission A;
Gate G;
byte g_known; /* whose remembered G is G */
unsigned clock : 3 = 1;
byte a_known; /* whose remembered A is A */
Participant participant[PARTICIPANTS];
unsigned high_water : 3;

/* ---- For the monitors alone: what no process of C can see. */
unsigned bound : 3 = LIMIT; /* no admission may pass it: the highest limit since one was last put in force */
unsigned inside : 3;        /* weights of those who believe that they hold a permit */
byte crashes = CRASHES;     /* how many may still happen */
bit dying;                  /* somebody has died and is to be wiped out */
byte finished;              /* how many processes have ended, one way or another */
byte signals = SIGNALS;     /* how many may still interrupt a sleeper, who then sleeps again */
byte ticks = TICKS;         /* how many sleepers' ticks may still come at any time; when nobody can move they come without end */
byte vain;                  /* ticks since anything last changed */

/* What a process does besides waiting for its permit and giving it back. */
#define TRIES 1    /* not queue */
#define RUSHES 32  /* never queue */
#define LEAVES 2   /* leave the queue: a time-out, a cancellation, a signal's exception */
#define REAPS 4    /* nothing but reap */
#define POLLS 64   /* nothing but sample the upstream */
#define SETS 16    /* nothing but set the limit */
#define SURVIVES 8 /* nothing until all others have ended, then look after what they left */

/* The kinds of slot words that one process remembers at a time. */
#define KINDS 3
#define READ 0   /* seen while settling, claiming or scanning */
#define MINE 1   /* of the permit that it has or wants */
#define TAKEN 2  /* to be taken back from the dead */
#define KIND(kind) (1 << (me * KINDS + (kind)))
#define KINDS_OF_ME (7 << (me * KINDS))
#define ME (1 << me)

#define is_known(s, kind) (slot[s].known & KIND(kind))
#define remember(s, kind) slot[s].known = slot[s].known | KIND(kind)
#define forget(s, kind) slot[s].known = slot[s].known & ~KIND(kind)

#define is_occupied(state) (state == CLAIMED || state == WAITING || state == HELD)

/* The private memory of a process. */
#define PRIVATE \
    unsigned a_used : 3; bit a_waiters; unsigned a_op : 3; unsigned a_slot : 3; /* A as it was read */ \
    bit ok, unchanged, ready, any, fits, may_queue, expired, made_room, was_dead, was_woken, is_tick, tells, believes; \
    unsigned index : 3; unsigned i : 3; unsigned best : 3; unsigned best_owner : 3; unsigned due : 3; unsigned mine : 3 = NO_SLOT; \
    unsigned cap : 3; unsigned heft : 2; unsigned reach : 3; unsigned last : 3; unsigned word : 3; unsigned owner : 3; unsigned victim : 3; unsigned corpse : 3; unsigned scope : 2; unsigned entry : 2; \
    unsigned result : 3; byte owners; unsigned at : 3; \
    unsigned round : 2; unsigned wanted : 3; unsigned confirmed : 3; unsigned t0 : 3; unsigned foreign : 2; unsigned back_grant : 4; unsigned back_sweep : 3; unsigned back_reclaim : 2

/* One step is one access to shared memory, with what its process makes of it privately. In a configuration with crashes
 * a process may die instead, at every step: at `dead` it is wiped out before anybody else moves. */
#if CRASHES
#define may_die (!dying && MORTAL && crashes > 0)
#define STEP(...) \
    atomic { \
        if \
        :: d_step { !dying -> __VA_ARGS__ } \
        :: d_step { may_die -> crashes--; dying = 1 }; goto dead \
        fi \
    }
#else
#define STEP(...) d_step { __VA_ARGS__ }
#endif
