/* core.c - the core as the laboratory drives it: one segment, one process, a clock that is set from outside. Linked with
 * tests/native/fake_os.c in place of csrc/os.c. */
#include "admission.h"
#include "fake_os.h"
#include "queue.h"
#include "scratch.h"

#define USERS_MAX 1024

static struct limiter limiter;
static struct permit permits[USERS_MAX];

void core_begin(uint32_t limit, uint64_t cooldown_us, uint64_t settle_us, uint64_t stale_after_us, uint32_t flags)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4096, limit);

    settings.cooldown_us = cooldown_us;
    settings.settle_us = settle_us;
    settings.stale_after_us = stale_after_us;
    settings.flags = flags;
    scratch_segment(&settings);
    scratch_attach(&limiter);
    poller_elect(&limiter);
}

void core_end(void)
{
    limiter_detach(&limiter);
    scratch_remove();
}

void core_set_now(uint64_t now_us) { fake_os.now_us = now_us; }

/* 0: admitted, else queued. */
int core_enter(uint32_t user, int64_t since_ns)
{
    return limiter_enter(&limiter, &(struct request){.weight_milli = 1000, .since_ns = since_ns}, &permits[user])
           != SHMLIMIT_OK;
}

/* Writes down who has been admitted since, and returns how many; when the first of the others looks by itself is in
 * *look_at_us. As the waiters of one event loop: the first keeps time for all. */
uint32_t core_look(const uint32_t *waiters, uint32_t n, uint32_t *admitted, uint64_t *look_at_us)
{
    uint32_t n_admitted = 0;

    *look_at_us = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        struct permit *permit = &permits[waiters[i]];
        bool keeps_time = *look_at_us == UINT64_MAX;

        if (!keeps_time && limiter_is_waiting(&limiter, permit))
            continue;
        if (limiter_poll(&limiter, permit, keeps_time, false) == SHMLIMIT_OK)
            admitted[n_admitted++] = waiters[i];
        else if (keeps_time)
            *look_at_us = permit->look_at_us;
    }
    return n_admitted;
}

void core_release(uint32_t user) { limiter_release(&limiter, &permits[user]); }
void core_census(struct census *census) { poller_census(&limiter, census); }

void core_sample(uint32_t gate_count_milli, uint64_t t0_us, uint64_t count_milli)
{
    poller_write_sample(&limiter, gate_count_milli, t0_us, count_milli);
}
