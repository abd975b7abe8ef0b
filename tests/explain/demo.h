/* tests/explain/demo.h - a project file filled with invented but consistent rows. */
#ifndef COP_TESTS_DEMO_H
#define COP_TESTS_DEMO_H

#include "data/dataset.h"
#include "store/store.h"

enum { DEMO_CLASSES = 4, DEMO_SAMPLES = 240, DEMO_SIDE = 24, DEMO_MAPS = 12 };

struct demo {
    char dir[256];
    struct cop_store *store;
    struct cop_dataset *dataset;
    int64_t original_id;
    int64_t variant_id;
    int64_t dataset_id; /* "val", that the search decided on */
    int64_t test_id;    /* "test", that it has not seen */
};

/** A data set of drawn blobs, and a project with a model "original" and everything that is
 *  known of it.  Names of layers and classes contain markup. */
void test_demo_open(struct demo *demo);
/** Adds the variant @p name: evaluations, times, search, cuts, maps, ablation. */
void test_demo_add_variant(struct demo *demo, const char *name);
void test_demo_close(struct demo *demo);

#endif
