/* bell.c - waiters that are polled, as an event loop polls them: what rings, whom it reaches, and who looks how often. */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "layout.h"
#include "os.h"
#include "scratch.h"

#define CROWD 120

static struct limiter l, other;

static void begin(uint32_t slots, uint32_t limit)
{
    struct segment_settings settings = SCRATCH_SETTINGS(slots, limit);

    scratch_segment(&settings);
    scratch_attach(&l);
    scratch_attach(&other);
}

static void end(void)
{
    scratch_check_empty(&l);
    CHECK_EQUAL(load64(&l.header->queue.self_heals), 0);
    limiter_detach(&other);
    limiter_detach(&l);
}

static struct permit queue_with_a_bell(void)
{
    struct permit permit;

    CHECK_EQUAL(limiter_enter(&l, &(struct request){.weight_milli = 1000, .since_ns = 1, .has_bell = true}, &permit),
                SHMLIMIT_QUEUED);
    return permit;
}

static void a_grant_rings_the_bell_of_the_waiters_process(void)
{
    struct permit held, queued;
    uint32_t heard;

    begin(4, 1);
    held = scratch_hold(&other);
    queued = queue_with_a_bell();
    CHECK_EQUAL(limiter_poll(&l, &queued, true, true), SHMLIMIT_QUEUED);
    CHECK_EQUAL(limiter_poll(&l, &queued, false, true), SHMLIMIT_QUEUED);
    CHECK_EQUAL(limiter_poll(&l, &queued, true, false), SHMLIMIT_QUEUED);
    CHECK(limiter_is_waiting(&l, &queued));
    heard = load32(&l.participants[l.index].bell);
    CHECK(limiter_release(&other, &held));
    CHECK(load32(&l.participants[l.index].bell) != heard);
    CHECK(!limiter_is_waiting(&l, &queued));
    CHECK_EQUAL(limiter_poll(&l, &queued, false, true), SHMLIMIT_OK);
    CHECK(limiter_release(&l, &queued));
    end();
}

static void a_polled_waiter_that_leaves_has_never_been(void)
{
    struct permit held, queued;

    begin(4, 1);
    held = scratch_hold(&other);
    queued = queue_with_a_bell();
    CHECK_EQUAL(limiter_leave(&l, &queued), SHMLIMIT_OK);
    CHECK(limiter_release(&other, &held));
    end();
}

static void a_ring_reaches_every_channel_and_a_full_one_stops_none(void)
{
    struct relay relay;
    uint64_t most = UINT64_MAX - 1, rings;
    int full = eventfd(0, EFD_NONBLOCK), open_one = eventfd(0, EFD_NONBLOCK);

    begin(4, 1);
    CHECK(full >= 0 && open_one >= 0);
    CHECK(write(full, &most, sizeof most) == sizeof most);
    for (int i = 0; i < RELAY_CHANNELS; i++)
        atomic_store(&relay.channels[i], -1);
    atomic_store(&relay.channels[0], full);
    atomic_store(&relay.channels[1], open_one);
    bell_relay(&l, &relay, os_now_us() + 2000);
    CHECK(read(open_one, &rings, sizeof rings) == sizeof rings);
    CHECK(rings >= 1);
    close(full);
    close(open_one);
    end();
}

/* Ten times a second is for the first few; the others are woken when they become the first. */
static void who_is_far_behind_looks_seldom_and_is_granted_all_the_same(void)
{
    static const int some[] = {CROWD - 1, CROWD / 2, 20, 1};
    struct permit held, queued[CROWD];

    begin(CROWD + 1, 1);
    held = scratch_hold(&other);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQUAL(scratch_enter(&l, 1000, &queued[i]), SHMLIMIT_QUEUED);
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        uint64_t now_us = os_now_us();
        enum shmlimit_status status;

        queued[some[i]].look_at_us = 1;
        status = limiter_wait(&l, &queued[some[i]], now_us + 1000);
        CHECK(status == SHMLIMIT_TIMED_OUT || status == SHMLIMIT_INTERRUPTED);
        if (status == SHMLIMIT_INTERRUPTED)
            CHECK_EQUAL(limiter_leave(&l, &queued[some[i]]), SHMLIMIT_OK);
        queued[some[i]].word = 0;
    }
    for (int i = 0; i < CROWD; i++)
        if (queued[i].word) {
            CHECK(limiter_release(i ? &l : &other, &held));
            CHECK_EQUAL(limiter_wait(&l, &queued[i], UINT64_MAX), SHMLIMIT_OK);
            held = queued[i];
        }
    CHECK(limiter_release(&l, &held));
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_grant_rings_the_bell_of_the_waiters_process),
        PROPERTY(a_polled_waiter_that_leaves_has_never_been),
        PROPERTY(a_ring_reaches_every_channel_and_a_full_one_stops_none),
        PROPERTY(who_is_far_behind_looks_seldom_and_is_granted_all_the_same),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
