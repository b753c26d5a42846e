/* park.c: sleep on a slot until admitted. */

#ifdef QUEUE_WITHOUT_GRANT
#define GRANTS_WHEN_QUEUED false
#else
#define GRANTS_WHEN_QUEUED true
#endif

#define wake_up() slot[mine].asleep = slot[mine].asleep & ~ME
#define HAS_WAKE_SEEN (slot[mine].looked & ME)

/* park_until(), with look(). result: HELD, WAITING (the deadline passed or a signal came), or LOST. */
#define LOST 5
inline park()
{
    was_woken = GRANTS_WHEN_QUEUED;
    is_tick = 0;
    do
    ::
#ifdef WORD_BEFORE_WAKE
        STEP(result = (is_known(mine, MINE) -> slot[mine].state : LOST));
        STEP(slot[mine].looked = slot[mine].looked | ME);
#else
        STEP(slot[mine].looked = slot[mine].looked | ME; drop_a());
        STEP(result = (is_known(mine, MINE) -> slot[mine].state : LOST));
#endif
        if
        :: result != WAITING -> break
        :: else
        fi;
        if
        :: was_woken || is_tick ->
            if
            :: is_tick -> SWEEP(OWNERS, 1)
            :: else
            fi;
            GRANT(1);
            STEP(result = (is_known(mine, MINE) -> slot[mine].state : LOST); drop_a())
        :: else
        fi;
        was_woken = 0;
        is_tick = 0;
        if
        :: result != WAITING -> break
        :: else ->
            STEP(
                if
                :: HAS_WAKE_SEEN -> slot[mine].asleep = slot[mine].asleep | ME
                :: else
                fi;
                slot[mine].looked = slot[mine].looked & ~ME);
            if
            :: d_step { !(slot[mine].asleep & ME) -> was_woken = 1 }
            :: d_step { (habits & LEAVES) && (slot[mine].asleep & ME) -> wake_up() };
                result = WAITING;
                break
#if SIGNALS
            :: d_step { (slot[mine].asleep & ME) && signals > 0 -> signals--; wake_up() }
#endif
#if CRASHES
            :: atomic { d_step { may_die -> crashes--; dying = 1 }; goto dead }
            :: timeout -> d_step { wake_up(); vain++; assert(vain == 1); is_tick = 1 }
#if TICKS
            :: d_step { (slot[mine].asleep & ME) && ticks > 0 -> ticks--; wake_up(); is_tick = 1 }
#endif
#endif
            fi
        fi
    od;
    was_woken = 0;
    is_tick = 0;
    slot[mine].looked = slot[mine].looked & ~ME
}
