/* data/decode_png.c - PNG through libpng's standard reader, without gamma or profiles.
 *
 * libpng's simplified reader would convert to sRGB; Pillow does not, so neither do we.
 * libpng reports fatal errors by a call that must not return: it longjmps to decode. */
#include "data/picture.h"

#include <setjmp.h>
#include <string.h>
/* png.h wants setjmp.h first */
#include <png.h>

struct png_reader {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t n_left;
    struct cop_data__picture *picture;
    enum cop_status status;
    struct cop_err *err;
};

static void on_fatal(png_structp png, png_const_charp text)
{
    struct png_reader *reader = png_get_error_ptr(png);
    reader->status = COP_FAIL(reader->err, COP_EFORMAT, "bad PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void give_bytes(png_structp png, png_bytep to, png_size_t n)
{
    struct png_reader *reader = png_get_io_ptr(png);
    if (n > reader->n_left) png_error(png, "the file ends early");
    memcpy(to, reader->bytes, n);
    reader->bytes += n;
    reader->n_left -= n;
}

/* Every kind of PNG becomes 8-bit grey or 8-bit RGB. */
static void ask_for_8_bits(png_structp png)
{
    png_set_strip_16(png);
    png_set_packing(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_palette_to_rgb(png);
    png_set_strip_alpha(png);
}

static enum cop_status start(struct png_reader *reader)
{
    png_read_info(reader->png, reader->info);
    ask_for_8_bits(reader->png);
    const png_byte colour = png_get_color_type(reader->png, reader->info);
    return cop_data__picture_create(
        reader->picture,
        png_get_image_width(reader->png, reader->info),
        png_get_image_height(reader->png, reader->info),
        (colour & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1,
        reader->err);
}

static void read_rows(struct png_reader *reader)
{
    const struct cop_data__picture *picture = reader->picture;
    const int64_t stride = picture->width * picture->channels;
    const int passes = png_set_interlace_handling(reader->png);
    png_read_update_info(reader->png, reader->info);
    if (png_get_rowbytes(reader->png, reader->info) != (size_t)stride) {
        png_error(reader->png, "unexpected row size");
    }
    for (int pass = 0; pass < passes; pass++) {
        for (int64_t y = 0; y < picture->height; y++) {
            png_read_row(reader->png, picture->pixels + y * stride, NULL);
        }
    }
}

static void decode(struct png_reader *reader)
{
    if (setjmp(png_jmpbuf(reader->png)) != 0) return;
    png_set_user_limits(reader->png, COP_DATA__MAX_SIDE, COP_DATA__MAX_SIDE);
    png_set_chunk_malloc_max(reader->png, 8u << 20);
    png_set_read_fn(reader->png, reader, give_bytes);
    reader->status = start(reader);
    if (reader->status == COP_OK) read_rows(reader);
}

enum cop_status cop_data__decode_png(
    const uint8_t *bytes,
    size_t n,
    struct cop_data__picture *picture,
    struct cop_err *err)
{
    struct png_reader reader = {
        .bytes = bytes, .n_left = n, .picture = picture, .err = err};
    reader.png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_fatal, on_warning);
    if (reader.png == NULL) return COP_FAIL_NOMEM(err);
    reader.info = png_create_info_struct(reader.png);
    if (reader.info != NULL) {
        decode(&reader);
    } else {
        reader.status = COP_FAIL_NOMEM(err);
    }
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    return reader.status;
}
