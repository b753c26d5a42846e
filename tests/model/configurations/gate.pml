/* A process that never queues, and two pollers, one of whom was elected after the other had been stopped: the late sample is
 * not written, what is foreign is not admitted, and a slot is used again only once a sample began after it had cooled. */
#define GATE
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
        run Process(0, 1, RUSHES);
        run Process(1, 1, POLLS);
        run Process(2, 1, POLLS);
        run Process(3, 1, SURVIVES)
    }
}
