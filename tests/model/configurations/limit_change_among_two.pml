/* As limit_change, with two processes, one of which never queues; and one of the two may die at any step. */
#define LIMIT_CHANGES
#define LOWER 1
#define CRASHES 1
#define MORTAL (me < 2)
#define CLIENTS 3
#define SLOTS 2
#define PARTICIPANTS 4
#define LIMIT 2
#include "../protocol/protocol.pml"

init
{
    atomic {
        start();
        run Monitor();
        run Process(0, 1, 0);
        run Process(1, 1, RUSHES);
        run Process(2, 1, SETS);
        run Process(3, 1, SURVIVES)
    }
}
