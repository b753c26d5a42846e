#include "invariants.h"

#include <string.h>

#include "check.h"
#include "kernel.h"
#include "program.h"
#include "room.h"
#include "rule.h"
#include "trace.h"

static struct observation {
    uint64_t a, words[SLOTS];
    uint32_t wakes[SLOTS], calls[SLOTS]; /* of each slot, when it was last not yet HELD */
    bool was_overdue[SLOTS]; /* in this occupancy: a touch that comes later may come too late */
    bool was_due[SLOTS];     /* since it cools: a stamp that comes later may come too late, too */
    uint64_t stamps[SLOTS][3];
    /* Of the settings since A last changed: an admission may have been decided on any of them. */
    uint32_t cap_milli, least_limit_milli;
} seen;

/* ---- What must be so now. */
static void check_slots(uint64_t a)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = room_word(i);
        enum slot_state state = slot_state(x);
        uint32_t index = slot_participant(x);

        sum += room_is_counted(a, i, x) ? room_weight(i) : 0;
        RULE("a slot is in a state", state < SLOT_STATES);
        if (state == SLOT_FREE || state == SLOT_COOLING)
            RULE("I2: a slot that is nobody's names nobody", index == NOBODY);
        else {
            RULE("I2: a slot names a participant", index < PARTICIPANTS);
            RULE("I6: no slot names a participant that is FREE",
                 participant_state(atomic_load(&segment.participants[index].word)) != PARTICIPANT_FREE);
        }
        if (state == SLOT_WAITING)
            RULE("who waits is announced", admission_has_waiters(a));
        if (state == SLOT_COOLING && program->cooldown_us)
            RULE("what cools knows until when", room_cool_until(i, x));
    }
    RULE("I1: the sum is that of the slots", sum == admission_used_milli(a));
}

/* The watchdog counts from the admission, or from the last touch: neither is another's, or of before. */
static void check_watched(const struct process *p)
{
    const struct slot *slot = &segment.slots[p->permit.slot];
    uint64_t generation = slot_generation(p->permit.word);
    uint64_t admitted_us = stamp_us(atomic_load(&slot->admitted), generation);
    uint64_t touched_us = stamp_us(atomic_load(&slot->touched), generation);

    /* Until A forgets the admission of a waiter, whoever settles it stamps. */
    RULE("a permit knows since when",
         (admitted_us || room_op(seen.a, p->permit.slot) == OP_ADMIT_WAITER) && admitted_us <= kernel.now_us);
    RULE("a permit knows its last touch", touched_us >= p->touched_us && touched_us <= kernel.now_us);
    RULE("a touch is the holder's", !touched_us || p->touched_us || p->doing->word[0] == 't');
}

static void check_processes(void)
{
    for (int who = 0; who < PROCESSES; who++) {
        const struct process *p = &processes[who];

        if (p->dead || !p->attached)
            continue;
        RULE("I5: the living are LIVE",
             participant_state(atomic_load(&segment.participants[p->l.index].word)) == PARTICIPANT_LIVE
                 && kernel_holds_lock(who, LOCK_BASE + p->l.index));
        if (p->holds && !(program->flags & WATCHED))
            RULE("a permit stays with its holder", room_word(p->permit.slot) == p->permit.word);
        if (p->holds && room_word(p->permit.slot) == p->permit.word)
            check_watched(p);
        if (p->sleeps_on && p->waits && used.faults == 0 && room_word(p->permit.slot) == p->permit.word)
            RULE("I4: who is admitted in its sleep is yet to be woken",
                 room_op(atomic_load(&segment.header.admission.word), p->permit.slot) == OP_ADMIT_WAITER);
    }
}

/* ---- What may have become of what was. One access lies between two looks. */
static void check_slot_change(uint32_t i, uint64_t from, uint64_t to)
{
    enum admission_op op = room_op(seen.a, i);
    bool is_owner = slot_participant(from) == processes[running].l.index;

    trace_tell_change("a slot", from, to);
    if (slot_state(from) == SLOT_FREE) {
        RULE("FREE becomes CLAIMED in a new generation", slot_state(to) == SLOT_CLAIMED
                 && slot_generation(to) == ((slot_generation(from) + 1) & BITS(48)));
        return;
    }
    RULE("a generation is one occupancy", slot_generation(to) == slot_generation(from));
    switch (slot_state(from) * SLOT_STATES + slot_state(to)) {
    case SLOT_CLAIMED * SLOT_STATES + SLOT_WAITING:
        RULE("CLAIMED becomes WAITING by ENQUEUE", op == OP_ENQUEUE);
        break;
    case SLOT_CLAIMED * SLOT_STATES + SLOT_HELD:
        RULE("CLAIMED becomes HELD by ADMIT_OWN", op == OP_ADMIT_OWN);
        break;
    case SLOT_CLAIMED * SLOT_STATES + SLOT_FREE:
        RULE("a CLAIMED slot is freed by its owner, or after it", (is_owner || room_is_gone(from)) && op != OP_ADMIT_OWN && op != OP_ENQUEUE);
        break;
    case SLOT_WAITING * SLOT_STATES + SLOT_HELD:
        RULE("WAITING becomes HELD by ADMIT_WAITER", op == OP_ADMIT_WAITER);
        seen.wakes[i] = atomic_load(&segment.slots[i].wake);
        seen.calls[i] = kernel.wakes[i];
        break;
    case SLOT_WAITING * SLOT_STATES + SLOT_FREE:
        RULE("WAITING becomes FREE by CANCEL", op == OP_CANCEL);
        break;
    case SLOT_HELD * SLOT_STATES + SLOT_COOLING:
        RULE("a permit is taken from the dead and the stuck only", is_owner || room_is_gone(from) || seen.was_overdue[i]);
        seen.was_overdue[i] = seen.was_due[i] = false;
        break;
    case SLOT_COOLING * SLOT_STATES + SLOT_FREE:
        RULE("COOLING becomes FREE by EXPIRE", op == OP_EXPIRE);
        break;
    default:
        RULE("a slot moves as its table says", false);
    }
}

/* Of one occupancy, that is; a slot that is anybody's own is yet to be filled in. */
static void check_stamps(uint32_t i, uint64_t x)
{
    const struct slot *slot = &segment.slots[i];
    const uint64_t now[3] = {atomic_load(&slot->admitted), atomic_load(&slot->touched), atomic_load(&slot->cool_until)};
    uint64_t generation = slot_generation(x);

    for (int kind = 0; kind < 3; kind++) {
        if (slot_state(x) == SLOT_HELD || slot_state(x) == SLOT_COOLING)
            RULE("a stamp never goes back", stamp_us(now[kind], generation) >= stamp_us(seen.stamps[i][kind], generation));
        seen.stamps[i][kind] = now[kind];
    }
}

static void check_installed(uint64_t a)
{
    uint32_t i = admission_slot(a), used_milli = admission_used_milli(a);

    if (admission_op(a) == OP_ADMIT_OWN || admission_op(a) == OP_ADMIT_WAITER)
        RULE("G1: no admission beyond what was allowed since A last changed", used_milli <= seen.cap_milli);
    if (admission_op(a) == OP_ADMIT_OWN)
        RULE("G3: a newcomer overtakes nobody", !admission_has_waiters(seen.a));
    for (uint32_t j = 0; j < SLOTS && admission_op(a) == OP_ADMIT_WAITER; j++)
        if (j != i && slot_state(room_word(j)) == SLOT_WAITING && room_weight(j) <= seen.least_limit_milli)
            RULE("G3: the best waiter is admitted", !room_is_before(j, i));
    if (admission_op(a) == OP_EXPIRE)
        RULE("what cools is not free before its time", seen.was_due[i]);
}

static void check_admission_change(uint64_t a)
{
    uint32_t i = admission_slot(seen.a);
    bool is_other = admission_op(a) != admission_op(seen.a) || admission_slot(a) != i
                    || admission_used_milli(a) != admission_used_milli(seen.a);

    trace_tell_change("A", seen.a, a);
    RULE("A is another after each change", admission_version(a) == ((admission_version(seen.a) + 1) & BITS(23)));
    if (is_other && admission_op(seen.a) == OP_ADMIT_WAITER)
        RULE("I4: a waiter that is admitted is woken before A forgets it",
             slot_state(room_word(i)) != SLOT_WAITING && atomic_load(&segment.slots[i].wake) != seen.wakes[i]
                 && kernel.wakes[i] != seen.calls[i]);
    if (is_other && admission_op(a) != OP_NONE)
        check_installed(a);
    seen.cap_milli = seen.least_limit_milli = 0;
}

/* I3: while an operation is in A its slot never comes back to where the operation finds it. */
static void check_no_way_back(uint64_t a, uint32_t i, uint64_t from, uint64_t to)
{
    static const enum slot_state origin[OP_CODES] = {SLOT_STATES, SLOT_CLAIMED, SLOT_WAITING, SLOT_CLAIMED, SLOT_WAITING,
                                                     SLOT_COOLING};

    RULE("I3: no way back to an operation's from-state",
         slot_state(to) != origin[room_op(a, i)] || slot_state(from) == slot_state(to));
}

static bool is_overdue(uint32_t i, uint64_t x)
{
    uint64_t touched = stamp_us(atomic_load(&segment.slots[i].touched), slot_generation(x));
    uint64_t admitted = stamp_us(atomic_load(&segment.slots[i].admitted), slot_generation(x));

    return slot_state(x) == SLOT_HELD && admitted
           && (touched > admitted ? touched : admitted) + program->slot_timeout_us <= kernel.now_us;
}

static void observe(uint64_t a)
{
    uint32_t cap = room_cap(), limit = room_limit();

    seen.a = a;
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = room_word(i);

        seen.was_overdue[i] |= program->slot_timeout_us && is_overdue(i, x);
        seen.was_due[i] |= slot_state(x) == SLOT_COOLING && room_cool_until(i, x) <= kernel.now_us;
    }
    if (cap > seen.cap_milli)
        seen.cap_milli = cap;
    if (!seen.least_limit_milli || limit < seen.least_limit_milli)
        seen.least_limit_milli = limit;
}

void invariants_begin(void)
{
    memset(&seen, 0, sizeof seen);
    for (uint32_t i = 0; i < SLOTS; i++)
        seen.words[i] = room_word(i);
    observe(atomic_load(&segment.header.admission.word));
}

bool invariants_check(void)
{
    uint64_t a = atomic_load(&segment.header.admission.word);
    bool has_changed = a != seen.a;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = room_word(i);

        check_stamps(i, x);
        if (x == seen.words[i])
            continue;
        has_changed = true;
        check_slot_change(i, seen.words[i], x);
        if (a == seen.a)
            check_no_way_back(a, i, seen.words[i], x);
        seen.words[i] = x;
    }
    if (a != seen.a)
        check_admission_change(a);
    observe(a);
    check_slots(a);
    check_processes();
    for (int who = 0; who < PROCESSES; who++)
        if (processes[who].is_trying)
            processes[who].was_blocked |= room_is_blocked(processes[who].permit.weight_milli);
    return has_changed;
}
