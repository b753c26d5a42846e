/* bell.c - one sleeper for all the waiters of a process's event loops: it hears its participant's bell and passes it on. */
#include <unistd.h>

#include "layout.h"
#include "os.h"
#include "shmlimit.h"

static void ring_channels(struct relay *relay)
{
    uint64_t one = 1;

    for (int i = 0; i < RELAY_CHANNELS; i++) {
        int channel = atomic_load(&relay->channels[i]);

        /* Full (EAGAIN): the loop has not yet read the last 2^64 - 1, so it will look anyway. */
        if (channel >= 0 && write(channel, &one, sizeof one) < 0)
            continue;
    }
}

void bell_relay(struct limiter *l, struct relay *relay, uint64_t deadline_us)
{
    shared32 *bell = &l->participants[l->index].bell;

    do {
        /* Before the channels: a ring after this is found by the wait. */
        uint32_t heard = load32(bell);

        ring_channels(relay);
        os_futex_wait(bell, heard, deadline_us);
    } while (os_now_us() < deadline_us);
}
