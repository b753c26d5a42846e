#include "admission.h"

#include "os.h"
#include "patience.h"
#include "slots.h"

struct move {
    enum slot_state from, to;
};

static const struct move moves[OP_CODES] = {
    [OP_ADMIT_OWN] = {SLOT_CLAIMED, SLOT_HELD},  [OP_ADMIT_WAITER] = {SLOT_WAITING, SLOT_HELD},
    [OP_ENQUEUE] = {SLOT_CLAIMED, SLOT_WAITING}, [OP_CANCEL] = {SLOT_WAITING, SLOT_FREE},
    [OP_EXPIRE] = {SLOT_COOLING, SLOT_FREE},
};

static uint64_t successor(uint64_t a, enum admission_op op, uint32_t slot, uint32_t used_milli, bool has_waiters)
{
    return admission_word(used_milli, has_waiters, op, slot, admission_version(a) + 1);
}

/* Moves the slot of the operation in a, if it is still to be moved. */
static void move_slot(struct slot *slot, enum admission_op op, uint64_t x)
{
    const struct move *move = &moves[op];

    if (slot_state(x) == move->from)
        /* from-state -> to-state, exactly x [I3]. Fails: somebody else did it.
         * Crash: before: whoever settles A next does it; after: nothing is owed but an ADMIT_WAITER's wake. */
        cas64(&slot->word, x, slot_moved(x, move->to));
}

/* The second half of ADMIT_WAITER, repeated by every helper until A forgets it [I4]. */
static void announce(struct limiter *l, uint32_t index, uint64_t x)
{
    struct slot *slot = &l->slots[index];

    if (!stamp_us(load64(&slot->admitted), slot_generation(x)))
        slots_stamp(slot, &slot->admitted, slot_generation(x), os_now_us());
    slots_wake(l, index, x);
}

enum shmlimit_status admission_settle(struct limiter *l, uint64_t *a)
{
    shared64 *at = &l->header->admission.word;

    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++) {
        uint64_t seen = load64(at), x;
        enum admission_op op = admission_op(seen);
        struct slot *slot;

        *a = seen;
        if (op == OP_NONE)
            return SHMLIMIT_OK;
        if (op >= OP_CODES || admission_slot(seen) >= l->n_slots)
            return SHMLIMIT_CORRUPT;
        slot = &l->slots[admission_slot(seen)];
        x = load64(&slot->word);
        if (load64(at) != seen)
            continue;
        move_slot(slot, op, x);
        if (op != OP_ADMIT_WAITER)
            return SHMLIMIT_OK;
        announce(l, admission_slot(seen), x);
        /* ADMIT_WAITER -> NONE, version + 1: the wake is done. Fails: another helper, or a bump, was faster.
         * Crash: before: the next one announces again; after: nothing is owed. */
        if (cas64(at, seen, *a = successor(seen, OP_NONE, 0, admission_used_milli(seen), admission_has_waiters(seen))))
            return SHMLIMIT_OK;
    }
    return SHMLIMIT_CORRUPT;
}

bool admission_install(struct limiter *l, uint64_t a, enum admission_op op, uint32_t slot, uint64_t word,
                       uint32_t used_milli, bool has_waiters)
{
    uint64_t settled;

    /* settled a -> {op, slot, used, has_waiters}, version + 1 [I1]: the sum changes here and nowhere else.
     * Pairs with admission_settle() of everybody. Crash: before: nothing; after: anyone moves the slot. */
    if (!cas64(&l->header->admission.word, a, successor(a, op, slot, used_milli, has_waiters)))
        return false;
    if (op == OP_ADMIT_WAITER)
        admission_settle(l, &settled);
    else
        /* From the word read before: by now others may have finished this and the slot may be in a later occupancy. */
        move_slot(&l->slots[slot], op, word);
    return true;
}

bool admission_clear_waiters(struct limiter *l, uint64_t a)
{
    /* has_waiters 1 -> 0 over an A under which a scan found nobody WAITING; an ENQUEUE since then changed A.
     * Crash: before: the bit stays set and newcomers take the slow path; after: nothing. */
    return cas64(&l->header->admission.word, a, successor(a, OP_NONE, 0, admission_used_milli(a), false));
}

void admission_bump(struct limiter *l)
{
    shared64 *at = &l->header->admission.word;

    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++) {
        uint64_t a = load64(at);

        /* version + 1, all else kept, a pending operation too. Pairs with the CAS of whoever read settings under a.
         * Crash: before: the new settings count from the next change of A on; after: from here on. */
        if (cas64(at, a, successor(a, admission_op(a), admission_slot(a), admission_used_milli(a), admission_has_waiters(a))))
            return;
    }
}

bool admission_expire(struct limiter *l, uint64_t a, uint32_t slot, uint64_t word)
{
    uint32_t weight = load32(&l->slots[slot].weight_milli), used = admission_used_milli(a);

    return weight <= used && admission_install(l, a, OP_EXPIRE, slot, word, used - weight, admission_has_waiters(a));
}
