#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <string.h>

void (*check_cleanup)(void);
const char *check_scene = "";
long check_round, check_step;

void check_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: not so: %s (%s, round %ld, step %ld)\n", file, line, text, check_scene, check_round, check_step);
    fflush(stdout);
    if (check_cleanup)
        check_cleanup();
    _exit(1);
}

static void on_alarm(int signal)
{
    static const char message[] = "hangs\n";

    (void)signal;
    if (write(STDERR_FILENO, message, sizeof message - 1) > 0 && check_cleanup)
        check_cleanup();
    _exit(2);
}

void check_bounded(unsigned seconds)
{
    signal(SIGALRM, on_alarm);
    alarm(seconds);
}

int check_run(const struct property *properties, size_t n, int argc, char **argv)
{
    size_t shown = 0;

    for (size_t i = 0; i < n; i++) {
        if (argc > 1 && strcmp(argv[1], properties[i].name))
            continue;
        check_scene = properties[i].name;
        properties[i].show();
        shown++;
    }
    if (!shown)
        fprintf(stderr, "no property is named %s\n", argv[1]);
    return shown ? 0 : 3;
}
