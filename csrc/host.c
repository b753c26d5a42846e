#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UNREAD INT64_MIN

static _Atomic int64_t clock_offset_us = UNREAD;

/* The beginning of a file in procfs, as text; empty where there is no such file, or none for this process. */
static int read_text(const char *path, char *text, size_t room)
{
    size_t length = 0;
    ssize_t n = -1;
    int fd, error;

    text[0] = 0;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM ? 0 : -errno;
    while (length < room - 1 && ((n = read(fd, text + length, room - 1 - length)) > 0 || (n < 0 && errno == EINTR)))
        length += n > 0 ? (size_t)n : 0;
    error = n < 0 ? errno : 0;
    close(fd);
    text[length] = 0;
    return -error;
}

int host_boot_id(uint64_t id[2])
{
    char text[40];
    int nibbles = 0, rc = read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);

    id[0] = id[1] = 0;
    for (const char *c = text; *c && nibbles < 32; c++) {
        if (*c == '-' || *c == '\n')
            continue;
        id[nibbles / 16] = id[nibbles / 16] << 4 | (uint64_t)(*c <= '9' ? *c - '0' : (*c | 32) - 'a' + 10);
        nibbles++;
    }
    return rc;
}

int host_clock_read(void)
{
    char text[256];
    long long seconds, nanoseconds;
    const char *line;
    int rc;

    if (atomic_load(&clock_offset_us) != UNREAD)
        return 0;
    /* Absent on kernels without time namespaces: then there is no offset. */
    if ((rc = read_text("/proc/self/timens_offsets", text, sizeof text)))
        return rc;
    line = strstr(text, "monotonic");
    if (!line || sscanf(line, "monotonic %lld %lld", &seconds, &nanoseconds) != 2)
        seconds = nanoseconds = 0;
    atomic_store(&clock_offset_us, seconds * 1000000 + nanoseconds / 1000);
    return 0;
}

int64_t host_clock_offset_us(void)
{
    int64_t offset_us = atomic_load_explicit(&clock_offset_us, memory_order_acquire);

    if (offset_us == UNREAD)
        offset_us = host_clock_read() ? 0 : atomic_load(&clock_offset_us);
    return offset_us;
}

void host_clock_forget(void) { atomic_store(&clock_offset_us, UNREAD); }

/* Field 22 of procfs stat, after the command in parentheses. */
uint64_t host_program(char program[16])
{
    char text[512], *open_paren, *close_paren;
    unsigned long long started = 0;
    size_t length;

    memset(program, 0, 16);
    if (read_text("/proc/self/stat", text, sizeof text))
        return 0;
    open_paren = strchr(text, '(');
    close_paren = strrchr(text, ')');
    if (!open_paren || !close_paren)
        return 0;
    length = (size_t)(close_paren - open_paren - 1);
    memcpy(program, open_paren + 1, length < 16 ? length : 16);
    sscanf(close_paren + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &started);
    return started;
}
