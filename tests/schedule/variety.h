/* variety.h - how many different schedules and states were seen, by fingerprint. A full table or two that share a fingerprint
 * make the numbers too small, never too large. */
#ifndef VARIETY_H
#define VARIETY_H

#include <stdint.h>

void variety_note_schedule(uint64_t fingerprint);
/* The words of the segment on which anything is decided, as they are now. */
void variety_note_state(void);
uint64_t variety_schedules(void);
uint64_t variety_states(void);

#endif
