/* tests/data/picture_test.c - decoding, resizing and cropping against Pillow's pixels
 * (fixtures/golden.txt), normalisation, limits, and damaged files. */
#include "data_tests.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "data/picture.h"

#include <stdio.h>
#include <string.h>

static const char *const pictures[] = {
    "bit1.png",
    "c420.jpg",
    "c422.jpg",
    "c444.jpg",
    "cmyk.jpg",
    "grey.jpg",
    "grey16.png",
    "grey_alpha.png",
    "palette.png",
    "progressive.jpg",
    "rgb.png",
    "rgba.png"};
enum { N_PICTURES = sizeof pictures / sizeof *pictures };

static void load(const char *name, char **bytes, size_t *n)
{
    struct cop_err err = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "fixtures/%s", name);
    assert_ok(cop_file_read(path, 1 << 20, bytes, n, &err));
}

static void decode(const char *name, struct cop_data__picture *picture)
{
    struct cop_err err = {0};
    char *bytes;
    size_t n;
    load(name, &bytes, &n);
    *picture = (struct cop_data__picture){0};
    assert_ok(cop_data__decode((const uint8_t *)bytes, n, picture, &err));
    cop_mem_free(bytes);
}

static void pixels_hash(const struct cop_data__picture *picture, char hex[65])
{
    struct cop_sha256 sha;
    uint8_t digest[32];
    cop_sha256_init(&sha);
    const int64_t n = picture->width * picture->height * picture->channels;
    cop_sha256_add(&sha, picture->pixels, (size_t)n);
    cop_sha256_finish(&sha, digest);
    cop_sha256_hex(digest, hex);
}

/* "frame FILE PREPROCESSING SHA" */
static void check_golden_line(char *line)
{
    struct cop_err err = {0};
    char *file = strchr(line, ' ') + 1;
    char *text = strchr(file, ' ');
    *text++ = '\0';
    char *want = strrchr(text, ' ');
    *want++ = '\0';
    struct cop_preprocess preprocess;
    struct cop_data__picture picture;
    assert_ok(cop_preprocess_parse(text, &preprocess, &err));
    decode(file, &picture);
    assert_ok(cop_data__frame(&picture, &preprocess, &err));
    char got[65];
    pixels_hash(&picture, got);
    cop_data__picture_clear(&picture);
    if (strcmp(got, want) != 0) {
        fail_msg("%s as '%s': pixels %s, Pillow has %s", file, text, got, want);
    }
}

static void pixels_are_those_of_pillow(void **state)
{
    (void)state;
    char *golden;
    size_t n;
    load("golden.txt", &golden, &n);
    int n_checked = 0;
    for (char *line = strtok(golden, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (line[0] == '#') continue;
        check_golden_line(line);
        n_checked++;
    }
    cop_mem_free(golden);
    assert_int_equal(n_checked, 240);
}

static void normalises_each_channel(void **state)
{
    (void)state;
    uint8_t pixels[2][3] = {{0, 128, 255}, {10, 20, 30}};
    const struct cop_data__picture picture = {2, 1, 3, pixels[0]};
    struct cop_preprocess preprocess = {
        3, 1, 2, 0, COP_RESIZE_BILINEAR, false, 0.5f, {1, 2, 3}, {2, 4, 8}};
    float dst[6];
    cop_data__normalise(&picture, &preprocess, dst);
    const float rgb[6] = {-0.5f, 2, 15.5f, 2, 15.5625f, 1.5f};
    assert_near(dst, rgb, 6, 0, 0);
    preprocess.bgr = true;
    cop_data__normalise(&picture, &preprocess, dst);
    const float bgr[6] = {63.25f, 7, 15.5f, 2, -0.375f, 0.25f};
    assert_near(dst, bgr, 6, 0, 0);
}

static void every_cut_is_an_error(void **state)
{
    (void)state;
    for (int i = 0; i < N_PICTURES; i++) {
        char *bytes;
        size_t n;
        load(pictures[i], &bytes, &n);
        /* a PNG may lose its trailing IEND; a JPEG must be there to its last byte */
        const size_t spare = strstr(pictures[i], ".png") != NULL ? 17 : 1;
        for (size_t cut = 0; cut + spare <= n; cut += 1 + cut / 64) {
            struct cop_err err = {0};
            struct cop_data__picture picture = {0};
            uint8_t *exact = cop_mem_array(cut, 1);
            assert_non_null(exact);
            memcpy(exact, bytes, cut);
            assert_fails(cop_data__decode(exact, cut, &picture, &err), COP_EFORMAT);
            cop_data__picture_clear(&picture);
            cop_mem_free(exact);
        }
        cop_mem_free(bytes);
    }
}

static void damage_never_crashes(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, FUZZ_SEED);
    print_message("seed %d\n", FUZZ_SEED);
    int n_refused = 0;
    for (int i = 0; i < N_MUTATIONS * 2; i++) {
        struct cop_err err = {0};
        char *bytes;
        size_t n;
        load(pictures[i % N_PICTURES], &bytes, &n);
        mutate(&rng, (uint8_t *)bytes, &n);
        struct cop_data__picture picture = {0};
        const enum cop_status status =
            cop_data__decode((const uint8_t *)bytes, n, &picture, &err);
        assert_true(status == COP_OK || status == COP_EFORMAT || status == COP_ENOMEM);
        if (status != COP_OK) assert_true(err.text[0] != '\0');
        n_refused += status != COP_OK;
        cop_data__picture_clear(&picture);
        cop_mem_free(bytes);
    }
    assert_in_range(n_refused, N_MUTATIONS / 4, N_MUTATIONS * 2);
}

static void huge_pictures_are_refused_before_memory(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_data__picture picture = {0};
    char *bytes;
    size_t n;
    load("c420.jpg", &bytes, &n);
    /* SOF0: ff c0, length, precision, then height and width */
    size_t at = 0;
    while (at + 9 < n && memcmp(bytes + at, "\xff\xc0", 2) != 0)
        at++;
    assert_true(at + 9 < n);
    memset(bytes + at + 5, 0xff, 4);
    assert_fails(
        cop_data__decode((const uint8_t *)bytes, n, &picture, &err), COP_EFORMAT);
    assert_null(picture.pixels);
    cop_mem_free(bytes);
}

static void stretching_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_data__picture picture = {0};
    struct cop_preprocess preprocess;
    assert_ok(cop_preprocess_parse("3x9x9 short=1000", &preprocess, &err));
    assert_ok(cop_data__picture_create(&picture, 65000, 1, 3, &err));
    assert_fails(cop_data__frame(&picture, &preprocess, &err), COP_EFORMAT);
    cop_data__picture_clear(&picture);
}

static void out_of_memory_is_told(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_preprocess preprocess;
    assert_ok(cop_preprocess_parse("1x20x20 short=24", &preprocess, &err));
    char *bytes;
    size_t n;
    load("cmyk.jpg", &bytes, &n);
    enum cop_status status = COP_ENOMEM;
    int64_t fail_at = 0;
    while (status == COP_ENOMEM && fail_at < 50) {
        struct cop_data__picture picture = {0};
        cop_mem_fail_from(++fail_at);
        status = cop_data__decode((const uint8_t *)bytes, n, &picture, &err);
        if (status == COP_OK) status = cop_data__frame(&picture, &preprocess, &err);
        cop_mem_fail_from(0);
        cop_data__picture_clear(&picture);
    }
    cop_mem_free(bytes);
    assert_int_equal(status, COP_OK);
    assert_in_range(fail_at, 8, 49);
}

int run_picture_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_pillow),
        cmocka_unit_test(normalises_each_channel),
        cmocka_unit_test(every_cut_is_an_error),
        cmocka_unit_test(damage_never_crashes),
        cmocka_unit_test(huge_pictures_are_refused_before_memory),
        cmocka_unit_test(stretching_beyond_the_limit_is_refused),
        cmocka_unit_test(out_of_memory_is_told),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
