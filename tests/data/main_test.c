/* tests/data/main_test.c - runs the groups of this folder. */
#include "data_tests.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void mutate(struct cop_rng *rng, uint8_t *bytes, size_t *n)
{
    if (cop_rng_below(rng, 3) == 0) *n = (size_t)cop_rng_below(rng, (int64_t)*n);
    if (*n == 0) return;
    const int64_t n_edits = cop_rng_below(rng, 8);
    for (int64_t i = 0; i < n_edits; i++) {
        const size_t at = (size_t)cop_rng_below(rng, (int64_t)*n);
        if (cop_rng_below(rng, 2) == 0) {
            bytes[at] ^= (uint8_t)(1u << cop_rng_below(rng, 8));
            continue;
        }
        const size_t run = (size_t)cop_rng_below(rng, 5) + 1;
        const size_t n_run = run < *n - at ? run : *n - at;
        memset(bytes + at, cop_rng_below(rng, 2) == 0 ? 0xff : 0, n_run);
    }
}

static void make_folders(char *path)
{
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(path, 0777);
        *at = '/';
    }
    (void)mkdir(path, 0777);
}

char *put_file(
    char path[512], const char *folder, const char *name, const void *bytes, size_t n)
{
    (void)snprintf(path, 512, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    make_folders(path);
    *slash = '/';
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0) {
        fail_msg("cannot write %s", path);
    }
    return path;
}

int main(void)
{
    int failed = run_preprocess_tests();
    failed += run_picture_tests();
    failed += run_dataset_tests();
    failed += run_npy_tests();
    return failed;
}
