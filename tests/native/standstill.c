#include "standstill.h"

struct limiter me, other, poller;
struct permit held[4], waiting, newcomer;

void begin_with(uint32_t limit, uint64_t cooldown_us, uint32_t flags)
{
    struct segment_settings settings = SCRATCH_SETTINGS(8, limit);

    settings.cooldown_us = cooldown_us;
    settings.flags = flags;
    settings.stale_after_us = STALE_US;
    settings.settle_us = SETTLE_US;
    scratch_segment(&settings);
    fake_os = (struct fake_os){.now_us = 1000000000};
    scratch_attach(&me);
    scratch_attach(&other);
    scratch_attach(&poller);
    CHECK_EQUAL(poller_elect(&poller), SHMLIMIT_OK);
}
void begin(uint32_t limit) { begin_with(limit, COOLDOWN_US, 0); }
void end(void)
{
    scratch_audit(&me);
    limiter_detach(&me);
    limiter_detach(&other);
    limiter_detach(&poller);
}

void pass(uint64_t us) { fake_os.now_us += us; }
void fill(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        held[i] = scratch_hold(&me);
}
void hold_again(const struct permit *last)
{
    scratch_check_empty(&me);
    atomic_store(&me.last_slot, last->slot);
    fill(1);
    CHECK(held[0].slot == last->slot);
}
void release(int i) { CHECK(limiter_release(&me, &held[i])); }
void queue(void) { CHECK_EQUAL(scratch_enter(&other, 1000, &waiting), SHMLIMIT_QUEUED); }
bool is_in(void) { return limiter_holds(&other, &waiting); }
uint32_t look(void)
{
    struct queue_outlook outlook;

    CHECK_EQUAL(queue_grant(&me, false, &outlook), SHMLIMIT_OK);
    return outlook.admitted;
}
bool may_enter(void) { return scratch_try(&other, 1000, &newcomer) == SHMLIMIT_OK; }
void sample(uint32_t count_milli)
{
    CHECK_EQUAL(poller_write_sample(&poller, count_milli, fake_os.now_us, count_milli), SHMLIMIT_OK);
}
struct gate_view view_now(void)
{
    struct gate_view view;

    gate_read(&me, &view);
    return view;
}
