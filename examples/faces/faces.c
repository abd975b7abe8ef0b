/* examples/faces/faces.c - draws a labelled set of cartoon faces.
 *
 *     faces OUT --n 700 --seed 1 --size 48 [--format folder|records] [--jobs N]
 *
 * OUT is a folder of seven class folders of PNG files, or one file of records (label byte,
 * then the planes of R, G and B).  Sample i shows feeling i mod 7, so the classes are
 * balanced; the same seed gives the same bytes. */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/text.h"
#include "explain/png.h"
#include "faces/expression.h"
#include "faces/portrait.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct order {
    const char *out;
    int64_t n;
    uint64_t seed;
    int size;
    bool records;
    struct faces_style style;
    uint8_t *bytes; /* [n][1 + 3 size size], for records */
};

static enum cop_status save_png(
    const struct order *order, int64_t i, const uint8_t *rgb, struct cop_err *err)
{
    char path[4096];
    (void)snprintf(
        path,
        sizeof path,
        "%s/%s/%06lld.png",
        order->out,
        faces_expression_names[i % FACES_N_EXPRESSIONS],
        (long long)i);
    struct cop_text png;
    cop_text_init(&png, 1 << 24);
    struct cop_file *file = NULL;
    enum cop_status status = cop_png_write(&png, rgb, order->size, order->size, 3, err);
    if (status == COP_OK) status = cop_file_create(path, &file, err);
    if (status == COP_OK) status = cop_file_write(file, png.bytes, png.n, err);
    if (status == COP_OK) {
        status = cop_file_commit(file, err);
    } else {
        cop_file_discard(file);
    }
    cop_text_clear(&png);
    return status;
}

static enum cop_status draw_one(void *context, int64_t i, struct cop_err *err)
{
    const struct order *order = context;
    const int label = (int)(i % FACES_N_EXPRESSIONS);
    const int64_t n_pixels = (int64_t)order->size * order->size;
    uint8_t *rgb = cop_mem_array((size_t)n_pixels, 3);
    if (rgb == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status =
        faces_portrait(order->seed, i, label, order->size, &order->style, rgb, err);
    if (status == COP_OK && order->records) {
        uint8_t *record = order->bytes + i * (1 + 3 * n_pixels);
        record[0] = (uint8_t)label;
        for (int64_t k = 0; k < 3 * n_pixels; k++) {
            record[1 + k % 3 * n_pixels + k / 3] = rgb[k];
        }
    } else if (status == COP_OK) {
        status = save_png(order, i, rgb, err);
    }
    cop_mem_free(rgb);
    return status;
}

static enum cop_status make_folder(const char *path, struct cop_err *err)
{
    if (mkdir(path, 0777) == 0 || cop_file_is_dir(path)) return COP_OK;
    return COP_FAIL(err, COP_EIO, "cannot make folder %s", path);
}

static enum cop_status draw_folder(struct order *order, struct cop_err *err)
{
    COP_TRY(make_folder(order->out, err));
    for (int i = 0; i < FACES_N_EXPRESSIONS; i++) {
        char path[4096];
        (void)snprintf(
            path, sizeof path, "%s/%s", order->out, faces_expression_names[i]);
        COP_TRY(make_folder(path, err));
    }
    return cop_par_for(order->n, draw_one, order, err);
}

static enum cop_status draw_records(struct order *order, struct cop_err *err)
{
    const size_t record = 1 + 3 * (size_t)order->size * (size_t)order->size;
    order->bytes = cop_mem_array((size_t)order->n, record);
    if (order->bytes == NULL) return COP_FAIL_NOMEM(err);
    struct cop_file *file = NULL;
    enum cop_status status = cop_par_for(order->n, draw_one, order, err);
    if (status == COP_OK) status = cop_file_create(order->out, &file, err);
    if (status == COP_OK) {
        status = cop_file_write(file, order->bytes, (size_t)order->n * record, err);
        if (status == COP_OK) {
            status = cop_file_commit(file, err);
        } else {
            cop_file_discard(file);
        }
    }
    cop_mem_free(order->bytes);
    return status;
}

static bool parse_count(const char *text, int64_t least, int64_t most, int64_t *count)
{
    char *end;
    *count = strtoll(text, &end, 10);
    return end != text && *end == '\0' && *count >= least && *count <= most;
}

static bool parse_share(const char *text, double *share)
{
    char *end;
    *share = strtod(text, &end);
    return end != text && *end == '\0' && *share >= 0.0 && *share <= 4.0;
}

static bool parse_option(int option, const char *value, struct order *order)
{
    int64_t count = 0;
    bool good = false;
    switch (option) {
    case 'n': return parse_count(value, 1, 10000000, &order->n);
    case 's':
        good = parse_count(value, 0, INT64_MAX, &count);
        order->seed = (uint64_t)count;
        return good;
    case 'z':
        good = parse_count(value, 16, FACES_MAX_SIZE, &count);
        order->size = (int)count;
        return good;
    case 'f':
        order->records = strcmp(value, "records") == 0;
        return order->records || strcmp(value, "folder") == 0;
    case 'j':
        good = parse_count(value, 1, 1024, &count);
        if (good) cop_par_set_threads((int)count);
        return good;
    case 'w': return parse_share(value, &order->style.weakest);
    case 'c': return parse_share(value, &order->style.clutter);
    case 'g': return parse_share(value, &order->style.noise);
    default: return false;
    }
}

static const char usage[] =
    "usage: faces OUT [options]\n"
    "  --n N              pictures (default 700)\n"
    "  --seed S           another seed draws other pictures (default 1)\n"
    "  --size PIXELS      16 to 256 (default 48)\n"
    "  --format FORMAT    folder: class folders of PNG files (default)\n"
    "                     records: one file, label byte and planes of R, G, B\n"
    "  --weakest SHARE    strength of the weakest expression, 0 to 1 (default 0.6)\n"
    "  --clutter AMOUNT   0: none (default 1)\n"
    "  --noise AMOUNT     0: none (default 1)\n"
    "  --jobs N           threads\n";

static bool parse_arguments(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {
        {"n", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"size", required_argument, NULL, 'z'},
        {"format", required_argument, NULL, 'f'},
        {"jobs", required_argument, NULL, 'j'},
        {"weakest", required_argument, NULL, 'w'},
        {"clutter", required_argument, NULL, 'c'},
        {"noise", required_argument, NULL, 'g'},
        {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
        if (!parse_option(option, optarg, order)) return false;
    }
    if (optind + 1 != argc) return false;
    order->out = argv[optind];
    return true;
}

int main(int argc, char **argv)
{
    struct order order = {
        .n = 700,
        .seed = 1,
        .size = 48,
        .style = {.weakest = 0.6, .clutter = 1.0, .noise = 1.0}};
    if (!parse_arguments(argc, argv, &order)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    struct cop_err err = {0};
    const enum cop_status status =
        order.records ? draw_records(&order, &err) : draw_folder(&order, &err);
    if (status != COP_OK) {
        (void)fprintf(stderr, "faces: %s\n", err.text);
        return 1;
    }
    return 0;
}
