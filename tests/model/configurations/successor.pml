/* A process may die and attach anew, which takes its old entry in the table once that is free, while a slow reaper is still
 * at work on it. Everybody detaches in the end. */
#define CRASHES 1
#define JOINS
#define MORTAL (me == 0)
#define CLIENTS 2
#define SLOTS 1
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
