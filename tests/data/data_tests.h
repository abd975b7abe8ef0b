/* tests/data/data_tests.h - the groups of this folder and what they share. */
#ifndef COP_TESTS_DATA_H
#define COP_TESTS_DATA_H

#include "support/test.h"

#include "base/rng.h"

#include <stdint.h>

int run_preprocess_tests(void);
int run_picture_tests(void);
int run_dataset_tests(void);
int run_npy_tests(void);

enum { N_MUTATIONS = 1500, FUZZ_SEED = 20 };

/** Cuts the end off, flips bits, overwrites runs: n is lowered when cut. */
void mutate(struct cop_rng *rng, uint8_t *bytes, size_t *n);
/** Writes a file into @p folder; path has room for 512. */
char *put_file(
    char path[512], const char *folder, const char *name, const void *bytes, size_t n);

#endif
