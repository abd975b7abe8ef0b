/* tests/synth/main_test.c - runs the groups; builds what they share. */
#include "synth_tests.h"

#include "base/file.h"
#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"

struct cop_graph *small_net(uint64_t seed)
{
    struct test_net net = test_net_begin(&cop_ops_standard, 3, 8, 8, seed);
    struct cop_value *x = test_net_conv(&net, "stem", net.x, 32, 3, 1);
    x = test_net_bn(&net, "stem_bn", x);
    x = test_net_op(&net, "Relu", "stem_relu", "", x, NULL);
    struct cop_value *y = test_net_conv(&net, "conv1", x, 64, 3, 1);
    y = test_net_op(&net, "Relu", "relu1", "", y, NULL);
    y = test_net_conv(&net, "conv2", y, 32, 3, 1);
    x = test_net_op(&net, "Add", "add", "", x, y, NULL);
    x = test_net_op(&net, "Relu", "relu2", "", x, NULL);
    y = test_net_conv(&net, "left", x, 48, 1, 1);
    struct cop_value *z = test_net_conv(&net, "right", x, 32, 3, 1);
    x = test_net_op(&net, "Concat", "concat", "axis=1", y, z, NULL);
    x = test_net_op(&net, "Relu", "relu3", "", x, NULL);
    test_net_end(&net, test_net_head(&net, x, 4));
    return net.graph;
}

void write_records(const char *path, int64_t n, const uint8_t *labels, uint64_t seed)
{
    struct cop_err err;
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    struct cop_file *file = NULL;
    assert_ok(cop_file_create(path, &file, &err));
    for (int64_t i = 0; i < n; i++) {
        uint8_t record[1 + 3 * 64];
        record[0] = labels[i];
        for (int64_t k = 0; k < 3 * 64; k++) {
            int64_t bright = k / 64 == i % 3 ? 100 : 0;
            record[1 + k] = (uint8_t)(bright + cop_rng_below(&rng, 100));
        }
        assert_ok(cop_file_write(file, record, sizeof record, &err));
    }
    assert_ok(cop_file_commit(file, &err));
}

struct cop_dataset *open_records(const char *path)
{
    struct cop_err err;
    struct cop_preprocess preprocess;
    assert_ok(cop_preprocess_parse(RECORDS_PREPROCESS, &preprocess, &err));
    const struct cop_data_source source = {
        .format = COP_DATA_RECORDS, .path = path, .record_shape = {3, 8, 8}};
    struct cop_dataset *dataset = NULL;
    assert_ok(cop_dataset_open(&source, &preprocess, &dataset, &err));
    return dataset;
}

int main(void)
{
    return test_evaluate() + test_throughput() + test_generate() + test_reduce() +
           test_project() + test_search() + test_shrink() + test_memory();
}
