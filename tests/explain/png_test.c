/* tests/explain/png_test.c - pictures that decode back to what went in. */
#include "explain/png.h"

#include "base/mem.h"
#include "explain_tests.h"
#include "support/test.h"

#include <png.h>
#include <string.h>

enum { W = 13, H = 7 };

static void pixels_come_back(void **state)
{
    (void)state;
    struct cop_err err;
    const png_uint_32 formats[5] = {
        0, PNG_FORMAT_GRAY, 0, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
    uint8_t pixels[W * H * 4];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 11);
    for (int channels = 1; channels <= 4; channels++) {
        struct cop_text text;
        if (channels == 2) continue;
        cop_text_init(&text, 1 << 20);
        assert_ok(cop_png_write(&text, pixels, W, H, channels, &err));
        png_image image;
        memset(&image, 0, sizeof image);
        image.version = PNG_IMAGE_VERSION;
        assert_true(png_image_begin_read_from_memory(&image, text.bytes, text.n));
        assert_int_equal(image.width, W);
        assert_int_equal(image.height, H);
        image.format = formats[channels];
        uint8_t back[W * H * 4];
        assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
        assert_memory_equal(back, pixels, (size_t)(W * H * channels));
        cop_text_clear(&text);
    }
}

static void a_data_uri_is_the_same_bytes_every_time(void **state)
{
    (void)state;
    struct cop_err err;
    const uint8_t pixels[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct cop_text texts[2];
    for (int i = 0; i < 2; i++) {
        cop_text_init(&texts[i], 1 << 20);
        assert_ok(cop_png_data_uri(&texts[i], pixels, 2, 2, 3, &err));
    }
    const char *start = "data:image/png;base64,iVBORw0KGgo";
    assert_int_equal(strncmp(texts[0].bytes, start, strlen(start)), 0);
    assert_string_equal(texts[0].bytes, texts[1].bytes);
    for (int i = 0; i < 2; i++)
        cop_text_clear(&texts[i]);
}

static void impossible_pictures_are_refused(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_text text;
    const uint8_t pixel[4] = {0};
    cop_text_init(&text, 1 << 20);
    assert_fails(cop_png_write(&text, pixel, 0, 1, 3, &err), COP_EINVAL);
    assert_fails(cop_png_write(&text, pixel, 1, 9000, 3, &err), COP_EINVAL);
    assert_fails(cop_png_write(&text, pixel, 1, 1, 2, &err), COP_EINVAL);
    cop_text_clear(&text);
    /* a text that is too small for the picture tells so */
    cop_text_init(&text, 10);
    assert_fails(cop_png_write(&text, pixel, 1, 1, 3, &err), COP_EINVAL);
    cop_text_clear(&text);
}

int test_png(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_come_back),
        cmocka_unit_test(a_data_uri_is_the_same_bytes_every_time),
        cmocka_unit_test(impossible_pictures_are_refused),
    };
    return cmocka_run_group_tests_name("explain: png", tests, NULL, NULL);
}
