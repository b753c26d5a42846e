#include "invariants.h"

#include <string.h>

#include "check.h"
#include "kernel.h"
#include "program.h"
#include "trace.h"

struct observation {
    uint64_t a, words[SLOTS];
    uint32_t wakes[SLOTS], calls[SLOTS]; /* of each slot, when it was last not yet HELD */
    bool was_overdue[SLOTS]; /* in this occupancy: a touch that comes later may come too late */
    bool was_due[SLOTS];     /* since it cools: a stamp that comes later may come too late, too */
    /* Of the settings since A last changed: an admission may have been decided on any of them. */
    uint32_t cap_milli, least_limit_milli;
};

static struct observation seen;
struct observation *const observed = &seen;
const unsigned long observed_size = sizeof seen;

/* Names the rule and ends the program with the schedule that breaks it. */
#define RULE(name, is_kept) ((is_kept) ? (void)0 : check_failed(__FILE__, __LINE__, name))

/* ---- The definitions again, from DESIGN.md's tables rather than from the code. */
static uint64_t word_of(uint32_t i) { return atomic_load(&segment.slots[i].word); }
static uint32_t weight_of(uint32_t i) { return atomic_load(&segment.slots[i].weight_milli); }

static enum admission_op op_on(uint64_t a, uint32_t i) { return admission_slot(a) == i ? admission_op(a) : OP_NONE; }

static bool is_counted(uint64_t a, uint32_t i, uint64_t x)
{
    switch (slot_state(x)) {
    case SLOT_HELD:
        return true;
    case SLOT_COOLING:
        return op_on(a, i) != OP_EXPIRE;
    case SLOT_CLAIMED:
        return op_on(a, i) == OP_ADMIT_OWN;
    case SLOT_WAITING:
        return op_on(a, i) == OP_ADMIT_WAITER;
    default:
        return false;
    }
}

static uint32_t limit_milli(void) { return limits_limit(atomic_load(&segment.header.settings.limits)) * 1000; }

/* What may be admitted at this instant; the core may be stricter, never more generous. */
static uint32_t cap_now(void)
{
    const struct settings *s = &segment.header.settings;
    uint64_t g = atomic_load(&segment.header.gate.word);
    uint32_t cap = limit_milli(), foreign = 0;

    if (kernel.now_us < atomic_load(&s->paused_until_us) || atomic_load(&s->flags) & FLAG_RETIRED)
        return 0;
    if (g && gate_count_milli(g) != NO_COUNT && kernel.now_us < gate_t0_us(g) + atomic_load(&s->stale_after_us))
        foreign = gate_count_milli(g);
    return foreign < cap ? cap - foreign : 0;
}

/* Whoever it was: dead, leaving, or on the way out. */
static bool is_gone(uint64_t x)
{
    uint32_t index = slot_participant(x);
    uint64_t entry = atomic_load(&segment.participants[index].word);

    return participant_state(entry) == PARTICIPANT_RECLAIMING || !kernel_is_locked(LOCK_BASE + index);
}

static bool is_before(uint32_t i, uint32_t j)
{
    const struct slot *a = &segment.slots[i], *b = &segment.slots[j];
    int32_t pa = (int32_t)atomic_load(&a->priority), pb = (int32_t)atomic_load(&b->priority);
    int64_t sa = (int64_t)atomic_load(&a->since_ns), sb = (int64_t)atomic_load(&b->since_ns);

    if (pa != pb)
        return pa > pb;
    return sa != sb ? sa < sb : atomic_load(&a->arrival) < atomic_load(&b->arrival);
}

static uint64_t cool_until(uint32_t i, uint64_t x)
{
    return stamp_us(atomic_load(&segment.slots[i].cool_until), slot_generation(x));
}

/* ---- What must be so now. */
static void check_slots(uint64_t a)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = word_of(i);
        enum slot_state state = slot_state(x);
        uint32_t index = slot_participant(x);

        sum += is_counted(a, i, x) ? weight_of(i) : 0;
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
            RULE("what cools knows until when", cool_until(i, x));
    }
    RULE("I1: the sum is that of the slots", sum == admission_used_milli(a));
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
            RULE("a permit stays with its holder", word_of(p->permit.slot) == p->permit.word);
        if (p->sleeps_on && p->waits && used.faults == 0 && word_of(p->permit.slot) == p->permit.word)
            RULE("I4: who is admitted in its sleep is yet to be woken",
                 op_on(atomic_load(&segment.header.admission.word), p->permit.slot) == OP_ADMIT_WAITER);
    }
}

/* ---- What may have become of what was. One access lies between two looks. */
static void check_slot_change(uint32_t i, uint64_t from, uint64_t to)
{
    enum admission_op op = op_on(seen.a, i);
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
        RULE("a CLAIMED slot is freed by its owner, or after it", (is_owner || is_gone(from)) && op != OP_ADMIT_OWN && op != OP_ENQUEUE);
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
        RULE("a permit is taken from the dead and the stuck only", is_owner || is_gone(from) || seen.was_overdue[i]);
        seen.was_overdue[i] = seen.was_due[i] = false;
        break;
    case SLOT_COOLING * SLOT_STATES + SLOT_FREE:
        RULE("COOLING becomes FREE by EXPIRE", op == OP_EXPIRE);
        break;
    default:
        RULE("a slot moves as its table says", false);
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
        if (j != i && slot_state(word_of(j)) == SLOT_WAITING && weight_of(j) <= seen.least_limit_milli)
            RULE("G3: the best waiter is admitted", !is_before(j, i));
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
             slot_state(word_of(i)) != SLOT_WAITING && atomic_load(&segment.slots[i].wake) != seen.wakes[i]
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
         slot_state(to) != origin[op_on(a, i)] || slot_state(from) == slot_state(to));
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
    uint32_t cap = cap_now(), limit = limit_milli();

    seen.a = a;
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = word_of(i);

        seen.was_overdue[i] |= program->slot_timeout_us && is_overdue(i, x);
        seen.was_due[i] |= slot_state(x) == SLOT_COOLING && cool_until(i, x) <= kernel.now_us;
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
        seen.words[i] = word_of(i);
    observe(atomic_load(&segment.header.admission.word));
}

bool invariants_check(void)
{
    uint64_t a = atomic_load(&segment.header.admission.word);
    bool has_changed = a != seen.a;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = word_of(i);

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
            processes[who].was_blocked |= invariants_is_blocked(processes[who].permit.weight_milli);
    return has_changed;
}

/* ---- Room. */
static bool is_due(uint32_t i, uint64_t x) { return cool_until(i, x) <= kernel.now_us; }

/* What the living hold, and what has yet to cool. */
static uint32_t occupied(uint64_t a)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = word_of(i);

        if (is_counted(a, i, x) && !(slot_state(x) == SLOT_COOLING && is_due(i, x))
            && !(slot_state(x) == SLOT_HELD && !program->cooldown_us && is_gone(x)))
            sum += weight_of(i);
    }
    return sum;
}

/* Who may be admitted next; SLOTS: nobody. */
static uint32_t head(void)
{
    uint32_t best = SLOTS;

    for (uint32_t i = 0; i < SLOTS; i++)
        if (slot_state(word_of(i)) == SLOT_WAITING && weight_of(i) <= limit_milli() && !is_gone(word_of(i))
            && (best == SLOTS || is_before(i, best)))
            best = i;
    return best;
}

void invariants_nobody_is_forgotten(void)
{
    uint64_t a = atomic_load(&segment.header.admission.word);
    uint32_t best = head();
    bool anybody_looks = false;

    for (int who = 0; who < PROCESSES; who++) {
        const struct process *p = &processes[who];

        if (!p->sleeps_on || !p->waits || p->frozen || p->dead)
            continue;
        anybody_looks = true;
        RULE("who is admitted does not sleep on", word_of(p->permit.slot) != p->permit.word);
    }
    if (best < SLOTS && anybody_looks && !(program->flags & SAMPLED))
        RULE("who could be admitted does not sleep on", occupied(a) + weight_of(best) > cap_now());
}

bool invariants_is_blocked(uint32_t weight_milli)
{
    uint64_t a = atomic_load(&segment.header.admission.word);

    if (program->flags & (SAMPLED | WATCHED) || occupied(a) + weight_milli > cap_now())
        return true;
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = word_of(i);

        if ((slot_state(x) == SLOT_WAITING || op_on(a, i) == OP_ENQUEUE) && !is_gone(x))
            return true;
    }
    return false;
}
