/* slots.h - the moves of a slot that do not change the sum, and its stamps. */
#ifndef SHMLIMIT_SLOTS_H
#define SHMLIMIT_SLOTS_H

#include "layout.h"
#include "shmlimit.h"
#include "words.h"

/* Claims a FREE slot for this participant; false when there is none. *word is its CLAIMED word. */
bool slots_claim(struct limiter *l, uint32_t *index, uint64_t *word);
/* Fills in the record of a slot that the caller has CLAIMED. */
void slots_fill(struct limiter *l, uint32_t index, const struct request *request);
/* Gives back a CLAIMED slot. */
void slots_give_back(struct limiter *l, uint32_t index, uint64_t word);
/* HELD -> COOLING until cool_until_us (0: due at once); false if the slot has left exactly `held`. */
bool slots_cool(struct limiter *l, uint32_t index, uint64_t held, uint64_t cool_until_us);

/* Raises a stamp of the slot to a time of the occupancy `generation`; does nothing once that is neither WAITING nor HELD. */
void slots_stamp(struct slot *slot, shared64 *at, uint64_t generation, uint64_t at_us);
/* When the holder was admitted or last touched; 0 if nobody stamped it yet. */
uint64_t slots_touched_us(const struct slot *slot, uint64_t word);
uint32_t slots_high_water(const struct limiter *l);
/* Wakes the waiter of the slot, whose word was x; in a later occupancy it looks once too often. */
void slots_wake(struct limiter *l, uint32_t index, uint64_t x);

#endif
