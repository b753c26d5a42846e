/* trace.h - what happened in a schedule, short enough to keep: it replays. */
#ifndef TRACE_H
#define TRACE_H

#include "scheduler.h"

void trace_note(struct move move);
void trace_write(char *text, size_t room);
/* A fingerprint of the schedule: two schedules that differ in a move have, but for chance, different ones. */
uint64_t trace_fingerprint(void);

/* ---- For people, when is_told. */
void trace_tell_operation(int who);
void trace_tell_change(const char *what, uint64_t from, uint64_t to);

/* ---- The same again. Where the moves of the trace are not open any more, it goes on as it comes. */
void replay_begin(const char *text);
extern const struct strategy replay;

#endif
