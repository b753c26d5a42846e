/* words.c - the packed words: every field at its edges, and nothing of one field in another. */
#include "check.h"
#include "words.h"

static const uint64_t edges48[] = {0, 1, BITS(16) - 1, BITS(16), BITS(47), BITS(48) - 1, BITS(48)};
#define EACH(value, edges) for (size_t at_ = 0, value = 0; at_ < sizeof edges / sizeof *edges && ((value = edges[at_]), true); at_++)

static void a_slot_word_keeps_each_field(void)
{
    static const uint32_t participants[] = {0, 1, 1023, 1024, NOBODY - 1, NOBODY};

    for (uint32_t state = 0; state < 8; state++)
        EACH(participant, participants)
            for (size_t i = 0; i < sizeof edges48 / sizeof *edges48; i++) {
                uint64_t word = slot_word((enum slot_state)state, (uint32_t)participant, edges48[i]);

                CHECK_EQUAL(slot_state(word), state);
                CHECK_EQUAL(slot_participant(word), participant);
                CHECK_EQUAL(slot_generation(word), edges48[i]);
            }
}

static void a_slots_generation_wraps_to_zero_and_spills_nowhere(void)
{
    uint64_t word = slot_word(SLOT_CLAIMED, 5, slot_generation(slot_word(SLOT_FREE, NOBODY, BITS(48))) + 1);

    CHECK_EQUAL(slot_generation(word), 0);
    CHECK_EQUAL(slot_participant(word), 5);
    CHECK_EQUAL(slot_state(word), SLOT_CLAIMED);
}

static void a_moved_slot_names_nobody_only_when_free_or_cooling(void)
{
    uint64_t claimed = slot_word(SLOT_CLAIMED, 77, 123456789);

    for (uint32_t state = 0; state < SLOT_STATES; state++) {
        uint64_t word = slot_moved(claimed, (enum slot_state)state);
        bool ownerless = state == SLOT_FREE || state == SLOT_COOLING;

        CHECK_EQUAL(slot_state(word), state);
        CHECK_EQUAL(slot_participant(word), ownerless ? NOBODY : 77);
        CHECK_EQUAL(slot_generation(word), 123456789);
    }
}

static void a_stamp_of_another_generation_is_unset(void)
{
    EACH(at_us, edges48) {
        CHECK_EQUAL(stamp_us(stamp(7, at_us), 7), at_us);
        CHECK_EQUAL(stamp_us(stamp(7, at_us), 8), 0);
        CHECK_EQUAL(stamp_us(stamp(BITS(16), at_us), 0), 0);
        CHECK_EQUAL(stamp_us(stamp(UINT64_C(0x123450007), at_us), 7), at_us);
    }
    CHECK_EQUAL(stamp_us(0, 3), 0);
    CHECK_EQUAL(stamp_us(0, BITS(16) + 1), 0);
    CHECK_EQUAL(stamp_us(stamp(7, BITS(48) + 5), 7), 4);
}

static void an_admission_word_keeps_each_field(void)
{
    static const uint32_t sums[] = {0, 1, 8000000, (uint32_t)BITS(24)}, slots[] = {0, 1, 4095, (uint32_t)BITS(13)};
    static const uint64_t versions[] = {0, 1, BITS(22), BITS(23)};

    EACH(sum, sums)
        for (uint32_t op = 0; op < 8; op++)
            for (size_t s = 0; s < 4; s++)
                for (size_t v = 0; v < 4; v++)
                    for (int waiters = 0; waiters < 2; waiters++) {
                        uint64_t a = admission_word((uint32_t)sum, waiters, (enum admission_op)op, slots[s], versions[v]);

                        CHECK_EQUAL(admission_used_milli(a), sum);
                        CHECK_EQUAL(admission_has_waiters(a), waiters);
                        CHECK_EQUAL(admission_op(a), op);
                        CHECK_EQUAL(admission_slot(a), slots[s]);
                        CHECK_EQUAL(admission_version(a), versions[v]);
                    }
}

static void an_admission_version_wraps_to_zero_and_spills_nowhere(void)
{
    uint64_t a = admission_word(3000, true, OP_EXPIRE, 9, admission_version(admission_word(0, 0, OP_NONE, 0, BITS(23))) + 1);

    CHECK_EQUAL(admission_version(a), 0);
    CHECK(a == admission_word(3000, true, OP_EXPIRE, 9, 0));
}

static void a_gate_word_keeps_each_field(void)
{
    static const uint32_t counts[] = {0, 1, NO_COUNT - 1, NO_COUNT};
    static const uint64_t times[] = {0, 1, BITS(38), BITS(39)};

    EACH(count, counts)
        for (size_t t = 0; t < 4; t++)
            for (int spent = 0; spent < 2; spent++) {
                uint64_t g = gate_word((uint32_t)count, spent, times[t]);

                CHECK_EQUAL(gate_count_milli(g), count);
                CHECK_EQUAL(gate_spent(g), spent);
                CHECK_EQUAL(gate_t0_us(g), times[t] * 1000);
            }
}

static void a_limits_word_keeps_each_field(void)
{
    static const uint32_t limits[] = {0, 1, 8000, (uint32_t)BITS(13)};
    static const uint64_t times[] = {0, 1, BITS(38)};

    EACH(limit, limits)
        for (size_t c = 0; c < 4; c++)
            for (size_t t = 0; t < 3; t++) {
                uint64_t word = limits_word((uint32_t)limit, limits[c], times[t]);

                CHECK_EQUAL(limits_limit(word), limit);
                CHECK_EQUAL(limits_configured(word), limits[c]);
                CHECK_EQUAL(limits_reduced_us(word), times[t] * 1000);
            }
}

static void a_participant_word_keeps_each_field(void)
{
    static const uint64_t generations[] = {0, 1, BITS(55), BITS(56)};

    EACH(generation, generations)
        for (uint32_t state = 0; state <= PARTICIPANT_RECLAIMING; state++) {
            uint64_t word = participant_word((enum participant_state)state, generation);

            CHECK_EQUAL(participant_state(word), state);
            CHECK_EQUAL(participant_generation(word), generation);
        }
    CHECK(participant_word(PARTICIPANT_FREE, BITS(56) + 1) == participant_word(PARTICIPANT_FREE, 0));
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_slot_word_keeps_each_field),
        PROPERTY(a_slots_generation_wraps_to_zero_and_spills_nowhere),
        PROPERTY(a_moved_slot_names_nobody_only_when_free_or_cooling),
        PROPERTY(a_stamp_of_another_generation_is_unset),
        PROPERTY(an_admission_word_keeps_each_field),
        PROPERTY(an_admission_version_wraps_to_zero_and_spills_nowhere),
        PROPERTY(a_gate_word_keeps_each_field),
        PROPERTY(a_limits_word_keeps_each_field),
        PROPERTY(a_participant_word_keeps_each_field),
    };

    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
