/* schedule.c - the program: one of the table, by one strategy; prints what was run, or the schedule that breaks a rule.
 *
 *   schedule list
 *   schedule PROGRAM exhaustive PREEMPTIONS FAULTS
 *   schedule PROGRAM walk|pct SEED FAULTS SCHEDULES SECONDS
 *   schedule PROGRAM replay MOVE... */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "process.h"
#include "program.h"
#include "strategies.h"
#include "trace.h"
#include "variety.h"

static const struct program *named(const char *name)
{
    for (unsigned long i = 0; i < n_programs; i++)
        if (!strcmp(programs[i].name, name))
            return &programs[i];
    fprintf(stderr, "no program is named %s\n", name);
    exit(3);
}

/* A rule is broken: the schedule, which is then run again, told step by step. */
static void tell(void)
{
    static char text[TRACE_MAX * 8];

    if (is_told)
        return;
    trace_write(text, sizeof text);
    printf("%s replay '%s'\n", program->name, text);
    fflush(stdout);
    execl("/proc/self/exe", "schedule", program->name, "replay", text, (char *)NULL);
}

static void report(uint64_t schedules)
{
    printf("%s: %" PRIu64 " distinct schedules, %" PRIu64 " steps, %" PRIu64 " states\n", program->name, schedules, steps_taken,
           variety_states());
}

/* Each schedule within the budget is one leaf of the tree. Those with fewer faults are another search's. */
static void search(void)
{
    uint64_t schedules = 0;

    exhaustive_begin();
    do {
        check_round++;
        scheduler_run(&exhaustive);
        schedules += used.faults == allowed.faults;
    } while (exhaustive_next());
    report(schedules);
}

/* So many schedules, and more until so many seconds have passed. */
static void sample(const struct strategy *strategy, uint64_t seed, long schedules, time_t seconds)
{
    time_t end = time(NULL) + seconds;

    chance_begin(seed);
    for (; check_round < schedules || time(NULL) < end; check_round++) {
        chance_next();
        scheduler_run(strategy);
        variety_note_schedule(trace_fingerprint());
    }
    report(variety_schedules());
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "list")) {
        for (unsigned long i = 0; i < n_programs; i++)
            puts(programs[i].name);
        return 0;
    }
    if (argc < 4)
        return 3;
    check_cleanup = tell;
    processes_start();
    program_begin(named(argv[1]));
    if (!strcmp(argv[2], "replay")) {
        is_told = true;
        replay_begin(argv[3]);
        scheduler_run(&replay);
        printf("%s: no rule is broken\n", program->name);
        return 0;
    }
    if (!strcmp(argv[2], "exhaustive") && argc == 5) {
        allowed = (struct budget){atoi(argv[3]), atoi(argv[4])};
        search();
        return 0;
    }
    if (argc != 7)
        return 3;
    allowed = (struct budget){INT32_MAX, atoi(argv[4])};
    sample(strcmp(argv[2], "pct") ? &walk : &pct, strtoull(argv[3], NULL, 10), atol(argv[5]), atol(argv[6]));
    return 0;
}
