/* tests/data/dataset_test.c - every format opened, read, named, hashed and drawn from. */
#include "data_tests.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    char folder[256];
};

static int make_place(void **state)
{
    struct place *place = cop_mem_array(1, sizeof *place);
    if (place == NULL) return -1;
    test_make_dir(place->folder);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    test_remove_dir(place->folder);
    cop_mem_free(place);
    return 0;
}

static void put_fixture(const char *folder, const char *name, const char *fixture)
{
    struct cop_err err = {0};
    char path[512];
    char *bytes;
    size_t n;
    (void)snprintf(path, sizeof path, "fixtures/%s", fixture);
    assert_ok(cop_file_read(path, 1 << 20, &bytes, &n, &err));
    put_file(path, folder, name, bytes, n);
    cop_mem_free(bytes);
}

static struct cop_dataset *open_good(
    const char *path, const char *labels, const char *preprocess)
{
    struct cop_err err = {0};
    struct cop_preprocess parsed;
    struct cop_dataset *dataset;
    assert_ok(cop_preprocess_parse(preprocess, &parsed, &err));
    const struct cop_data_source source = {.path = path, .labels = labels};
    assert_ok(cop_dataset_open(&source, &parsed, &dataset, &err));
    return dataset;
}

static void open_bad(
    const struct cop_data_source *source, enum cop_status want, const char *word)
{
    struct cop_err err = {0};
    struct cop_preprocess parsed;
    struct cop_dataset *dataset;
    assert_ok(cop_preprocess_parse("3x8x8", &parsed, &err));
    assert_fails(cop_dataset_open(source, &parsed, &dataset, &err), want);
    assert_null(dataset);
    if (strstr(err.text, word) == NULL) fail_msg("'%s' not in '%s'", word, err.text);
}

static void folder_of_classes(void **state)
{
    const struct place *place = *state;
    put_fixture(place->folder, "b/2.JPG", "c420.jpg");
    put_fixture(place->folder, "b/10.png", "rgb.png");
    put_fixture(place->folder, "a/x.jpeg", "c422.jpg");
    put_fixture(place->folder, "a/notes.txt", "golden.txt");
    put_fixture(place->folder, "b/inner/1.png", "rgba.png");
    put_fixture(place->folder, ".hidden/1.png", "rgba.png");
    put_fixture(place->folder, "c/none.txt", "golden.txt");
    struct cop_dataset *dataset = open_good(place->folder, NULL, "3x8x8");
    static const char *const names[] = {
        "a/x.jpeg", "b/10.png", "b/2.JPG", "b/inner/1.png"};
    assert_int_equal(cop_dataset_n(dataset), 4);
    assert_int_equal(cop_dataset_n_classes(dataset), 3);
    assert_string_equal(cop_dataset_class_name(dataset, 1), "b");
    assert_string_equal(cop_dataset_class_name(dataset, 3), "");
    for (int64_t i = 0; i < 4; i++) {
        char text[64];
        assert_string_equal(
            cop_dataset_sample_name(dataset, i, text, sizeof text), names[i]);
        assert_int_equal(cop_dataset_label(dataset, i), i == 0 ? 0 : 1);
    }
    cop_dataset_close(dataset);
}

static void names_file_orders_or_renames_folders(void **state)
{
    const struct place *place = *state;
    char path[512];
    put_fixture(place->folder, "d/a/1.png", "rgb.png");
    put_fixture(place->folder, "d/b/1.png", "rgb.png");
    char root[300];
    (void)snprintf(root, sizeof root, "%s/d", place->folder);
    put_file(path, place->folder, "names", "b\r\nx\n\na", 7);
    struct cop_dataset *dataset = open_good(root, path, "3x8x8");
    assert_int_equal(cop_dataset_n_classes(dataset), 3);
    assert_int_equal(cop_dataset_label(dataset, 0), 2);
    assert_int_equal(cop_dataset_label(dataset, 1), 0);
    cop_dataset_close(dataset);
    put_file(path, place->folder, "names", "apple\nbanana\n", 13);
    dataset = open_good(root, path, "3x8x8");
    assert_int_equal(cop_dataset_label(dataset, 1), 1);
    assert_string_equal(cop_dataset_class_name(dataset, 0), "apple");
    cop_dataset_close(dataset);
    put_file(path, place->folder, "names", "apple\nbanana\na\n", 15);
    open_bad(
        &(struct cop_data_source){.path = root, .labels = path}, COP_EINVAL, "'b'");
}

static void flat_folder_is_unlabelled(void **state)
{
    const struct place *place = *state;
    put_fixture(place->folder, "1.png", "rgb.png");
    put_fixture(place->folder, "0.png", "rgb.png");
    struct cop_dataset *dataset = open_good(place->folder, NULL, "3x8x8");
    assert_int_equal(cop_dataset_n(dataset), 2);
    assert_int_equal(cop_dataset_n_classes(dataset), 0);
    assert_int_equal(cop_dataset_label(dataset, 1), -1);
    cop_dataset_close(dataset);
}

enum { RECORD = 1 + 3072 };

/* Records with a pattern that tells channel, row and column apart. */
static void make_records(uint8_t *bytes, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        bytes[i * RECORD] = (uint8_t)(i % 10);
        for (int64_t k = 0; k < 3072; k++) {
            bytes[i * RECORD + 1 + k] =
                (uint8_t)(k / 1024 * 50 + k % 32 + k / 32 % 32 + i);
        }
    }
}

static void cifar_file_and_folder(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    uint8_t *bytes = cop_mem_array(12, RECORD);
    make_records(bytes, 12);
    char path[512];
    put_file(path, place->folder, "data_batch_2.bin", bytes, 12 * RECORD);
    struct cop_dataset *dataset = open_good(path, NULL, "3x32x32 scale=1 mean=1 std=2");
    assert_int_equal(cop_dataset_n(dataset), 12);
    assert_int_equal(cop_dataset_n_classes(dataset), 10);
    assert_string_equal(cop_dataset_class_name(dataset, 9), "9");
    assert_int_equal(cop_dataset_label(dataset, 11), 1);
    char text[64];
    assert_string_equal(
        cop_dataset_sample_name(dataset, 11, text, sizeof text), "record 11");
    float *got = cop_mem_array(2 * 3072, sizeof *got);
    assert_ok(cop_dataset_read(dataset, (int64_t[]){11, 3}, 2, got, &err));
    for (int64_t k = 0; k < 3072; k++) {
        assert_true(got[k] == ((float)bytes[11 * RECORD + 1 + k] - 1) / 2);
        assert_true(got[3072 + k] == ((float)bytes[3 * RECORD + 1 + k] - 1) / 2);
    }
    uint8_t *rgb = cop_mem_array(3072, 1);
    assert_ok(cop_dataset_read_rgb(dataset, 5, rgb, &err));
    for (int64_t k = 0; k < 3072; k++) {
        assert_int_equal(rgb[k], bytes[5 * RECORD + 1 + k % 3 * 1024 + k / 3]);
    }
    assert_fails(cop_dataset_read(dataset, (int64_t[]){12}, 1, got, &err), COP_EINVAL);
    cop_dataset_close(dataset);
    put_file(path, place->folder, "data_batch_1.bin", bytes, RECORD);
    put_file(
        path,
        place->folder,
        "batches.meta.txt",
        "p\nq\nr\ns\nt\nu\nv\nw\nx\ny\n\n",
        21);
    dataset = open_good(place->folder, NULL, "1x8x8");
    assert_int_equal(cop_dataset_n(dataset), 13);
    assert_string_equal(cop_dataset_class_name(dataset, 9), "y");
    cop_dataset_close(dataset);
    cop_mem_free(got);
    cop_mem_free(rgb);
    cop_mem_free(bytes);
}

static void records_of_a_given_shape(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    const uint8_t bytes[] = {4, 10, 20, 30, 40, 50, 60, 1, 1, 2, 3, 4, 5, 6};
    char path[512];
    put_file(path, place->folder, "faces.rec", bytes, sizeof bytes);
    const struct cop_data_source source = {.path = path, .record_shape = {1, 2, 3}};
    struct cop_preprocess preprocess;
    struct cop_dataset *dataset;
    assert_ok(cop_preprocess_parse("3x2x3 scale=1", &preprocess, &err));
    assert_ok(cop_dataset_open(&source, &preprocess, &dataset, &err));
    assert_int_equal(cop_dataset_n_classes(dataset), 5);
    float got[18];
    assert_ok(cop_dataset_read(dataset, (int64_t[]){0}, 1, got, &err));
    for (int i = 0; i < 18; i++)
        assert_true(got[i] == (float)(10 * (i % 6 + 1)));
    cop_dataset_close(dataset);
    const struct cop_data_source wrong = {.path = path, .record_shape = {1, 2, 2}};
    open_bad(&wrong, COP_EFORMAT, "14 bytes");
    const struct cop_data_source deep = {.path = path, .record_shape = {2, 2, 2}};
    open_bad(&deep, COP_EFORMAT, "2x2x2");
}

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0,
                                     1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 3};

static void idx_with_labels_beside(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    char images[512];
    char labels[512];
    put_file(
        images, place->folder, "t-images-idx3-ubyte", idx_images, sizeof idx_images);
    struct cop_dataset *dataset = open_good(images, NULL, "1x1x3 scale=1");
    assert_int_equal(cop_dataset_n_classes(dataset), 0);
    cop_dataset_close(dataset);
    put_file(
        labels, place->folder, "t-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    dataset = open_good(images, NULL, "1x1x3 scale=1");
    assert_int_equal(cop_dataset_n(dataset), 2);
    assert_int_equal(cop_dataset_n_classes(dataset), 8);
    assert_int_equal(cop_dataset_label(dataset, 0), 7);
    assert_int_equal(cop_dataset_label(dataset, 1), 3);
    float got[3];
    assert_ok(cop_dataset_read(dataset, (int64_t[]){1}, 1, got, &err));
    assert_near(got, ((float[]){4, 5, 6}), 3, 0, 0);
    cop_dataset_close(dataset);
    put_file(labels, place->folder, "given", idx_labels, sizeof idx_labels);
    dataset = open_good(images, labels, "1x1x3");
    assert_int_equal(cop_dataset_label(dataset, 0), 7);
    cop_dataset_close(dataset);
    put_file(labels, place->folder, "names", "a\nb\nc\nd\ne\nf\ng\nh\n", 16);
    dataset = open_good(images, labels, "1x1x3");
    assert_string_equal(cop_dataset_class_name(dataset, 7), "h");
    cop_dataset_close(dataset);
}

static void idx_of_pixels(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    const uint8_t bytes[] = {0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0,
                             0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
    char path[512];
    put_file(path, place->folder, "svhn", bytes, sizeof bytes);
    struct cop_dataset *dataset = open_good(path, NULL, "3x2x1 scale=1");
    float got[6];
    assert_ok(cop_dataset_read(dataset, (int64_t[]){0}, 1, got, &err));
    assert_near(got, ((float[]){1, 4, 2, 5, 3, 6}), 6, 0, 0);
    cop_dataset_close(dataset);
}

static void faults_are_named(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    char path[512];
    open_bad(&(struct cop_data_source){.path = "/none"}, COP_ENOTFOUND, "/none");
    open_bad(
        &(struct cop_data_source){.path = place->folder}, COP_EFORMAT, "no pictures");
    put_file(path, place->folder, "x.dat", "hello", 5);
    open_bad(&(struct cop_data_source){.path = path}, COP_EFORMAT, "x.dat");
    put_file(path, place->folder, "x.dat", "", 0);
    open_bad(&(struct cop_data_source){.path = path}, COP_EFORMAT, "x.dat");
    put_file(path, place->folder, "x.gz", "\x1f\x8b\x08\0\0\0", 6);
    open_bad(
        &(struct cop_data_source){.path = path, .format = COP_DATA_IDX},
        COP_EFORMAT,
        "gzip");
    put_file(path, place->folder, "few", idx_images, sizeof idx_images - 1);
    open_bad(&(struct cop_data_source){.path = path}, COP_EFORMAT, "few");
    put_file(path, place->folder, "p/bad.png", "\x89PNG\r\n\x1a\nxxxx", 12);
    put_fixture(place->folder, "p/good.png", "rgb.png");
    struct cop_dataset *dataset = open_good(place->folder, NULL, "3x8x8");
    float got[2 * 192];
    assert_fails(
        cop_dataset_read(dataset, (int64_t[]){1, 0}, 2, got, &err), COP_EFORMAT);
    assert_non_null(strstr(err.text, "bad.png"));
    cop_dataset_close(dataset);
}

static void hash_of(const char *folder, char hex[65])
{
    struct cop_err err = {0};
    struct cop_dataset *dataset = open_good(folder, NULL, "3x8x8");
    assert_ok(cop_dataset_hash(dataset, hex, &err));
    assert_int_equal(strlen(hex), 64);
    cop_dataset_close(dataset);
}

static void hash_tells_data_apart(void **state)
{
    const struct place *place = *state;
    char folder[3][300];
    char hex[3][65];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(folder[i], sizeof folder[i], "%s/%d", place->folder, i);
        char path[512];
        put_file(path, folder[i], "keep", "", 0);
        put_fixture(folder[i], "a/1.png", i == 2 ? "rgba.png" : "rgb.png");
        put_fixture(folder[i], "b/1.png", "grey16.png");
        hash_of(folder[i], hex[i]);
    }
    assert_string_equal(hex[0], hex[1]);
    assert_string_not_equal(hex[0], hex[2]);
    put_fixture(folder[1], "b/2.png", "grey16.png");
    hash_of(folder[1], hex[1]);
    assert_string_not_equal(hex[0], hex[1]);
}

static void draws_evenly_over_classes(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    /* 100 of class 0, 100 of class 1, 3 of class 2 */
    uint8_t bytes[203 * 2];
    for (int i = 0; i < 203; i++)
        bytes[2 * i] = (uint8_t)(i < 100 ? 0 : i < 200 ? 1 : 2);
    char path[512];
    put_file(path, place->folder, "rec", bytes, sizeof bytes);
    struct cop_preprocess preprocess;
    struct cop_dataset *dataset;
    assert_ok(cop_preprocess_parse("1x1x1", &preprocess, &err));
    const struct cop_data_source source = {.path = path, .record_shape = {1, 1, 1}};
    assert_ok(cop_dataset_open(&source, &preprocess, &dataset, &err));
    int64_t samples[2][300];
    int64_t n = 40;
    int64_t per_class[3] = {0};
    assert_ok(cop_dataset_draw(dataset, 5, &n, samples[0], &err));
    assert_int_equal(n, 40);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0) assert_true(samples[0][i] > samples[0][i - 1]);
        per_class[cop_dataset_label(dataset, samples[0][i])]++;
    }
    assert_int_equal(per_class[2], 3);
    assert_true(llabs(per_class[0] - per_class[1]) <= 1);
    assert_ok(cop_dataset_draw(dataset, 5, &n, samples[1], &err));
    assert_memory_equal(samples[0], samples[1], 40 * sizeof **samples);
    assert_ok(cop_dataset_draw(dataset, 6, &n, samples[1], &err));
    assert_memory_not_equal(samples[0], samples[1], 40 * sizeof **samples);
    n = 300;
    assert_ok(cop_dataset_draw(dataset, 5, &n, samples[0], &err));
    assert_int_equal(n, 203);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(samples[0][i], i);
    cop_dataset_close(dataset);
}

static void damaged_idx_never_crashes(void **state)
{
    const struct place *place = *state;
    struct cop_rng rng;
    cop_rng_init(&rng, FUZZ_SEED);
    print_message("seed %d\n", FUZZ_SEED);
    for (int i = 0; i < N_MUTATIONS; i++) {
        struct cop_err err = {0};
        uint8_t images[sizeof idx_images];
        uint8_t labels[sizeof idx_labels];
        size_t n_images = sizeof images;
        size_t n_labels = sizeof labels;
        memcpy(images, idx_images, sizeof images);
        memcpy(labels, idx_labels, sizeof labels);
        if (i % 2 == 0) mutate(&rng, images, &n_images);
        if (i % 3 != 0) mutate(&rng, labels, &n_labels);
        char path[512];
        put_file(path, place->folder, "labels", labels, n_labels);
        put_file(path, place->folder, "images", images, n_images);
        struct cop_preprocess preprocess;
        assert_ok(cop_preprocess_parse("1x2x2", &preprocess, &err));
        const struct cop_data_source source = {.path = path, .format = COP_DATA_IDX};
        struct cop_dataset *dataset;
        const enum cop_status status =
            cop_dataset_open(&source, &preprocess, &dataset, &err);
        assert_true(status == COP_OK || status == COP_EFORMAT);
        float got[4];
        for (int64_t k = 0; dataset != NULL && k < cop_dataset_n(dataset) && k < 3;
             k++) {
            assert_ok(cop_dataset_read(dataset, &k, 1, got, &err));
        }
        cop_dataset_close(dataset);
    }
}

static void out_of_memory_is_told(void **state)
{
    const struct place *place = *state;
    struct cop_err err = {0};
    put_fixture(place->folder, "a/1.png", "rgb.png");
    put_fixture(place->folder, "b/1.png", "rgb.png");
    struct cop_preprocess preprocess;
    assert_ok(cop_preprocess_parse("3x8x8", &preprocess, &err));
    const struct cop_data_source source = {.path = place->folder};
    enum cop_status status = COP_ENOMEM;
    int64_t fail_at = 0;
    while (status == COP_ENOMEM && fail_at < 200) {
        struct cop_dataset *dataset;
        char hex[65];
        int64_t n = 2;
        int64_t samples[2];
        cop_mem_fail_from(++fail_at);
        status = cop_dataset_open(&source, &preprocess, &dataset, &err);
        if (status == COP_OK) status = cop_dataset_hash(dataset, hex, &err);
        if (status == COP_OK) status = cop_dataset_draw(dataset, 1, &n, samples, &err);
        cop_mem_fail_from(0);
        cop_dataset_close(dataset);
    }
    assert_int_equal(status, COP_OK);
    assert_in_range(fail_at, 8, 199);
}

#define test_in_place(test)                                                            \
    cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int run_dataset_tests(void)
{
    const struct CMUnitTest tests[] = {
        test_in_place(folder_of_classes),
        test_in_place(names_file_orders_or_renames_folders),
        test_in_place(flat_folder_is_unlabelled),
        test_in_place(cifar_file_and_folder),
        test_in_place(records_of_a_given_shape),
        test_in_place(idx_with_labels_beside),
        test_in_place(idx_of_pixels),
        test_in_place(faults_are_named),
        test_in_place(hash_tells_data_apart),
        test_in_place(draws_evenly_over_classes),
        test_in_place(damaged_idx_never_crashes),
        test_in_place(out_of_memory_is_told),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
