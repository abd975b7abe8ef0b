/* tests/examples/faces_test.c - the face generator: same seed, same bytes; balanced classes;
 * both formats hold the same pictures; the feeling moves nothing but the face's features. */
#include "support/test.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "faces/expression.h"
#include "faces/portrait.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_place(void **state)
{
    char *folder = cop_mem_array(256, 1);
    if (folder == NULL) return -1;
    *state = test_make_dir(folder);
    return 0;
}

static int remove_place(void **state)
{
    test_remove_dir(*state);
    cop_mem_free(*state);
    return 0;
}

/* Runs the program with @p arguments; its output goes to @p folder/name. */
static int run_faces(
    char path[512], const char *folder, const char *name, const char *arguments)
{
    const char *program = getenv("FACES");
    if (program == NULL) fail_msg("FACES does not name the generator");
    char command[2048];
    (void)snprintf(path, 512, "%s/%s", folder, name);
    (void)snprintf(
        command,
        sizeof command,
        "'%s' '%s' %s 2>'%s/said'",
        program,
        path,
        arguments,
        folder);
    return system(command);
}

static struct cop_dataset *open_set(const char *path, bool records, int64_t size)
{
    struct cop_err err = {0};
    char text[64];
    struct cop_preprocess preprocess;
    struct cop_dataset *dataset;
    (void)snprintf(text, sizeof text, "3x%lldx%lld", (long long)size, (long long)size);
    assert_ok(cop_preprocess_parse(text, &preprocess, &err));
    struct cop_data_source source = {.path = path};
    if (records)
        memcpy(source.record_shape, (int64_t[]){3, size, size}, 3 * sizeof(int64_t));
    assert_ok(cop_dataset_open(&source, &preprocess, &dataset, &err));
    return dataset;
}

static void hash_set(const char *path, char hex[65])
{
    struct cop_err err = {0};
    struct cop_dataset *dataset = open_set(path, false, 48);
    assert_ok(cop_dataset_hash(dataset, hex, &err));
    cop_dataset_close(dataset);
}

static void same_seed_same_bytes(void **state)
{
    char path[512];
    char hex[3][65];
    assert_int_equal(run_faces(path, *state, "a", "--n 35 --seed 5 --jobs 2"), 0);
    hash_set(path, hex[0]);
    assert_int_equal(run_faces(path, *state, "b", "--n 35 --seed 5 --jobs 1"), 0);
    hash_set(path, hex[1]);
    assert_int_equal(run_faces(path, *state, "c", "--n 35 --seed 6"), 0);
    hash_set(path, hex[2]);
    assert_string_equal(hex[0], hex[1]);
    assert_string_not_equal(hex[0], hex[2]);
}

static void classes_are_balanced_and_named(void **state)
{
    char path[512];
    assert_int_equal(run_faces(path, *state, "a", "--n 40 --size 32"), 0);
    struct cop_dataset *dataset = open_set(path, false, 32);
    assert_int_equal(cop_dataset_n(dataset), 40);
    assert_int_equal(cop_dataset_n_classes(dataset), FACES_N_EXPRESSIONS);
    int n_of[FACES_N_EXPRESSIONS] = {0};
    for (int64_t i = 0; i < 40; i++)
        n_of[cop_dataset_label(dataset, i)]++;
    for (int i = 0; i < FACES_N_EXPRESSIONS; i++) {
        assert_string_equal(
            cop_dataset_class_name(dataset, i), faces_expression_names[i]);
        assert_int_equal(n_of[i], i < 5 ? 6 : 5);
    }
    cop_dataset_close(dataset);
}

static void both_formats_hold_the_same(void **state)
{
    struct cop_err err = {0};
    char folder[512];
    char file[512];
    assert_int_equal(run_faces(folder, *state, "a", "--n 14 --size 20"), 0);
    assert_int_equal(
        run_faces(file, *state, "b", "--n 14 --size 20 --format records"), 0);
    struct cop_dataset *pictures = open_set(folder, false, 20);
    struct cop_dataset *records = open_set(file, true, 20);
    assert_int_equal(cop_dataset_n(records), 14);
    /* the folder lists class by class, two of each; the file in order of drawing */
    for (int64_t i = 0; i < 14; i++) {
        const int64_t same = i / 2 + i % 2 * 7;
        float a[3 * 20 * 20];
        float b[3 * 20 * 20];
        assert_ok(cop_dataset_read(pictures, &i, 1, a, &err));
        assert_ok(cop_dataset_read(records, &same, 1, b, &err));
        assert_memory_equal(a, b, sizeof a);
        assert_int_equal(
            cop_dataset_label(pictures, i), cop_dataset_label(records, same));
    }
    cop_dataset_close(pictures);
    cop_dataset_close(records);
}

static void wrong_arguments_are_refused(void **state)
{
    char path[512];
    char *said;
    size_t n;
    struct cop_err err = {0};
    assert_int_not_equal(run_faces(path, *state, "a", "--n 0"), 0);
    assert_int_not_equal(run_faces(path, *state, "a", "--size 1000"), 0);
    assert_int_not_equal(run_faces(path, *state, "a", "--format gif"), 0);
    assert_int_not_equal(run_faces(path, *state, "none/there", ""), 0);
    (void)snprintf(path, sizeof path, "%s/said", (const char *)*state);
    assert_ok(cop_file_read(path, 4096, &said, &n, &err));
    assert_non_null(strstr(said, "none/there"));
    cop_mem_free(said);
}

/* Drawn with another feeling a picture changes in part of the face and nowhere else. */
static void feeling_moves_only_features(void **state)
{
    (void)state;
    enum { SIZE = 64 };
    struct cop_err err = {0};
    const struct faces_style style = {.weakest = 1.0, .clutter = 1.0, .noise = 1.0};
    static uint8_t rgb[2][SIZE * SIZE * 3];
    for (int64_t i = 0; i < 40; i++) {
        const int label = (int)(i % FACES_N_EXPRESSIONS);
        const int other = (label + 1) % FACES_N_EXPRESSIONS;
        assert_ok(faces_portrait(9, i, label, SIZE, &style, rgb[0], &err));
        assert_ok(faces_portrait(9, i, other, SIZE, &style, rgb[1], &err));
        int n_changed = 0;
        for (int k = 0; k < SIZE * SIZE; k++) {
            if (memcmp(rgb[0] + 3 * k, rgb[1] + 3 * k, 3) == 0) continue;
            n_changed++;
            const int x = k % SIZE - SIZE / 2;
            const int y = k / SIZE - SIZE / 2;
            if (x * x + y * y > SIZE * SIZE / 4) {
                fail_msg("picture %lld differs at its rim", (long long)i);
            }
        }
        assert_in_range(n_changed, SIZE * SIZE / 200, SIZE * SIZE / 4);
    }
}

#define test_in_place(test)                                                            \
    cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_in_place(same_seed_same_bytes),
        test_in_place(classes_are_balanced_and_named),
        test_in_place(both_formats_hold_the_same),
        test_in_place(wrong_arguments_are_refused),
        cmocka_unit_test(feeling_moves_only_features),
    };
    return cmocka_run_group_tests_name("faces", tests, NULL, NULL);
}
