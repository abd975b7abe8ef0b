/* explain/png.c - see png.h.  The only file of this folder that sees libpng. */
#include "explain/png.h"

#include "base/mem.h"

#include <png.h>
#include <setjmp.h>

static void append(png_structp png, png_bytep bytes, png_size_t n)
{
    cop_text_add(png_get_io_ptr(png), (const char *)bytes, n);
}

static void flush(png_structp png)
{
    (void)png;
}

/* libpng reports through a jump back to where the caller set it. */
static void fail(png_structp png, png_const_charp message)
{
    (void)message;
    longjmp(png_jmpbuf(png), 1);
}

static void ignore(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static int colour_type(int channels)
{
    if (channels == 1) return PNG_COLOR_TYPE_GRAY;
    return channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
}

/* Everything between the jump's landing and the end; true when the picture is whole. */
static bool encode(
    png_structp png,
    png_infop info,
    struct cop_text *text,
    png_bytepp rows,
    const uint32_t size[2],
    int channels)
{
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_write_fn(png, text, append, flush);
    png_set_IHDR(
        png,
        info,
        size[0],
        size[1],
        8,
        colour_type(channels),
        PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 9);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    return true;
}

enum cop_status cop_png_write(
    struct cop_text *text,
    const uint8_t *pixels,
    int64_t width,
    int64_t height,
    int channels,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    png_infop info = NULL;
    png_structp png = NULL;
    uint8_t *copy = NULL;
    png_bytepp rows = NULL;
    if (width < 1 || width > 8192 || height < 1 || height > 8192 ||
        (channels != 1 && channels != 3 && channels != 4))
        return COP_FAIL(
            err,
            COP_EINVAL,
            "picture of %lld x %lld x %d",
            (long long)width,
            (long long)height,
            channels);
    const size_t row_bytes = (size_t)width * (size_t)channels;
    copy = cop_mem_array((size_t)height, row_bytes); /* libpng's rows are not const */
    rows = cop_mem_array((size_t)height, sizeof *rows);
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, fail, ignore);
    if (png) info = png_create_info_struct(png);
    if (!copy || !rows || !info) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    for (size_t i = 0; i < (size_t)height * row_bytes; i++)
        copy[i] = pixels[i];
    for (size_t y = 0; y < (size_t)height; y++)
        rows[y] = copy + y * row_bytes;
    const uint32_t size[2] = {(uint32_t)width, (uint32_t)height};
    if (!encode(png, info, text, rows, size, channels)) {
        status = COP_FAIL(err, COP_ENOMEM, "picture not encoded");
        goto done;
    }
    status = cop_text_status(text, err);
done:
    png_destroy_write_struct(&png, &info);
    cop_mem_free(rows);
    cop_mem_free(copy);
    return status;
}

enum cop_status cop_png_data_uri(
    struct cop_text *text,
    const uint8_t *pixels,
    int64_t width,
    int64_t height,
    int channels,
    struct cop_err *err)
{
    struct cop_text png;
    cop_text_init(&png, (size_t)64 << 20);
    enum cop_status status = cop_png_write(&png, pixels, width, height, channels, err);
    if (status == COP_OK) {
        cop_text_puts(text, "data:image/png;base64,");
        cop_text_base64(text, png.bytes, png.n);
        status = cop_text_status(text, err);
    }
    cop_text_clear(&png);
    return status;
}
