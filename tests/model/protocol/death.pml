#define forget_all(s) \
    slot[s].known = slot[s].known & ~KINDS_OF_ME; \
    slot[s].looked = slot[s].looked & ~ME; \
    slot[s].asleep = slot[s].asleep & ~ME

/* A process that has ended, or begins anew, remembers nothing. */
inline drop_private()
{
    inside = inside - (believes -> OWN_WEIGHT : 0);
    believes = 0;
    i = 0;
    do
    :: i < SLOTS -> forget_all(i); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < PARTICIPANTS -> forget_entry(i); i++
    :: else -> break
    od;
    i = 0;
    drop_a();
    drop_scan();
    ok = 0; unchanged = 0; ready = 0; may_queue = 0; expired = 0; made_room = 0; was_dead = 0; was_woken = 0; is_tick = 0;
    tells = 0; mine = NO_SLOT; word = 0; owner = 0; victim = 0; entry = 0; result = 0; owners = 0; at = 0; reach = 0; scope = 0; wanted = 0;
    back_grant = 0; back_sweep = 0; back_reclaim = 0
}
