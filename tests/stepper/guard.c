#define _GNU_SOURCE
#include "guard.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "watch.h"

#define MAPPINGS 4
#define MAPS_MAX (1 << 18)

static struct mapping {
    uint64_t from, to;
    int protection;
} mappings[MAPPINGS];
static int n_mappings;
static bool is_closed;
static char part[128], maps[MAPS_MAX];

static void note(char *line)
{
    char *end;
    uint64_t from = strtoul(line, &end, 16), to = strtoul(end + 1, &end, 16);

    if (!strstr(line, part) || watch_has_mapped((void *)from))
        return;
    if (n_mappings == MAPPINGS)
        abort();
    mappings[n_mappings++] = (struct mapping){from, to, PROT_READ | (end[2] == 'w' ? PROT_WRITE : 0)};
}

void guard_begin(const char *with)
{
    snprintf(part, sizeof part, "%s", with);
    guard_find();
}

void guard_find(void)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;

    guard_open();
    n_mappings = 0;
    while ((got = read(fd, maps + length, MAPS_MAX - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    if (got < 0 || length == MAPS_MAX - 1)
        abort();
    maps[length] = 0;
    for (char *line = maps, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        note(line);
    }
}

static void set(bool closed)
{
    if (closed == is_closed)
        return;
    is_closed = closed;
    for (int i = 0; i < n_mappings; i++)
        if (mprotect((void *)mappings[i].from, mappings[i].to - mappings[i].from, closed ? PROT_NONE : mappings[i].protection))
            abort();
}

void guard_close(void) { set(true); }
void guard_open(void) { set(false); }

bool guard_covers(uint64_t address)
{
    for (int i = 0; i < n_mappings; i++)
        if (address >= mappings[i].from && address < mappings[i].to)
            return true;
    return false;
}
