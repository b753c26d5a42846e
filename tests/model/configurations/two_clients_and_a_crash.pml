/* Two processes, one of which may die at any step: the other is served all the same. */
#define CRASHES 1
#define MORTAL (me < CLIENTS)
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
