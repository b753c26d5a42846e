/* invariants.h - what must be so after every step of every process, by the names that shmlimit.h gives it; and what follows
 * for those who use it. Reads the segment only, with none of the code that it judges. */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include <stdbool.h>
#include <stdint.h>

/* What was seen after the last step. */
struct observation;

/* From here on. */
void invariants_begin(void);
/* True if A or a slot has changed since. */
bool invariants_check(void);
/* Everybody who could be in is in: no wake is lost. For when nobody can do anything but sleep. */
void invariants_nobody_is_forgotten(void);
/* For a try: whether at this instant there is no room for so much, or somebody has a better right to it. */
bool invariants_is_blocked(uint32_t weight_milli);

/* To be put back with the rest of the world. */
extern struct observation *const observed;
extern const unsigned long observed_size;

#endif
