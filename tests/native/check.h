/* check.h - what a native test program needs: a check that names what it saw, a bound on time, a way out. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs before a failed check ends the program: removes what the program left outside itself. */
extern void (*check_cleanup)(void);
/* Where the program is, for the message: set it in loops that would otherwise fail anonymously. */
extern const char *check_scene;
extern long check_round, check_step;

_Noreturn void check_failed(const char *file, int line, const char *text);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* The one place where a number on each side matters more than the expression. */
#define CHECK_EQUAL(found, expected)                                                                                 \
    do {                                                                                                             \
        int64_t found_ = (int64_t)(found), expected_ = (int64_t)(expected);                                          \
        if (found_ != expected_) {                                                                                   \
            fprintf(stderr, "found %" PRId64 ", expected %" PRId64 "\n", found_, expected_);                         \
            check_failed(__FILE__, __LINE__, #found " == " #expected);                                               \
        }                                                                                                            \
    } while (0)

/* Ends the program as failed if it hangs. */
void check_bounded(unsigned seconds);

struct property {
    const char *name;
    void (*show)(void);
};
#define PROPERTY(name) {#name, name}
/* Runs the named property, or all of them; the exit status of main(). */
int check_run(const struct property *properties, size_t n, int argc, char **argv);

#endif
