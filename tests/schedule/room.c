#include "room.h"

#include "check.h"
#include "kernel.h"
#include "program.h"
#include "rule.h"

uint64_t room_word(uint32_t i) { return atomic_load(&segment.slots[i].word); }
uint32_t room_weight(uint32_t i) { return atomic_load(&segment.slots[i].weight_milli); }

enum admission_op room_op(uint64_t a, uint32_t i) { return admission_slot(a) == i ? admission_op(a) : OP_NONE; }

bool room_is_counted(uint64_t a, uint32_t i, uint64_t x)
{
    switch (slot_state(x)) {
    case SLOT_HELD:
        return true;
    case SLOT_COOLING:
        return room_op(a, i) != OP_EXPIRE;
    case SLOT_CLAIMED:
        return room_op(a, i) == OP_ADMIT_OWN;
    case SLOT_WAITING:
        return room_op(a, i) == OP_ADMIT_WAITER;
    default:
        return false;
    }
}

uint32_t room_limit(void) { return limits_limit(atomic_load(&segment.header.settings.limits)) * 1000; }

static uint32_t at_most_one(uint32_t milli) { return milli < 1000 ? milli : 1000; }

/* What may be admitted at this instant; the core may be stricter, never more generous. */
uint32_t room_cap(void)
{
    const struct settings *s = &segment.header.settings;
    uint64_t g = atomic_load(&segment.header.gate.word);
    uint32_t cap = room_limit(), foreign = 0, left, least;

    if (kernel.now_us < atomic_load(&s->paused_until_us) || atomic_load(&s->flags) & FLAG_RETIRED)
        return 0;
    if (g && gate_count_milli(g) != NO_COUNT && kernel.now_us < gate_t0_us(g) + atomic_load(&s->stale_after_us))
        foreign = gate_count_milli(g);
    left = foreign < cap ? cap - foreign : 0;
    least = gate_spent(g) ? at_most_one(cap) : 0; /* a feed: one, whose answer is the next sample */
    return left > least ? left : least;
}

/* Whoever it was: dead, leaving, or on the way out. */
bool room_is_gone(uint64_t x)
{
    uint32_t index = slot_participant(x);
    uint64_t entry = atomic_load(&segment.participants[index].word);

    return participant_state(entry) == PARTICIPANT_RECLAIMING || !kernel_is_locked(LOCK_BASE + index);
}

bool room_is_before(uint32_t i, uint32_t j)
{
    const struct slot *a = &segment.slots[i], *b = &segment.slots[j];
    int32_t pa = (int32_t)atomic_load(&a->priority), pb = (int32_t)atomic_load(&b->priority);
    int64_t sa = (int64_t)atomic_load(&a->since_ns), sb = (int64_t)atomic_load(&b->since_ns);

    if (pa != pb)
        return pa > pb;
    return sa != sb ? sa < sb : atomic_load(&a->arrival) < atomic_load(&b->arrival);
}

uint64_t room_cool_until(uint32_t i, uint64_t x)
{
    return stamp_us(atomic_load(&segment.slots[i].cool_until), slot_generation(x));
}

static bool is_due(uint32_t i, uint64_t x) { return room_cool_until(i, x) <= kernel.now_us; }

/* What the living hold, and what has yet to cool. */
static uint32_t occupied(uint64_t a)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = room_word(i);

        if (room_is_counted(a, i, x) && !(slot_state(x) == SLOT_COOLING && is_due(i, x))
            && !(slot_state(x) == SLOT_HELD && !program->cooldown_us && room_is_gone(x)))
            sum += room_weight(i);
    }
    return sum;
}

/* Who may be admitted next; SLOTS: nobody. */
static uint32_t head(void)
{
    uint32_t best = SLOTS;

    for (uint32_t i = 0; i < SLOTS; i++)
        if (slot_state(room_word(i)) == SLOT_WAITING && room_weight(i) <= room_limit() && !room_is_gone(room_word(i))
            && (best == SLOTS || room_is_before(i, best)))
            best = i;
    return best;
}

void room_nobody_is_forgotten(void)
{
    uint64_t a = atomic_load(&segment.header.admission.word);
    uint32_t best = head();
    bool anybody_looks = false;

    for (int who = 0; who < PROCESSES; who++) {
        const struct process *p = &processes[who];

        if (!p->sleeps_on || !p->waits || p->frozen || p->dead)
            continue;
        anybody_looks = true;
        RULE("who is admitted does not sleep on", room_word(p->permit.slot) != p->permit.word);
    }
    if (best < SLOTS && anybody_looks && !(program->flags & SAMPLED))
        RULE("who could be admitted does not sleep on", occupied(a) + room_weight(best) > room_cap());
}

bool room_is_blocked(uint32_t weight_milli)
{
    uint64_t a = atomic_load(&segment.header.admission.word);

    if (program->flags & (SAMPLED | WATCHED) || occupied(a) + weight_milli > room_cap())
        return true;
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t x = room_word(i);

        if ((slot_state(x) == SLOT_WAITING || room_op(a, i) == OP_ENQUEUE) && !room_is_gone(x))
            return true;
    }
    return false;
}
