/* A client and a reaper, both of whom may die at any step: the one that is left, or who comes after, finishes the work. */
#define CRASHES 2
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
        run Process(1, 1, REAPS);
        run Process(2, 1, SURVIVES)
    }
}
