/* One process waits for ever, the other also tries without queueing, and leaves the queue at any moment. */
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
        run Process(1, 1, TRIES + LEAVES);
        run Process(2, 1, SURVIVES)
    }
}
