/* tests/synth/synth_tests.h - the groups of this folder and what they share. */
#ifndef COP_TESTS_SYNTH_TESTS_H
#define COP_TESTS_SYNTH_TESTS_H

#include "data/dataset.h"
#include "graph/graph.h"

int test_evaluate(void);
int test_throughput(void);
int test_generate(void);
int test_reduce(void);
int test_project(void);
int test_search(void);
int test_shrink(void);
int test_memory(void);

/** A residual network of 3x8x8 inputs and 4 scores, wide enough to cut. */
struct cop_graph *small_net(uint64_t seed);

/** Writes @p n records (label byte, 3x8x8 planes) of noise to @p path; in record i the
 *  channel i % 3 is brighter, and labels[i] is its label. */
void write_records(const char *path, int64_t n, const uint8_t *labels, uint64_t seed);
struct cop_dataset *open_records(const char *path);
#define RECORDS_PREPROCESS "3x8x8"

#endif
