/* replay.c - a main() for the target without a fuzzer: each argument is a file with an input. */
#include <stdio.h>

#include "check.h"
#include "program.h"
#include "target.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint8_t input[1 + RECORDS_MAX * sizeof(struct record)];
        FILE *file = fopen(argv[i], "rb");
        size_t size;

        check_scene = argv[i];
        CHECK(file);
        size = fread(input, 1, sizeof input, file);
        fclose(file);
        LLVMFuzzerTestOneInput(input, size);
    }
    return 0;
}
