#define _GNU_SOURCE
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kernel.h"

struct event trace[TRACE_MAX];
size_t trace_length;
bool is_told;

static bool is_same(struct move a, struct move b) { return a.kind == b.kind && a.who == b.who; }

static void tell_move(struct move move)
{
    static const char *const names[KINDS] = {
        [CRASH] = "is killed", [FREEZE] = "is stopped", [SPUR] = "wakes for no reason", [EXPIRE] = "has slept long enough",
        [SIGNAL] = "gets a signal", [DROP] = "wakes, but nobody hears it", [PASS] = "has slept long enough: nobody runs",
        [THAW] = "goes on",
    };

    if (move.kind != RUN)
        printf("%6" PRIu64 "  %c %s\n", steps, 'A' + move.who, names[move.kind]);
}

void trace_note(struct move move)
{
    if (is_told)
        tell_move(move);
    if (trace_length && is_same(trace[trace_length - 1].move, move)) {
        trace[trace_length - 1].times++;
        return;
    }
    CHECK(trace_length < TRACE_MAX);
    trace[trace_length++] = (struct event){move, 1};
}

void trace_write(char *text, size_t room)
{
    size_t length = 0;

    for (size_t i = 0; i < trace_length && length + 16 < room; i++)
        length += (size_t)snprintf(text + length, room - length, "%s%.*s%c%" PRIu32, i ? " " : "", trace[i].move.kind != RUN,
                                   &move_letters[trace[i].move.kind], 'A' + trace[i].move.who, trace[i].times);
}

uint64_t trace_fingerprint(void)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < trace_length; i++) {
        hash ^= (uint64_t)trace[i].times << 16 | (uint64_t)trace[i].move.kind << 8 | trace[i].move.who;
        hash *= UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

void trace_tell_operation(int who)
{
    if (is_told)
        printf("%6" PRIu64 "  %c begins: %s\n", steps, 'A' + who, processes[who].doing->word);
}

void trace_tell_change(const char *what, uint64_t from, uint64_t to)
{
    if (is_told)
        printf("%6" PRIu64 "  %c (%s): %s %" PRIx64 " -> %" PRIx64 "\n", steps, 'A' + running,
               processes[running].doing ? processes[running].doing->word : "end", what, from, to);
}

/* ---- Replay. */
static struct event script[TRACE_MAX];
static size_t script_length, script_at;

static struct event parse(const char *word)
{
    bool is_run = *word >= 'A' && *word <= 'Z';
    const char *letter = is_run ? move_letters : strchr(move_letters, *word), *who = word + !is_run;

    if (!letter || *who < 'A' || *who >= 'A' + PROCESSES) {
        fprintf(stderr, "no move: %s\n", word);
        exit(3);
    }
    return (struct event){{(uint8_t)(letter - move_letters), (uint8_t)(*who - 'A')}, (uint32_t)strtoul(who + 1, NULL, 10)};
}

void replay_begin(const char *text)
{
    char *words = strdup(text);

    script_length = script_at = 0;
    for (char *word = strtok(words, " \n"); word && script_length < TRACE_MAX; word = strtok(NULL, " \n"))
        script[script_length++] = parse(word);
    free(words);
    allowed = (struct budget){INT32_MAX, INT32_MAX};
}

static size_t choose_as_before(const struct move *moves, size_t n)
{
    if (moves[0].kind == KEEP)
        return script_at < script_length && is_same(script[script_at].move, moves[1]);
    while (script_at < script_length) {
        struct event *next = &script[script_at];

        for (size_t i = 0; i < n && next->times; i++)
            if (is_same(moves[i], next->move)) {
                next->times--;
                return i;
            }
        script_at++;
    }
    return 0;
}

const struct strategy replay = {choose_as_before};
