/* audit.c - check the invariants on a consistent reading: the sum can only change with A. */
#include "segment.h"
#include "slots.h"

#define READINGS_MAX 100

/* What a slot adds to A.used: its weight, where it is HELD or COOLING, or on its way there. */
static uint64_t share_milli(const struct limiter *l, uint64_t a, uint32_t i, uint64_t x)
{
    enum admission_op op = admission_slot(a) == i ? admission_op(a) : OP_NONE;
    enum slot_state state = slot_state(x);
    bool is_counted = state == SLOT_HELD || (state == SLOT_COOLING && op != OP_EXPIRE)
                      || (state == SLOT_CLAIMED && op == OP_ADMIT_OWN) || (state == SLOT_WAITING && op == OP_ADMIT_WAITER);

    return is_counted ? load32(&l->slots[i].weight_milli) : 0;
}

/* I2 and I6 for one slot. */
static bool is_owned(const struct limiter *l, uint32_t i, uint64_t x)
{
    enum slot_state state = slot_state(x);
    uint32_t participant = slot_participant(x);

    if (state >= SLOT_STATES)
        return false;
    if (state == SLOT_FREE || state == SLOT_COOLING)
        return participant == NOBODY;
    if (participant >= PARTICIPANTS)
        return false;
    return participant_state(load64(&l->participants[participant].word)) != PARTICIPANT_FREE
           || load64(&l->slots[i].word) != x;
}

static enum shmlimit_status found_wrong(struct fault *fault, const char *what, uint64_t found, uint64_t expected)
{
    *fault = (struct fault){.what = what, .found = found, .expected = expected};
    return SHMLIMIT_CORRUPT;
}

enum shmlimit_status limiter_audit(const struct limiter *l, struct fault *fault)
{
    for (uint32_t reading = 0; reading < READINGS_MAX; reading++) {
        uint64_t a = load64(&l->header->admission.word), sum = 0;
        uint32_t wrong = l->n_slots;
        uint64_t wrong_word = 0;

        for (uint32_t i = 0; i < l->n_slots; i++) {
            uint64_t x = load64(&l->slots[i].word);

            sum += share_milli(l, a, i, x);
            if (!is_owned(l, i, x)) {
                wrong = i;
                wrong_word = x;
            }
        }
        if (load64(&l->header->admission.word) != a)
            continue;
        if (admission_op(a) >= OP_CODES || (admission_op(a) != OP_NONE && admission_slot(a) >= l->n_slots))
            return found_wrong(fault, "admission word", a, l->n_slots);
        if (wrong < l->n_slots)
            return found_wrong(fault, "slot word", wrong_word, wrong);
        if (sum != admission_used_milli(a))
            return found_wrong(fault, "sum of permits in thousandths", admission_used_milli(a), sum);
        return SHMLIMIT_OK;
    }
    return SHMLIMIT_WOULD_BLOCK;
}
