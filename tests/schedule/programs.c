/* programs.c - the table of programs. Small ones can be searched whole, larger ones by chance. */
#include "program.h"

#define MS UINT64_C(1000)
#define COOLDOWN (350 * MS)
#define TIMEOUT (1000 * MS)

const struct program programs[] = {
    /* ---- Two processes: every schedule with a few preemptions. */
    {"two-try-for-one", 1, 0, 0, 0, {"try release", "try release"}},
    {"two-acquire-one", 1, 0, 0, 0, {"acquire release", "acquire release"}},
    {"newcomer-meets-release", 1, 0, 0, 0, {"acquire / release", "acquire release"}},
    {"try-meets-release", 1, 0, 0, 0, {"acquire / release", "try release"}},
    {"release-meets-waiter", 1, 0, 0, 0, {"acquire / release", "enter / wait release"}},
    {"release-meets-leaver", 1, 0, 0, 0, {"acquire / release", "enter / leave release"}},
    {"release-meets-time-out", 1, 0, 0, 0, {"acquire / release", "enter / wait-briefly release"}},
    {"detach-meets-waiter", 1, 0, 0, 0, {"acquire / detach", "enter / wait release"}},
    {"detach-meets-detach", 1, 0, 0, 0, {"acquire / detach", "enter / detach"}},
    {"attach-meets-attach", 1, 0, 0, 0, {"attach try release detach", "attach try release detach"}},
    {"reap-meets-release", 1, 0, 0, 0, {"acquire / release", "reap acquire release"}},
    {"release-twice", 1, 0, 0, 0, {"acquire / release release-nothing", "acquire release"}},
    {"cooldown", 1, 0, COOLDOWN, 0, {"acquire / release", "acquire release"}},
    {"cooldown-meets-try", 1, CLOCK_MOVES, COOLDOWN, 0, {"acquire release cool / try release", "try release"}},
    {"fork", 1, 0, 0, 0, {"acquire / fork release", "release-nothing acquire release"}},
    {"lower-meets-enter", 2, LIMIT_MOVES, 0, 0, {"acquire / lower release", "acquire release"}},
    {"raise-meets-enter", 1, LIMIT_MOVES, 0, 0, {"acquire / raise release", "acquire release"}},
    {"pause-meets-acquire", 1, 0, 0, 0, {"pause reset", "acquire release"}},
    {"short-pause", 1, 0, 0, 0, {"pause-briefly", "acquire release"}},
    {"refusal-meets-refusal", 3, LIMIT_MOVES, 0, 0, {"acquire / refusal release", "acquire / refusal release"}},
    {"retire-meets-acquire", 1, RETIRES, 0, 0, {"retire", "acquire release"}},
    {"unlink-meets-waiter", 1, RETIRES, 0, 0, {"acquire / unlink release", "enter / wait release"}},
    {"watchdog-meets-release", 1, WATCHED | CLOCK_MOVES, 0, TIMEOUT, {"acquire stuck / release", "acquire release"}},
    {"watchdog-meets-touch", 1, WATCHED | CLOCK_MOVES, 0, TIMEOUT, {"acquire stuck / touch release", "reap acquire release"}},
    {"watchdog-meets-watchdog", 1, WATCHED | CLOCK_MOVES, 0, TIMEOUT, {"acquire stuck / reap release", "acquire release"}},
    {"overdue-admission", 1, WATCHED | CLOCK_MOVES, 0, TIMEOUT, {"acquire / release stuck try release", "enter / wait release"}},
    {"sample-meets-acquire", 1, SAMPLED, 0, 0, {"elect / sample-one cool sample-none", "acquire release"}},
    {"sample-meets-waiter", 1, SAMPLED, COOLDOWN, 0, {"elect acquire / release cool sample-none", "enter / wait release"}},
    {"pollers-take-turns", 1, SAMPLED, 0, 0, {"elect / sample-one resign", "elect cool sample-none elect acquire release"}},
    /* ---- Three and four: too many to count, so by chance. */
    {"three-acquire-one", 1, 0, 0, 0, {"acquire release", "acquire release", "acquire release"}},
    {"three-in-a-row", 1, 0, 0, 0, {"acquire / release", "enter / wait release", "enter / wait release"}},
    {"two-leave-at-once", 1, 0, 0, 0, {"acquire / release", "enter / leave release", "enter / leave release"}},
    {"older-and-first", 1, 0, 0, 0, {"acquire / release", "enter / wait release", "acquire-older release", "acquire-first release"}},
    {"heavy-head", 2, 0, 0, 0, {"acquire / release", "acquire / release", "enter-two / wait release", "try release acquire release"}},
    {"heavy-head-and-limit", 2, LIMIT_MOVES, 0, 0,
     {"acquire / release", "enter-two / wait release", "acquire release", "lower raise"}},
    {"comings-and-goings", 2, 0, 0, 0,
     {"try release acquire release", "acquire-briefly release try release", "acquire release detach", "attach acquire release"}},
    {"comings-and-goings-cooling", 2, 0, COOLDOWN, 0,
     {"try release acquire release", "acquire-briefly release try release", "acquire release detach", "attach acquire release"}},
    {"family", 2, 0, 0, 0, {"acquire / fork release acquire release", "release-nothing try release acquire release", "acquire release reap"}},
    {"moving-limit", 2, LIMIT_MOVES, 0, 0, {"acquire / release acquire release", "enter / wait release", "lower raise lower", "acquire-two release"}},
    {"moving-pause", 2, 0, 0, 0, {"acquire / release acquire release", "acquire release", "pause reset pause-briefly", "try release acquire release"}},
    {"watched-crowd", 1, WATCHED | CLOCK_MOVES, 0, TIMEOUT,
     {"acquire / stuck release acquire release", "enter / wait touch release", "acquire release", "reap stuck reap"}},
    {"watched-crowd-cooling", 2, WATCHED | CLOCK_MOVES, COOLDOWN, TIMEOUT,
     {"acquire / stuck release acquire release", "acquire / touch release", "enter / wait release", "acquire-briefly release stuck reap"}},
    {"sampled-crowd", 2, SAMPLED | CLOCK_MOVES, COOLDOWN, 0,
     {"elect / sample-one cool sample-none cool sample-none", "acquire / release acquire release", "acquire release", "acquire-briefly release"}},
    {"refused-crowd", 3, SAMPLED | LIMIT_MOVES | CLOCK_MOVES, COOLDOWN, 0,
     {"elect / cool sample-one reset cool sample-none", "acquire / refusal release", "acquire / refusal release", "acquire release"}},
    {"retired-crowd", 1, RETIRES, 0, 0, {"acquire / release acquire release", "enter / wait release", "retire", "acquire release"}},
};
const unsigned long n_programs = sizeof programs / sizeof *programs;
