/* tests/explain/compare_test.c - comparison numbers worked out by hand. */
#include "explain/compare.h"

#include "explain_tests.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

/* A record as the store keeps it, little endian. */
static void put_record(
    unsigned char *bytes, int32_t sample, int32_t answer, float p, float q)
{
    const int32_t ints[2] = {sample, answer};
    const float floats[2] = {p, q};
    memcpy(bytes, ints, 8);
    memcpy(bytes + 8, floats, 8);
}

/* sample, answer, right; labels are 0 for even and 1 for odd samples. */
static void put_answers(unsigned char *bytes, const int (*rows)[2], int n)
{
    for (int i = 0; i < n; i++) {
        const bool is_right = rows[i][1] == rows[i][0] % 2;
        put_record(
            bytes + 16 * i, rows[i][0], rows[i][1], 0.9F, is_right ? 0.9F : 0.05F);
    }
}

/*              sample     0      1      2      3      4      5      6
 * label                   0      1      0      1      0      1      0
 * original                0 ok   0 no   0 ok   1 ok   2 no   2 no   0 ok
 * variant                 0 ok   1 ok   1 no   2 no   2 no   0 no   -          */
static void answers_fall_into_quadrants(void **state)
{
    (void)state;
    struct cop_err err;
    const int original[7][2] = {{0, 0}, {1, 0}, {2, 0}, {3, 1}, {4, 2}, {5, 2}, {6, 0}};
    const int variant[6][2] = {{0, 0}, {1, 1}, {2, 1}, {3, 2}, {4, 2}, {5, 0}};
    unsigned char bytes[2][7 * 16];
    put_answers(bytes[0], original, 7);
    put_answers(bytes[1], variant, 6);
    const struct cop_evaluation_row rows[2] = {
        {.answers = bytes[0], .answers_bytes = 7 * 16},
        {.answers = bytes[1], .answers_bytes = 6 * 16}};
    struct cop_behaviour b;
    assert_ok(cop_compare_answers(&rows[0], &rows[1], &b, &err));
    assert_int_equal(b.n, 6);
    assert_int_equal(b.same, 2);
    assert_int_equal(b.both_right, 1);
    assert_int_equal(b.lost, 2);
    assert_int_equal(b.won, 1);
    assert_int_equal(b.both_wrong_same, 1);
    assert_int_equal(b.both_wrong_other, 1);
    assert_true(fabs(b.mcnemar_p - 1.0) < 1e-9); /* 2 against 1: min(1, 2 * 4 / 8) */
    assert_true(b.same_low > 0.05 && b.same_low < 2.0 / 6 && b.same_high > 2.0 / 6);

    unsigned char swapped[7 * 16];
    memcpy(swapped, bytes[0], sizeof swapped);
    put_record(swapped, 3, 0, 0.5F, 0.5F);
    const struct cop_evaluation_row bad = {.answers = swapped, .answers_bytes = 7 * 16};
    assert_fails(cop_compare_answers(&bad, &rows[1], &b, &err), COP_EFORMAT);
}

static void unlabelled_answers_are_never_right(void **state)
{
    (void)state;
    struct cop_stored_answer answer = {.p_answer = 0.5F, .p_label = NAN};
    assert_false(cop_stored_answer_is_right(&answer));
    answer.p_label = 0.5F;
    assert_true(cop_stored_answer_is_right(&answer));
    answer.p_label = 0.25F;
    assert_false(cop_stored_answer_is_right(&answer));
}

static void classes_change_by_points(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_arena *arena = cop_arena_create();
    const struct cop_evaluation_row rows[2] = {
        {.per_class_json = "[{\"class\":\"cat\",\"n\":40,\"right\":30},"
                           "{\"class\":\"d<o>g\",\"n\":0,\"right\":0}]"},
        {.per_class_json = "[{\"class\":\"cat\",\"n\":40,\"right\":26},"
                           "{\"class\":\"d<o>g\",\"n\":0,\"right\":0}]"}};
    struct cop_class_change *classes = NULL;
    int32_t n = 0;
    assert_ok(cop_compare_classes(&rows[0], &rows[1], arena, &classes, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(classes[0].name, "cat");
    assert_int_equal(classes[0].right[1], 26);
    assert_true(fabs(classes[0].recall[0] - 75) < 1e-9);
    assert_true(fabs(classes[0].change + 10) < 1e-9);
    assert_true(classes[0].low[1] < 65 && classes[0].high[1] > 65);
    assert_string_equal(classes[1].name, "d<o>g");
    assert_true(isnan(classes[1].change));

    const char *bad[] = {
        "",
        "{}",
        "[{\"class\":\"cat\",\"n\":40,\"right\":41},{\"class\":\"d<o>g\",\"n\":0,"
        "\"right\":0}]",
        "[{\"class\":\"cat\",\"n\":40,\"right\":26}]",
        "[{\"class\":\"rat\",\"n\":40,\"right\":26},{\"class\":\"d<o>g\",\"n\":0,"
        "\"right\":0}]",
        "[{\"class\":7,\"n\":40,\"right\":26},{}]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct cop_evaluation_row row = {.per_class_json = bad[i]};
        assert_fails(
            cop_compare_classes(&rows[0], &row, arena, &classes, &n, &err),
            COP_EFORMAT);
    }
    cop_arena_destroy(arena);
}

/* Class 0 loses eight pictures and wins none, p = 2 / 256; class 1 changes no side. */
static void flips_are_judged_with_the_number_of_classes_in_mind(void **state)
{
    (void)state;
    struct cop_err err;
    unsigned char bytes[2][16 * 16];
    for (int i = 0; i < 16; i++) {
        const bool is_first = i < 8;
        put_record(bytes[0] + 16 * i, i, is_first ? 0 : 1, 0.9F, 0.9F);
        put_record(
            bytes[1] + 16 * i, i, is_first ? 2 : 1, 0.9F, is_first ? 0.1F : 0.9F);
    }
    const struct cop_evaluation_row rows[2] = {
        {.answers = bytes[0], .answers_bytes = sizeof bytes[0]},
        {.answers = bytes[1], .answers_bytes = sizeof bytes[1]}};
    struct cop_class_change classes[3] = {0};
    assert_ok(cop_compare_class_flips(&rows[0], &rows[1], classes, 3, &err));
    assert_int_equal(classes[0].lost, 8);
    assert_int_equal(classes[0].won, 0);
    assert_int_equal(classes[1].lost, 0);
    assert_true(fabs(classes[0].p - 2.0 / 256) < 1e-12);
    assert_true(fabs(classes[0].p_adjusted - 3 * 2.0 / 256) < 1e-12);
    assert_true(fabs(classes[1].p_adjusted - 1) < 1e-12);
    assert_fails(
        cop_compare_class_flips(&rows[0], &rows[1], classes, 0, &err), COP_EFORMAT);
}

static void maps_are_compared(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_map_likeness l;
    /* 4 x 5: one peak in the upper left cell, the other in the lower right. */
    float a[20] = {0};
    float b[20] = {0};
    a[0] = 2;
    b[19] = 3;
    assert_ok(cop_compare_maps(a, a, 4, 5, &l, &err));
    assert_true(fabs(l.spearman - 1) < 1e-12);
    assert_true(fabs(l.cosine - 1) < 1e-12);
    assert_true(fabs(l.top10 - 1) < 1e-12);
    assert_true(fabs(l.shift) < 1e-12);
    assert_ok(cop_compare_maps(a, b, 4, 5, &l, &err));
    assert_true(fabs(l.cosine) < 1e-12);
    /* the tenth is 2 cells: {0, 1} and {19, 0} share one of three */
    assert_true(fabs(l.top10 - 1.0 / 3) < 1e-12);
    /* from (1/8, 1/10) to (7/8, 9/10) */
    assert_true(fabs(l.shift - hypot(0.75, 0.8) / sqrt(2)) < 1e-6);
    const float flat[20] = {0};
    assert_ok(cop_compare_maps(a, flat, 4, 5, &l, &err));
    assert_true(isnan(l.spearman) && isnan(l.cosine) && isnan(l.shift));
    const float mirrored[4] = {-1, -2, -3, -4};
    const float rising[4] = {1, 2, 3, 4};
    assert_ok(cop_compare_maps(rising, mirrored, 2, 2, &l, &err));
    assert_true(fabs(l.spearman + 1) < 1e-12);
    assert_true(fabs(l.cosine + 1) < 1e-12);
    assert_fails(cop_compare_maps(a, b, 0, 5, &l, &err), COP_EINVAL);
}

static void focus_names_the_place(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_map_focus focus;
    float map[100] = {0};
    map[82] = 3; /* row 8, column 2 */
    map[81] = 2;
    map[5] = -9;
    assert_ok(cop_map_focus(map, 10, 10, &focus, &err));
    assert_true(fabs(focus.mass - 5) < 1e-6);
    assert_true(fabs(focus.area50 - 0.01) < 1e-12);
    assert_string_equal(focus.where, "the lower left");
    const float none[4] = {-1, 0, -2, 0};
    assert_ok(cop_map_focus(none, 2, 2, &focus, &err));
    assert_string_equal(focus.where, "nowhere");
    assert_true(fabs(focus.area50) < 1e-12);
}

static void reliance_is_the_share_of_the_removed(void **state)
{
    (void)state;
    struct cop_err err;
    const float effects[4] = {1, 2, 3, 4};
    unsigned char records[4 * 9] = {0};
    for (int i = 0; i < 4; i++) {
        records[9 * i] = (unsigned char)(3 - i);
        records[9 * i + 8] = i >= 2; /* channels 3 and 2 are gone */
    }
    struct cop_cut_row cut = {
        .layer = "conv", .channels = records, .channels_bytes = sizeof records};
    struct cop_reliance reliance;
    assert_ok(cop_compare_reliance(effects, 4, &cut, &reliance, &err));
    assert_int_equal(reliance.removed, 2);
    assert_true(fabs(reliance.share - 0.7) < 1e-9);
    records[0] = 4;
    assert_fails(cop_compare_reliance(effects, 4, &cut, &reliance, &err), COP_EFORMAT);
}

int test_compare(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_fall_into_quadrants),
        cmocka_unit_test(unlabelled_answers_are_never_right),
        cmocka_unit_test(classes_change_by_points),
        cmocka_unit_test(flips_are_judged_with_the_number_of_classes_in_mind),
        cmocka_unit_test(maps_are_compared),
        cmocka_unit_test(focus_names_the_place),
        cmocka_unit_test(reliance_is_the_share_of_the_removed),
    };
    return cmocka_run_group_tests_name("explain: comparison", tests, NULL, NULL);
}
