/* One process wants one permit and the other both, and slots are used for the first time. */
#define WEIGHTS
#define HIGH_WATER
#define CLIENTS 2
#define SLOTS 2
#define PARTICIPANTS 3
#define LIMIT 2
#include "../protocol/protocol.pml"

init
{
    atomic {
        start();
        run Monitor();
        run Process(0, 1, 0);
        run Process(1, 2, 0);
        run Process(2, 1, SURVIVES)
    }
}
