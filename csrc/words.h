/* words.h - the packed 64-bit words: what each bit means, how to read and build them. Pure functions.
 *
 * Times in words are "host time": CLOCK_MONOTONIC without the offset of a time namespace (os.h), in
 * microseconds (48 bits: 8.9 years of uptime) or milliseconds where a word is shared with other fields. */
#ifndef SHMLIMIT_WORDS_H
#define SHMLIMIT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#define BITS(n) ((UINT64_C(1) << (n)) - 1)

/* ---- Slot word: {state:3, participant:13, generation:48}
 *
 * | state   | participant | meaning                       | leaves to (by)                                             |
 * |---------|-------------|-------------------------------|------------------------------------------------------------|
 * | FREE    | NOBODY      | nobody's                      | CLAIMED (any participant: one CAS, own index, generation+1) |
 * | CLAIMED | the owner   | being filled in by its owner  | WAITING (ENQUEUE), HELD (ADMIT_OWN); FREE (owner, reaper)   |
 * | WAITING | the waiter  | in the queue                  | HELD (ADMIT_WAITER, by anyone); FREE (CANCEL)               |
 * | HELD    | the holder  | a permit is out               | COOLING (holder, watchdog, reaper: one CAS)                 |
 * | COOLING | NOBODY      | released, still counted       | FREE (EXPIRE, by anyone once it is due)                     |
 *
 * The generation changes only at FREE -> CLAIMED, so it names one occupancy; ENQUEUE, ADMIT_*, CANCEL and
 * EXPIRE go through the admission word, the other three moves do not change the sum. */
enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_WAITING, SLOT_HELD, SLOT_COOLING, SLOT_STATES };

#define NOBODY 8191u /* no participant has this index */

static inline uint64_t slot_word(enum slot_state state, uint32_t participant, uint64_t generation)
{
    return (uint64_t)state | (uint64_t)participant << 3 | (generation & BITS(48)) << 16;
}
static inline enum slot_state slot_state(uint64_t word) { return (enum slot_state)(word & BITS(3)); }
static inline uint32_t slot_participant(uint64_t word) { return (uint32_t)(word >> 3 & BITS(13)); }
static inline uint64_t slot_generation(uint64_t word) { return word >> 16; }

/* The same occupancy in another state; FREE and COOLING name nobody. */
static inline uint64_t slot_moved(uint64_t word, enum slot_state state)
{
    uint32_t participant = state == SLOT_FREE || state == SLOT_COOLING ? NOBODY : slot_participant(word);
    return slot_word(state, participant, slot_generation(word));
}

/* ---- Stamp: {tag:16, at_us:48}, a time that belongs to one occupancy of a slot.
 * The tag is the low bits of the slot's generation. A stamp with another tag is unset: so a process that was
 * stopped just before stamping cannot put its old time on the slot's next occupant. */
static inline uint64_t stamp(uint64_t generation, uint64_t at_us)
{
    return (generation & BITS(16)) | (at_us & BITS(48)) << 16;
}
static inline uint64_t stamp_us(uint64_t stamp, uint64_t generation) /* 0: unset */
{
    return (stamp & BITS(16)) == (generation & BITS(16)) ? stamp >> 16 : 0;
}

/* ---- Admission word A: {used_milli:24, has_waiters:1, op:3, slot:13, version:23}
 * The version makes each value of A distinct for 2^23 changes: a process frozen between reading A and its CAS
 * is misled only if it wakes after an exact multiple of that with all other fields equal. */
enum admission_op { OP_NONE, OP_ADMIT_OWN, OP_ADMIT_WAITER, OP_ENQUEUE, OP_CANCEL, OP_EXPIRE, OP_CODES };

static inline uint64_t admission_word(uint32_t used_milli, bool has_waiters, enum admission_op op, uint32_t slot,
                                      uint64_t version)
{
    return (used_milli & BITS(24)) | (uint64_t)has_waiters << 24 | (uint64_t)op << 25 | (slot & BITS(13)) << 28
           | (version & BITS(23)) << 41;
}
static inline uint32_t admission_used_milli(uint64_t a) { return (uint32_t)(a & BITS(24)); }
static inline bool admission_has_waiters(uint64_t a) { return a >> 24 & 1; }
static inline enum admission_op admission_op(uint64_t a) { return (enum admission_op)(a >> 25 & BITS(3)); }
static inline uint32_t admission_slot(uint64_t a) { return (uint32_t)(a >> 28 & BITS(13)); }
static inline uint64_t admission_version(uint64_t a) { return a >> 41; }

/* ---- Gate word: {count_milli:24, spent:1, t0_ms:39}: one reading of the upstream; 0 before the first.
 * count is what the gate's rule needs (foreign, or the upstream's own number), NO_COUNT after a failed poll.
 * t0 only grows, so a late writer's CAS fails. `spent`: it lets nobody in. One-per-poll: its one admission is taken; else:
 * it came with an answer to work (feed_write_sample), and does not confirm that what has ended here has ended there. */
#define NO_COUNT ((uint32_t)BITS(24))

static inline uint64_t gate_word(uint32_t count_milli, bool spent, uint64_t t0_ms)
{
    return (count_milli & BITS(24)) | (uint64_t)spent << 24 | (t0_ms & BITS(39)) << 25;
}
static inline uint32_t gate_count_milli(uint64_t g) { return (uint32_t)(g & BITS(24)); }
static inline bool gate_spent(uint64_t g) { return g >> 24 & 1; }
static inline uint64_t gate_t0_us(uint64_t g) { return (g >> 25) * 1000; }

/* ---- Limits word: {limit:13, configured:13, reduced_ms:38}, limits in whole permits.
 * One word, so that a reduction, its time and the limit a person set can never disagree; reduced 0: never. */
static inline uint64_t limits_word(uint32_t limit, uint32_t configured, uint64_t reduced_ms)
{
    return (limit & BITS(13)) | (uint64_t)(configured & BITS(13)) << 13 | (reduced_ms & BITS(38)) << 26;
}
static inline uint32_t limits_limit(uint64_t l) { return (uint32_t)(l & BITS(13)); }
static inline uint32_t limits_configured(uint64_t l) { return (uint32_t)(l >> 13 & BITS(13)); }
static inline uint64_t limits_reduced_us(uint64_t l) { return (l >> 26) * 1000; }

/* ---- Participant word: {state:8, generation:56}
 *
 * | state      | byte lock       | meaning                     | leaves to (by)                                     |
 * |------------|-----------------|-----------------------------|----------------------------------------------------|
 * | FREE       | free            | nobody's                    | LIVE (a process that holds the byte lock)          |
 * | LIVE       | held: alive     | an attached process         | RECLAIMING (itself, leaving)                       |
 * |            | free: dead      | died                        | RECLAIMING (anyone)                                |
 * | RECLAIMING | either          | its slots are being taken   | FREE, generation + 1 (anyone, once no slot names it)|
 */
enum participant_state { PARTICIPANT_FREE, PARTICIPANT_LIVE, PARTICIPANT_RECLAIMING };

static inline uint64_t participant_word(enum participant_state state, uint64_t generation)
{
    return (uint64_t)state | generation << 8;
}
static inline enum participant_state participant_state(uint64_t word) { return (enum participant_state)(word & BITS(8)); }
static inline uint64_t participant_generation(uint64_t word) { return word >> 8; }

#endif
