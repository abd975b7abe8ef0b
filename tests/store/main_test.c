/* tests/store/main_test.c - runs every group of the folder; or writes until killed. */
#include "store_tests.h"

#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write-until-killed") == 0)
        return write_until_killed(argv[2]);
    int failed = run_rows_tests() + run_blob_tests() + run_file_tests() +
                 run_audit_tests() + run_schema_tests() +
                 run_kill_tests("/proc/self/exe") + run_memory_tests();
    return failed != 0;
}
