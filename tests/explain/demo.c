/* tests/explain/demo.c - see demo.h. */
#include "demo.h"

#include "base/rng.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CREATED_US 1795240000000000
#define CLASSES_JSON                                                                   \
    "[\"happy\",\"sad\",\"<script>alert(1)</script>\",\"a & \\\"b\\\"\"]"
#define VAL_SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEST_SHA "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define MACHINE_JSON                                                                   \
    "{\"cpu\":\"Test <CPU>\",\"isa\":\"avx512_core\",\"onednn\":\"2.6.3\","            \
    "\"threads\":2,\"coppice\":\"0.1.0\"}"

static const char *const class_names[DEMO_CLASSES] = {
    "happy", "sad", "<script>alert(1)</script>", "a & \"b\""};

/* ---- the data set -------------------------------------------------------------- */

static int label_of(int sample)
{
    return sample % DEMO_CLASSES;
}

/* Where the blob of a sample lies, in pixels. */
static void place_of(int sample, double place[2])
{
    place[0] = label_of(sample) < 2 ? 7 : 17;
    place[1] = label_of(sample) % 2 ? 17 : 7;
    place[0] += (sample / 4) % 3 - 1;
    place[1] += (sample / 12) % 3 - 1;
}

static void write_records(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int sample = 0; sample < DEMO_SAMPLES; sample++) {
        double place[2];
        place_of(sample, place);
        fputc(label_of(sample), file);
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < DEMO_SIDE; y++)
                for (int x = 0; x < DEMO_SIDE; x++) {
                    const double r = hypot(y - place[0], x - place[1]);
                    const double blob = r < 4 ? 200 - 40 * c : 0;
                    fputc((int)(30 + 3 * y + 10 * c + blob * 0.7) & 255, file);
                }
    }
    assert_int_equal(fclose(file), 0);
}

static int64_t put_dataset(struct demo *demo, const char *name, const char *sha256)
{
    struct cop_err err;
    struct cop_dataset_row row = {
        .name = name,
        .path = "data.bin",
        .format = "records",
        .labels = "",
        .record_shape = "3x24x24",
        .preprocess = "3x24x24",
        .classes_json = CLASSES_JSON,
        .sha256 = sha256,
        .n = DEMO_SAMPLES,
        .created_us = CREATED_US,
    };
    assert_ok(cop_store_put_dataset(demo->store, &row, &err));
    return row.id;
}

static void open_dataset(struct demo *demo)
{
    struct cop_err err;
    struct cop_preprocess preprocess;
    char path[320];
    snprintf(path, sizeof path, "%s/data.bin", demo->dir);
    write_records(path);
    const struct cop_data_source source = {
        .format = COP_DATA_RECORDS,
        .path = path,
        .record_shape = {3, DEMO_SIDE, DEMO_SIDE}};
    assert_ok(cop_preprocess_parse("3x24x24", &preprocess, &err));
    assert_ok(cop_dataset_open(&source, &preprocess, &demo->dataset, &err));
    assert_int_equal(cop_dataset_n(demo->dataset), DEMO_SAMPLES);
    demo->dataset_id = put_dataset(demo, "val", VAL_SHA);
    demo->test_id = put_dataset(demo, "test", TEST_SHA);
}

/* ---- one model ----------------------------------------------------------------- */

static int64_t put_model(
    struct demo *demo,
    const char *name,
    int64_t parent,
    double share,
    const char *origin)
{
    struct cop_err err;
    char sha[COP_HASH_HEX];
    assert_ok(cop_store_put_blob(demo->store, name, strlen(name), sha, &err));
    struct cop_model_row row = {
        .name = name,
        .parent_id = parent,
        .graph_sha = sha,
        .source = parent ? "candidate 3 of search 1" : "faces<b>.onnx",
        .origin_json = origin,
        .macs = (int64_t)(12345678 * share),
        .params = (int64_t)(234567 * share),
        .bytes = (int64_t)(938268 * share),
        .created_us = CREATED_US,
    };
    assert_ok(cop_store_put_model(demo->store, &row, &err));
    return row.id;
}

/* The answer: right except for a fixed share of samples; @p extra more for class 2. */
static int answer_of(int sample, bool is_variant)
{
    const int label = label_of(sample);
    const bool is_hard = sample % 17 == 3;
    const bool is_lost = is_variant && label == 2 && sample % 5 == 0;
    const bool is_won = is_variant && sample % 51 == 3;
    return (is_hard && !is_won) || is_lost ? (label + 1) % DEMO_CLASSES : label;
}

static void put_evaluation(
    struct demo *demo, int64_t model_id, int64_t dataset_id, bool is_variant)
{
    struct cop_err err;
    unsigned char answers[DEMO_SAMPLES * 16];
    int n[DEMO_CLASSES] = {0};
    int right[DEMO_CLASSES] = {0};
    int all_right = 0;
    for (int i = 0; i < DEMO_SAMPLES; i++) {
        const int label = label_of(i);
        const bool is_right = answer_of(i, is_variant) == label;
        const int32_t ints[2] = {i, answer_of(i, is_variant)};
        const float floats[2] = {0.91F, is_right ? 0.91F : 0.06F};
        memcpy(answers + i * 16, ints, 8);
        memcpy(answers + i * 16 + 8, floats, 8);
        n[label]++;
        right[label] += is_right;
        all_right += is_right;
    }
    char json[1024] = "[";
    for (int c = 0; c < DEMO_CLASSES; c++)
        snprintf(
            json + strlen(json),
            sizeof json - strlen(json),
            "%s{\"class\":\"%s\",\"n\":%d,\"right\":%d}%s",
            c ? "," : "",
            c == 3 ? "a & \\\"b\\\"" : class_names[c],
            n[c],
            right[c],
            c == DEMO_CLASSES - 1 ? "]" : "");
    struct cop_evaluation_row row = {
        .model_id = model_id,
        .dataset_id = dataset_id,
        .n = DEMO_SAMPLES,
        .top1 = 100.0 * all_right / DEMO_SAMPLES,
        .top5 = 100,
        .per_class_json = json,
        .machine_json = MACHINE_JSON,
        .answers = answers,
        .answers_bytes = sizeof answers,
        .created_us = CREATED_US + 1000000,
    };
    assert_ok(cop_store_put_evaluation(demo->store, &row, &err));
}

static void put_measurement(struct demo *demo, int64_t model_id, double ms)
{
    struct cop_err err;
    struct cop_measurement_row row = {
        .model_id = model_id,
        .mb = 1,
        .threads = 2,
        .runs = 200,
        .median_ms = ms,
        .p95_ms = ms * 1.2,
        .min_ms = ms * 0.9,
        .peak_bytes = (int64_t)(ms * 1e6),
        .machine_json = MACHINE_JSON,
        .created_us = CREATED_US + 2000000,
    };
    assert_ok(cop_store_put_measurement(demo->store, &row, &err));
}

/* ---- explanations -------------------------------------------------------------- */

enum { MAP_SIDE = 12, CHANNELS = 24 };

static void put_map(struct demo *demo, int64_t model_id, int sample, bool is_variant)
{
    struct cop_err err;
    float map[MAP_SIDE * MAP_SIDE];
    double place[2];
    place_of(sample, place);
    for (int y = 0; y < MAP_SIDE; y++)
        for (int x = 0; x < MAP_SIDE; x++) {
            const double r = hypot(2 * y + 1 - place[0], 2 * x + 1 - place[1]);
            const double away =
                hypot(2 * y + 1 - (24 - place[0]), 2 * x + 1 - place[1]);
            map[y * MAP_SIDE + x] =
                (float)(3 * exp(-r * r / (is_variant ? 30 : 22)) - (is_variant ? 1.4 : 0.9) * exp(-away * away / 14) + 0.05 * sin(sample + 3 * y + 5 * x));
        }
    struct cop_attribution_row row = {
        .model_id = model_id,
        .dataset_id = demo->dataset_id,
        .sample = sample,
        .method = "occlusion",
        .layer = "",
        .target = label_of(sample),
        .rows = MAP_SIDE,
        .cols = MAP_SIDE,
        .f_x = 7.5,
        .config_json =
            sample % 5 == 0
                ? "{\"window\":[4,4],\"stride\":[2,2],\"chosen\":\"lost\",\"seed\":1}"
                : "{\"window\":[4,4],\"stride\":[2,2],\"chosen\":\"drawn\",\"seed\":1}",
        .values = map,
        .values_bytes = sizeof map,
    };
    assert_ok(cop_store_put_attribution(demo->store, &row, &err));
}

static void put_ablation(
    struct demo *demo, int64_t model_id, const char *layer, int64_t n)
{
    struct cop_err err;
    float effects[CHANNELS];
    for (int64_t i = 0; i < n; i++)
        effects[i] = (float)(0.4 / (1 + (double)((i * 7) % n)) + 0.01);
    struct cop_attribution_row row = {
        .model_id = model_id,
        .dataset_id = demo->dataset_id,
        .sample = -1,
        .method = "channel-ablation-abs",
        .layer = layer,
        .target = -1,
        .rows = 1,
        .cols = n,
        .f_x = 6.5,
        .config_json = "{\"fill\":\"zero\",\"samples\":8,\"seed\":1}",
        .values = effects,
        .values_bytes = (size_t)n * sizeof *effects,
    };
    assert_ok(cop_store_put_attribution(demo->store, &row, &err));
}

static void put_explanations(struct demo *demo, int64_t model_id, bool is_variant)
{
    /* samples 10, 30, 50: class 2, lost by the variant; the others were drawn */
    for (int i = 0; i < 3; i++)
        put_map(demo, model_id, 10 + 20 * i, is_variant);
    for (int i = 0; i < DEMO_MAPS - 3; i++)
        put_map(demo, model_id, 101 + 11 * i + (101 + 11 * i) % 5 / 4, is_variant);
    put_ablation(demo, model_id, "layer1.conv<1>", is_variant ? 16 : CHANNELS);
    put_ablation(demo, model_id, "layer2.conv", CHANNELS);
}

/* ---- the search ---------------------------------------------------------------- */

static void put_cut(struct demo *demo, const char *layer, int32_t n, int32_t kept)
{
    struct cop_err err;
    unsigned char records[CHANNELS * 9];
    for (int32_t i = 0; i < n; i++) {
        const int32_t channel = n - 1 - i;
        const float score = 0.01F * (float)i;
        memcpy(records + i * 9, &channel, 4);
        memcpy(records + i * 9 + 4, &score, 4);
        records[i * 9 + 8] = i >= n - kept;
    }
    struct cop_cut_row row = {
        .model_id = demo->variant_id,
        .layer = layer,
        .members_json =
            "[{\"tensor\":\"w<1>\",\"axis\":0},{\"tensor\":\"w2\",\"axis\":1}]",
        .width_before = n,
        .width_after = kept,
        .channels = records,
        .channels_bytes = (size_t)n * 9,
        .reason = "8 of 24 channels removed: <i>least</i> loss; predicted error 0.01",
    };
    assert_ok(cop_store_put_cut(demo->store, &row, &err));
}

static void put_search(struct demo *demo)
{
    struct cop_err err;
    struct cop_arena *arena = cop_arena_create();
    struct cop_run_row run;
    assert_ok(cop_store_open_run(
        demo->store,
        demo->original_id,
        "{\"val\":\"" VAL_SHA
        "\",\"max_latency\":0.6,\"latency_is_share\":true,\"max_drop\":1,\"seed\":1}",
        arena,
        &run,
        &err));
    run.feasibility_json =
        "{\"latency_ms\":{\"original\":1.9,\"least\":0.4},\"limited_by\":\"fc\"}";
    run.status = "done";
    assert_ok(cop_store_set_run(demo->store, &run, &err));
    for (int i = 0; i < 9; i++) {
        const double share = 0.35 + 0.07 * i;
        const double top1 = 94.2 - 7 * exp(-5 * (share - 0.3)) + 0.4 * sin(i * 2.0);
        struct cop_candidate_row row = {
            .run_id = run.id,
            .seq = i,
            .decision_json = "{\"choice\":[1,2]}",
            .model_id = i == 3 ? demo->variant_id : 0,
            .macs = (int64_t)(12345678 * share),
            .params = (int64_t)(234567 * share),
            .bytes = (int64_t)(938268 * share),
            .median_ms = i == 8 ? 0 : 1.9 * share,
            .base_ms = 1.9,
            .top1 = i == 8 ? (double)NAN : top1,
            .base_top1 = 94.2,
            .is_accepted = i >= 3 && i < 7,
            .reason = i >= 3 && i < 7 ? "accepted: all limits met"
                                      : "rejected: loses <too> much",
            .created_us = CREATED_US + i,
        };
        assert_ok(cop_store_put_candidate(demo->store, &row, &err));
    }
    cop_arena_destroy(arena);
}

/* ---- the demo ------------------------------------------------------------------ */

void test_demo_open(struct demo *demo)
{
    struct cop_err err;
    char path[320];
    memset(demo, 0, sizeof *demo);
    test_make_dir(demo->dir);
    snprintf(path, sizeof path, "%s/demo.coppice", demo->dir);
    assert_ok(cop_store_create(path, &demo->store, &err));
    open_dataset(demo);
    demo->original_id = put_model(demo, "faces", 0, 1, "{}");
    put_evaluation(demo, demo->original_id, demo->test_id, false);
    put_evaluation(demo, demo->original_id, demo->dataset_id, false);
    put_measurement(demo, demo->original_id, 1.93);
    put_explanations(demo, demo->original_id, false);
}

void test_demo_add_variant(struct demo *demo, const char *name)
{
    demo->variant_id = put_model(
        demo,
        name,
        demo->original_id,
        0.56,
        "{\"outcome\":\"accepted\",\"choice\":[1,2]}");
    put_evaluation(demo, demo->variant_id, demo->test_id, true);
    put_evaluation(demo, demo->variant_id, demo->dataset_id, true);
    put_measurement(demo, demo->variant_id, 1.08);
    put_explanations(demo, demo->variant_id, true);
    put_cut(demo, "layer1.conv<1>", CHANNELS, 16);
    put_cut(demo, "layer3.conv", 20, 8);
    put_search(demo);
}

void test_demo_close(struct demo *demo)
{
    cop_dataset_close(demo->dataset);
    cop_store_close(demo->store);
    test_remove_dir(demo->dir);
}
