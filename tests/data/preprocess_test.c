/* tests/data/preprocess_test.c - the text form: what it means, what it refuses, and that
 * printing and parsing are inverse bit for bit. */
#include "data_tests.h"

#include "data/preprocess.h"

#include <math.h>
#include <string.h>

static void parses_every_word(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_preprocess p;
    assert_ok(cop_preprocess_parse(
        "3x224x200 short=256 filter=bicubic order=bgr scale=1/255 mean=.485,.456,.406 "
        "std=.229,.224,.225",
        &p,
        &err));
    assert_int_equal(p.channels, 3);
    assert_int_equal(p.height, 224);
    assert_int_equal(p.width, 200);
    assert_int_equal(p.short_side, 256);
    assert_int_equal(p.filter, COP_RESIZE_BICUBIC);
    assert_true(p.bgr);
    assert_true(p.scale == (float)(1.0 / 255.0));
    assert_true(p.mean[0] == 0.485f && p.mean[1] == 0.456f && p.mean[2] == 0.406f);
    assert_true(p.std[0] == 0.229f && p.std[1] == 0.224f && p.std[2] == 0.225f);
}

static void fills_in_defaults(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_preprocess p;
    assert_ok(cop_preprocess_parse("  1x48x48\n", &p, &err));
    assert_int_equal(p.short_side, 0);
    assert_int_equal(p.filter, COP_RESIZE_BILINEAR);
    assert_false(p.bgr);
    assert_true(p.scale == (float)(1.0 / 255.0) && p.mean[0] == 0 && p.std[0] == 1);
    assert_ok(cop_preprocess_parse("3x4x5 mean=127.5 std=128 scale=1", &p, &err));
    assert_true(p.mean[2] == 127.5f && p.std[2] == 128 && p.scale == 1);
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "3x224",
        "3x224x224x1",
        "4x32x32",
        "3x0x32",
        "3x-1x32",
        "3x65501x1",
        "3x65500x65500",
        "3x99999999999999999999x1",
        "3x32x32 colour=red",
        "3x32x32 short=0",
        "3x32x32 short=12px",
        "3x32x32 filter=lanczos",
        "3x32x32 order=brg",
        "1x32x32 order=bgr",
        "3x32x32 scale=1/0",
        "3x32x32 scale=nan",
        "3x32x32 scale=",
        "3x32x32 mean=1,2",
        "3x32x32 mean=1,2,3,4",
        "3x32x32 mean=1,,3",
        "3x32x32 std=1,0,1",
        "3x32x32 std=inf",
        "3x32x32 meanx=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cop_err err = {0};
        struct cop_preprocess p;
        assert_fails(cop_preprocess_parse(bad[i], &p, &err), COP_EINVAL);
    }
}

static void the_error_names_the_word(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_preprocess p;
    assert_fails(cop_preprocess_parse("3x9x9 std=1 sort=3", &p, &err), COP_EINVAL);
    assert_non_null(strstr(err.text, "'sort=3'"));
}

static float random_float(struct cop_rng *rng)
{
    return (float)(cop_rng_normal(rng) * pow(10.0, cop_rng_range(rng, -6, 6)));
}

static void print_and_parse_are_inverse(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, 3);
    for (int i = 0; i < 2000; i++) {
        struct cop_err err = {0};
        struct cop_preprocess p = {
            .channels = cop_rng_below(&rng, 2) == 0 ? 1 : 3,
            .height = 1 + cop_rng_below(&rng, 1000),
            .width = 1 + cop_rng_below(&rng, 1000),
            .short_side = cop_rng_below(&rng, 3) * 100,
            .filter = (enum cop_resize_filter)cop_rng_below(&rng, 3),
            .scale = i % 2 == 0 ? (float)(1.0 / 255.0) : random_float(&rng),
            .std = {1, 1, 1, 1}};
        p.bgr = p.channels == 3 && cop_rng_below(&rng, 2) == 0;
        for (int64_t c = 0; c < p.channels; c++) {
            p.mean[c] = random_float(&rng);
            p.std[c] = random_float(&rng);
        }
        char text[COP_PREPROCESS_TEXT];
        struct cop_preprocess back;
        assert_ok(cop_preprocess_parse(
            cop_preprocess_print(&p, text, sizeof text), &back, &err));
        assert_int_equal(back.channels, p.channels);
        assert_int_equal(back.height, p.height);
        assert_int_equal(back.width, p.width);
        assert_int_equal(back.short_side, p.short_side);
        assert_int_equal(back.filter, p.filter);
        assert_int_equal(back.bgr, p.bgr);
        const size_t used = (size_t)p.channels * sizeof *p.mean;
        assert_memory_equal(&back.scale, &p.scale, sizeof p.scale);
        assert_memory_equal(back.mean, p.mean, used);
        assert_memory_equal(back.std, p.std, used);
    }
}

int run_preprocess_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_every_word),
        cmocka_unit_test(fills_in_defaults),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(the_error_names_the_word),
        cmocka_unit_test(print_and_parse_are_inverse),
    };
    return cmocka_run_group_tests_name("preprocess", tests, NULL, NULL);
}
