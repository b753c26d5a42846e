/* world.h - one small segment with two who are attached and room for two guests, put back to a beginning for each input. */
#ifndef WORLD_H
#define WORLD_H

#include "check.h"
#include "fake_os.h"
#include "program.h"
#include "scratch.h"

#define SLOTS 12u
#define PERMITS 4

struct holder {
    struct limiter l;
    bool is_here;
    struct permit permits[PERMITS];
    enum { PERMIT_NONE, PERMIT_QUEUED, PERMIT_HELD } phases[PERMITS];
};

extern struct holder holders[ACTORS];
extern char *bytes; /* the segment, in a mapping that is nobody's */

void world_make(void);
void world_begin(enum beginning beginning);
void world_end(void);

enum shmlimit_status world_attach(struct holder *guest, bool observer, struct fault *fault);
void world_detach(struct holder *guest);
/* What SIGKILL leaves: the bytes as they are, the locks free. */
void world_kill(struct holder *guest);

#endif
