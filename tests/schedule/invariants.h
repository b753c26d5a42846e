/* invariants.h - what must be so after every step of every process, by the names that shmlimit.h gives it; and what follows
 * for those who use it. Reads the segment only, with none of the code that it judges. */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include <stdbool.h>

/* From here on. */
void invariants_begin(void);
/* True if A or a slot has changed since. */
bool invariants_check(void);

#endif
