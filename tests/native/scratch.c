#define _GNU_SOURCE
#include "scratch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "admission.h"
#include "check.h"
#include "queue.h"

#define ROOM 64

static char path[256];
static pid_t owner;

void scratch_remove(void)
{
    if (*path && owner == getpid())
        unlink(path);
}

const char *scratch_path(void) { return path; }

void scratch_segment(const struct segment_settings *settings)
{
    static unsigned made;
    const char *token = getenv("SHMLIMIT_NATIVE_TOKEN");
    struct fault fault;
    int fd;

    if (!made) {
        check_cleanup = scratch_remove;
        atexit(scratch_remove);
    }
    scratch_remove();
    owner = getpid();
    snprintf(path, sizeof path, "/dev/shm/.shmlimit-native-%s-%d-%u", token ? token : "alone", (int)owner, made++);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQUAL(segment_format(fd, settings, &fault), SHMLIMIT_OK);
    close(fd);
}

void scratch_attach(struct limiter *l)
{
    struct fault fault;

    CHECK_EQUAL(limiter_attach(l, path, false, &fault), SHMLIMIT_OK);
}

enum shmlimit_status scratch_try(struct limiter *l, uint32_t weight_milli, struct permit *permit)
{
    return limiter_try(l, &(struct request){.weight_milli = weight_milli, .since_ns = 1}, permit);
}

enum shmlimit_status scratch_enter(struct limiter *l, uint32_t weight_milli, struct permit *permit)
{
    return limiter_enter(l, &(struct request){.weight_milli = weight_milli, .since_ns = 1}, permit);
}

struct permit scratch_hold(struct limiter *l)
{
    struct permit permit;

    CHECK_EQUAL(scratch_try(l, 1000, &permit), SHMLIMIT_OK);
    return permit;
}

uint32_t scratch_count(const struct limiter *l, enum slot_state state)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->n_slots; i++)
        n += slot_state(load64(&l->slots[i].word)) == state;
    return n;
}

uint32_t scratch_used_milli(const struct limiter *l) { return admission_used_milli(load64(&l->header->admission.word)); }

void scratch_audit(const struct limiter *l)
{
    struct fault fault = {0};
    enum shmlimit_status status = limiter_audit(l, &fault);

    if (status != SHMLIMIT_OK && status != SHMLIMIT_WOULD_BLOCK)
        fprintf(stderr, "%s: found %" PRIx64 ", expected %" PRIx64 "\n", fault.what, fault.found, fault.expected);
    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_WOULD_BLOCK);
}

void scratch_check_empty(struct limiter *l)
{
    struct queue_outlook outlook;
    bool found = true;

    while (found) {
        struct gate_view view;
        uint64_t a;

        CHECK_EQUAL(queue_grant(l, false, &outlook), SHMLIMIT_OK);
        CHECK_EQUAL(admission_settle(l, &a), SHMLIMIT_OK);
        gate_read(l, &view);
        CHECK_EQUAL(queue_expire_one(l, a, &view, &found), SHMLIMIT_OK);
    }
    scratch_audit(l);
    CHECK_EQUAL(scratch_count(l, SLOT_FREE), l->n_slots);
    CHECK_EQUAL(scratch_used_milli(l), 0);
}

void scratch_check_limit(struct limiter *l, uint32_t limit)
{
    struct permit permits[ROOM], extra;

    CHECK(limit < ROOM);
    for (uint32_t i = 0; i < limit; i++)
        permits[i] = scratch_hold(l);
    CHECK_EQUAL(scratch_try(l, 1000, &extra), SHMLIMIT_WOULD_BLOCK);
    for (uint32_t i = 0; i < limit; i++)
        CHECK(limiter_release(l, &permits[i]));
}
