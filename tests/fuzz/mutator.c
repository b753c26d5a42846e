/* mutator.c - libFuzzer's mutations, aware of what an input is: whole records come, go and move, and words get values that
 * mean something where they are put. */
#include <string.h>

#include "layout.h"
#include "program.h"
#include "words.h"

#define SLOTS_LIKELY 12

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static const uint64_t extremes[] = {0, 1, 2, UINT64_MAX, UINT64_MAX - 1, INT64_MAX, UINT64_C(1) << 63, UINT32_MAX, INT32_MAX,
                                    UINT64_C(1) << 31, BITS(24), BITS(48), BITS(13), 1000, 3000, 1000000000};

static uint64_t dice;

static uint32_t roll(uint32_t sides)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice >> 33) % sides;
}

static uint64_t any_word(void)
{
    switch (roll(3)) {
    case 0:
        return extremes[roll(sizeof extremes / sizeof *extremes)];
    case 1:
        return UINT64_C(1) << roll(64);
    default:
        return (uint64_t)roll(UINT32_MAX) << 32 | roll(UINT32_MAX);
    }
}

static uint64_t word_for(enum place place)
{
    uint32_t participant = roll(4) ? roll(5) : roll(8192), slot = roll(4) ? roll(SLOTS_LIKELY) : roll(8192);

    switch (place) {
    case PLACE_ADMISSION:
        return admission_word(roll(8) * 500, roll(2), (enum admission_op)roll(8), slot, roll(4) ? roll(40) : roll(UINT32_MAX));
    case PLACE_GATE:
        return gate_word(roll(4) ? roll(4000) : NO_COUNT, roll(2), roll(4) ? 1000000 + roll(1000) : roll(UINT32_MAX));
    case PLACE_LIMITS:
        return limits_word(roll(5), roll(5), roll(2) ? 0 : 1000000 + roll(1000));
    case PLACE_PARTICIPANT:
        return participant_word((enum participant_state)roll(4), roll(6));
    case PLACE_SLOT:
        return slot_word((enum slot_state)roll(roll(8) ? 5 : 8), roll(8) ? participant : NOBODY, roll(6));
    default:
        return any_word();
    }
}

static uint64_t argument_of(enum verb verb)
{
    switch (verb) {
    case VERB_TRY:
    case VERB_ENTER:
    case VERB_ACQUIRE:
        return (uint64_t)roll(3) * 150 << 32 | (roll(6) ? (1 + roll(6)) * 500 : roll(LIMIT_MAX * 1000));
    case VERB_LIMIT:
        return roll(4) ? roll(4) : roll(LIMIT_MAX);
    case VERB_PASS:
    case VERB_WAIT:
    case VERB_COOLDOWN:
    case VERB_SLOT_TIMEOUT:
    case VERB_REFUSAL:
        return roll(4) ? roll(4) * 350000 : roll(UINT32_MAX);
    case VERB_SAMPLE:
        return roll(6) * 1000;
    default:
        return any_word();
    }
}

static uint16_t sometimes(uint32_t sides) { return (uint16_t)(roll(3) ? 0 : roll(4) ? roll(sides) : roll(UINT16_MAX)); }

static struct record fresh_record(void)
{
    struct record record = {.verb = (uint8_t)(roll(3) ? VERB_TRY + roll(VERBS - VERB_TRY) : roll(VERB_ADD + 1))};

    if (record.verb <= VERB_ADD) {
        record.what = (uint8_t)roll(PLACES);
        record.which = (uint16_t)(roll(8) ? roll(SLOTS_LIKELY) : roll(UINT16_MAX));
        record.delay = sometimes(60);
        record.every = sometimes(20);
        record.value = record.verb == VERB_FLIP ? UINT64_C(1) << roll(64) : word_for(record.what);
    } else {
        record.what = (uint8_t)(roll(ACTORS) | (roll(4) ? 0 : LABELLED));
        record.which = (uint16_t)roll(16);
        record.delay = sometimes(3);
        record.every = sometimes(3);
        record.value = argument_of(record.verb);
    }
    return record;
}

static void tweak(struct record *record)
{
    switch (roll(7)) {
    case 0:
        record->verb = record->verb <= VERB_ADD ? (uint8_t)roll(VERB_ADD + 1) : (uint8_t)(VERB_TRY + roll(VERBS - VERB_TRY));
        break;
    case 1:
        record->what = (uint8_t)(record->verb <= VERB_ADD ? roll(PLACES) : roll(ACTORS));
        break;
    case 2:
        record->which = (uint16_t)roll(16);
        break;
    case 3:
        record->delay = (uint16_t)(record->delay + roll(9) - 4);
        break;
    case 4:
        record->every = sometimes(20);
        break;
    case 5:
        record->value ^= UINT64_C(1) << roll(64);
        break;
    default:
        record->value = record->verb <= VERB_ADD ? word_for(record->what % PLACES) : argument_of(record->verb % VERBS);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static struct record records[RECORDS_MAX];
    size_t room = records_in(max_size), n, i;

    dice = seed;
    if (!size || !room || !roll(20))
        return LLVMFuzzerMutate(data, size, max_size);
    n = records_in(size);
    memcpy(records, data + 1, n * sizeof *records);
    for (uint32_t changes = 1 + roll(3); changes; changes--) {
        i = n ? roll((uint32_t)n) : 0;
        switch (n ? roll(8) : 0) {
        case 0:
        case 1:
        case 2:
            if (n == room)
                n--;
            if (i > n)
                i = n;
            memmove(records + i + 1, records + i, (n - i) * sizeof *records);
            records[i] = fresh_record();
            n++;
            break;
        case 3:
            memmove(records + i, records + i + 1, (n - i - 1) * sizeof *records);
            n--;
            break;
        case 4:
            if (n < room)
                records[n++] = records[i];
            break;
        case 5:
            data[0] = (uint8_t)(roll(BEGINNINGS) | (roll(2) ? PEACE : 0));
            break;
        default:
            tweak(&records[i]);
        }
    }
    memcpy(data + 1, records, n * sizeof *records);
    return 1 + n * sizeof *records;
}
