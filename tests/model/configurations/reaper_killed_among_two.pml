/* Two clients and a reaper, two of whom may die at any step. */
#define CRASHES 2
#define CLIENTS 3
#define SLOTS 2
#define PARTICIPANTS 4
#define LIMIT 1
#include "../protocol/protocol.pml"

init
{
    atomic {
        start();
        run Monitor();
        run Process(0, 1, 0);
        run Process(1, 1, 0);
        run Process(2, 1, REAPS);
        run Process(3, 1, SURVIVES)
    }
}
