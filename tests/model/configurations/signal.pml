/* As two_clients, and once a signal interrupts a sleeper, who sleeps again without looking at the queue. */
#define SIGNALS 1
#define CLIENTS 2
#define SLOTS 2
#define PARTICIPANTS 3
#define LIMIT 1
#include "../protocol/protocol.pml"

init
{
    atomic {
        start();
        run Monitor();
        run Process(0, 1, 0);
        run Process(1, 1, 0);
        run Process(2, 1, SURVIVES)
    }
}
