/* room.h - who may be admitted at this instant, defined by DESIGN.md's tables and not by the code that is judged. */
#ifndef ROOM_H
#define ROOM_H

#include <stdbool.h>

#include "words.h"

uint64_t room_word(uint32_t slot);
uint32_t room_weight(uint32_t slot);
enum admission_op room_op(uint64_t a, uint32_t slot); /* that A holds on this slot */
bool room_is_counted(uint64_t a, uint32_t slot, uint64_t x);
uint32_t room_limit(void);
/* What may be admitted; the core may be stricter, never more generous. */
uint32_t room_cap(void);
/* The participant in the slot's word: dead, leaving, or on the way out. */
bool room_is_gone(uint64_t x);
/* In the queue's order. */
bool room_is_before(uint32_t slot, uint32_t other);
uint64_t room_cool_until(uint32_t slot, uint64_t x);

/* For a try: there is no room for so much, or somebody has a better right to it. */
bool room_is_blocked(uint32_t weight_milli);
/* Everybody who could be in is in: no wake is lost. For when nobody can do anything but sleep. */
void room_nobody_is_forgotten(void);

#endif
