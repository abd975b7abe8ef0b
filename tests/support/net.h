/* tests/support/net.h - small networks in a few lines, from any operator set.
 *
 *   struct test_net net = test_net_begin(&cop_ops_standard, 3, 8, 8, seed);
 *   struct cop_value *x = test_net_conv(&net, "c1", net.x, 16, 3, 1);
 *   x = test_net_op(&net, "Relu", "r1", "", x, NULL);
 *   test_net_end(&net, x);
 *
 * Weights are random from the seed.  Every failure ends the test with its text. */
#ifndef COP_TESTS_NET_H
#define COP_TESTS_NET_H

#include "base/rng.h"
#include "graph/graph.h"

struct test_net {
    struct cop_graph *graph;
    struct cop_value *x; /* the input "x", 1 x c x h x w, batch free */
    struct cop_rng rng;
};

struct test_net test_net_begin(
    const struct cop_op_set *ops, int64_t c, int64_t h, int64_t w, uint64_t seed);
/** Infers, checks and makes @p output the network's output, named "y". */
void test_net_end(struct test_net *net, struct cop_value *output);

/** One node with first result returned.  @p attrs: "pads=1,1,1,1 group=2 mode=constant".
 *  The sources end with NULL; test_net_absent() stands for an optional one left out. */
struct cop_value *test_net_op(
    struct test_net *net, const char *op, const char *name, const char *attrs, ...)
    __attribute__((sentinel));
struct cop_value *test_net_absent(void);

/** Random normal constant times @p scale, and int64 constant. */
struct cop_value *test_net_weights(
    struct test_net *net, double scale, int32_t rank, const int64_t *dims);
struct cop_value *test_net_ints(struct test_net *net, int32_t n, const int64_t *ints);

/** Conv k x k with padding k / 2, He-scaled weights and a random bias. */
struct cop_value *test_net_conv(
    struct test_net *net,
    const char *name,
    struct cop_value *src,
    int64_t oc,
    int64_t kernel,
    int64_t group);
/** BatchNormalization with random scale, shift, mean and variance. */
struct cop_value *test_net_bn(
    struct test_net *net, const char *name, struct cop_value *src);
/** GlobalAveragePool, Flatten and Gemm to @p n scores. */
struct cop_value *test_net_head(struct test_net *net, struct cop_value *src, int64_t n);

#endif
