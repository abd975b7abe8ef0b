/* data/decode_jpeg.c - JPEG through libjpeg with the settings Pillow uses.
 *
 * libjpeg's defaults (accurate integer DCT, smooth chroma) are Pillow's.  A file that ends
 * early is an error, as it is there; other damage libjpeg repairs silently, as there.
 * libjpeg reports fatal errors by a call that must not return: it longjmps to decode. */
#include "data/picture.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
/* jpeglib.h wants stdio.h */
#include <jpeglib.h>
/* jerror.h wants jpeglib.h */
#include <jerror.h>

enum { MAX_SCANS = 500 }; /* as libjpeg-turbo's own fuzzers: more is an attack */

struct jpeg_reader {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf fatal;
    struct cop_data__picture *picture;
    uint8_t *cmyk_row; /* [width][4], only for four components */
    enum cop_status status;
    struct cop_err *err;
};

static void on_fatal(j_common_ptr info)
{
    struct jpeg_reader *reader = info->client_data;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    const bool no_memory = info->err->msg_code == JERR_OUT_OF_MEMORY;
    reader->status = no_memory
                         ? COP_FAIL_NOMEM(reader->err)
                         : COP_FAIL(reader->err, COP_EFORMAT, "bad JPEG: %s", text);
    longjmp(reader->fatal, 1);
}

static void on_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

static void on_progress(j_common_ptr info)
{
    const struct jpeg_reader *reader = info->client_data;
    if (reader->info.input_scan_number > MAX_SCANS) ERREXIT(info, JERR_BAD_PROGRESSION);
}

static void start_source(j_decompress_ptr info)
{
    (void)info;
}

static boolean no_more_bytes(j_decompress_ptr info)
{
    ERREXIT(info, JERR_INPUT_EOF);
    return FALSE;
}

static void skip_bytes(j_decompress_ptr info, long n)
{
    if (n <= 0) return;
    if ((unsigned long)n > info->src->bytes_in_buffer) ERREXIT(info, JERR_INPUT_EOF);
    info->src->next_input_byte += n;
    info->src->bytes_in_buffer -= (size_t)n;
}

static void set_up(struct jpeg_reader *reader, const uint8_t *bytes, size_t n)
{
    reader->info.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_fatal;
    reader->errors.emit_message = on_message;
    reader->info.client_data = reader;
    reader->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = n,
        .init_source = start_source,
        .fill_input_buffer = no_more_bytes,
        .skip_input_data = skip_bytes,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = start_source};
    reader->progress.progress_monitor = on_progress;
}

/* a * b / 255, rounded, as Pillow's MULDIV255. */
static int muldiv255(int a, int b)
{
    const int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Adobe writes CMYK inverted; Pillow assumes that always, then converts without profiles. */
static void cmyk_to_rgb(const uint8_t *cmyk, int64_t width, uint8_t *rgb)
{
    for (int64_t x = 0; x < width; x++) {
        const int ink = cmyk[4 * x + 3];
        for (int c = 0; c < 3; c++) {
            const int value = ink - muldiv255(255 - cmyk[4 * x + c], ink);
            rgb[3 * x + c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

/* Reads the header; chooses what libjpeg is to convert to. */
static enum cop_status start(struct jpeg_reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    (void)jpeg_read_header(info, TRUE);
    switch (info->num_components) {
    case 1: info->out_color_space = JCS_GRAYSCALE; break;
    case 3: info->out_color_space = JCS_RGB; break;
    case 4: info->out_color_space = JCS_CMYK; break;
    default:
        return COP_FAIL(
            reader->err,
            COP_EFORMAT,
            "JPEG of %d components; 1, 3 and 4 are known",
            info->num_components);
    }
    COP_TRY(cop_data__picture_create(
        reader->picture,
        info->image_width,
        info->image_height,
        info->num_components == 1 ? 1 : 3,
        reader->err));
    if (info->num_components == 4) {
        reader->cmyk_row = cop_mem_array(info->image_width, 4);
        if (reader->cmyk_row == NULL) return COP_FAIL_NOMEM(reader->err);
    }
    return COP_OK;
}

static void read_rows(struct jpeg_reader *reader)
{
    struct jpeg_decompress_struct *info = &reader->info;
    const struct cop_data__picture *picture = reader->picture;
    const int64_t stride = picture->width * picture->channels;
    (void)jpeg_start_decompress(info);
    while (info->output_scanline < info->output_height) {
        uint8_t *row = picture->pixels + info->output_scanline * stride;
        JSAMPROW target = reader->cmyk_row != NULL ? reader->cmyk_row : row;
        (void)jpeg_read_scanlines(info, &target, 1);
        if (reader->cmyk_row != NULL)
            cmyk_to_rgb(reader->cmyk_row, picture->width, row);
    }
}

static void decode(struct jpeg_reader *reader)
{
    if (setjmp(reader->fatal) != 0) return;
    jpeg_create_decompress(&reader->info);
    reader->info.src = &reader->source;
    reader->info.progress = &reader->progress;
    reader->status = start(reader);
    if (reader->status == COP_OK) read_rows(reader);
}

enum cop_status cop_data__decode_jpeg(
    const uint8_t *bytes,
    size_t n,
    struct cop_data__picture *picture,
    struct cop_err *err)
{
    struct jpeg_reader reader = {.picture = picture, .err = err};
    set_up(&reader, bytes, n);
    decode(&reader);
    jpeg_destroy_decompress(&reader.info);
    cop_mem_free(reader.cmyk_row);
    return reader.status;
}
