/* operations.h - each call that an attached process can make, with what must be true of its answer whatever the bytes are. */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "enemy.h"

/* Does what the record says, if its actor is there. */
void operate(const struct record *record);

#endif
