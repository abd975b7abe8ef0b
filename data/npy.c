/* data/npy.c - NumPy's .npy: a magic, a version, a Python literal, the elements.
 *
 * Only the literal that NumPy writes is understood (three keys, any order).  The memory
 * asked for is bounded by the size of the file: it must hold every element it declares. */
#include "data/npy.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEAD = 4096 };

struct npy_head {
    struct cop_shape shape;
    int64_t n;      /* elements */
    size_t first;   /* offset of the elements */
    size_t n_bytes; /* per element */
    char kind;      /* f, i, u, b as in NumPy */
    bool swap;      /* stored big-endian */
    bool columns;   /* fortran_order */
};

/* The text behind "'key':" in the literal, or NULL. */
static const char *value_of(const char *literal, const char *key)
{
    char quoted[32];
    (void)snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(literal, quoted);
    if (at == NULL) return NULL;
    at += strlen(quoted);
    while (*at == ' ')
        at++;
    if (*at++ != ':') return NULL;
    while (*at == ' ')
        at++;
    return at;
}

/* "'<f4'" */
static bool parse_descr(const char *at, struct npy_head *head)
{
    static const char *const known[] = {
        "f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
    if (at == NULL || *at != '\'') return false;
    const char order = at[1];
    if (order == '\0' || strchr("<>|=", order) == NULL) return false;
    head->swap = order == '>';
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(at + 2, known[i], 2) != 0 || at[4] != '\'') continue;
        head->kind = known[i][0];
        head->n_bytes = (size_t)(known[i][1] - '0');
        return true;
    }
    return false;
}

/* "(3, 4)", "(3,)", "()" */
static bool parse_shape(const char *at, struct cop_shape *shape)
{
    *shape = (struct cop_shape){0};
    if (at == NULL || *at++ != '(') return false;
    for (;;) {
        while (*at == ' ')
            at++;
        if (*at == ')') return true;
        if (isdigit((unsigned char)*at) == 0 || shape->rank == COP_MAX_RANK)
            return false;
        char *end;
        shape->dim[shape->rank++] = strtoll(at, &end, 10);
        at = end;
        while (*at == ' ')
            at++;
        if (*at == ',') {
            at++;
        } else if (*at != ')') {
            return false;
        }
    }
}

static bool parse_order(const char *at, bool *columns)
{
    if (at == NULL) return false;
    *columns = strncmp(at, "True", 4) == 0;
    return *columns || strncmp(at, "False", 5) == 0;
}

static enum cop_status parse_literal(
    const char *literal, struct npy_head *head, struct cop_err *err)
{
    const char *descr = value_of(literal, "descr");
    if (!parse_descr(descr, head)) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "element type %.12s is not one of float16/32/64, int, uint, bool",
            descr != NULL ? descr : "(none)");
    }
    if (!parse_order(value_of(literal, "fortran_order"), &head->columns)) {
        return COP_FAIL(err, COP_EFORMAT, "the head gives no fortran_order");
    }
    if (!parse_shape(value_of(literal, "shape"), &head->shape)) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "the head gives no shape of at most %d axes",
            COP_MAX_RANK);
    }
    if (cop_shape_count(&head->shape, &head->n, err) == COP_OK) return COP_OK;
    if (err != NULL) err->status = COP_EFORMAT;
    return COP_EFORMAT;
}

static enum cop_status parse_head(
    const uint8_t *bytes, size_t n, struct npy_head *head, struct cop_err *err)
{
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    if (n < 12 || memcmp(bytes, magic, sizeof magic) != 0) {
        return COP_FAIL(err, COP_EFORMAT, "not a .npy file");
    }
    if (bytes[6] < 1 || bytes[6] > 3) {
        return COP_FAIL(err, COP_EFORMAT, ".npy format %d is not known", bytes[6]);
    }
    size_t n_literal = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    size_t first = 10;
    if (bytes[6] > 1) {
        n_literal |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
        first = 12;
    }
    if (n_literal >= MAX_HEAD || n_literal > n - first) {
        return COP_FAIL(
            err, COP_EFORMAT, "a head of %zu bytes in a file of %zu", n_literal, n);
    }
    char literal[MAX_HEAD];
    memcpy(literal, bytes + first, n_literal);
    literal[n_literal] = '\0';
    COP_TRY(parse_literal(literal, head, err));
    head->first = first + n_literal;
    if (head->n_bytes == 0 || (n - head->first) / head->n_bytes < (size_t)head->n) {
        char text[COP_SHAPE_TEXT];
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%s elements of %zu bytes do not fit into the %zu bytes there",
            cop_shape_print(&head->shape, text, sizeof text),
            head->n_bytes,
            n - head->first);
    }
    return COP_OK;
}

/* One element as float; integers beyond 2^24 are rounded. */
static float element(const struct npy_head *head, const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < head->n_bytes; i++) {
        const size_t from = head->swap ? head->n_bytes - 1 - i : i;
        bits |= (uint64_t)bytes[from] << (8 * i);
    }
    const int n_bits = (int)(8 * head->n_bytes);
    if (head->kind == 'b') return bits != 0 ? 1.0f : 0.0f;
    if (head->kind == 'u') return (float)bits;
    if (head->kind == 'i') {
        const uint64_t sign = (uint64_t)1 << (n_bits - 1);
        return (float)((int64_t)((bits ^ sign) - sign));
    }
    if (n_bits == 32) {
        const uint32_t word = (uint32_t)bits;
        return cop_f32_at(&word, 0);
    }
    if (n_bits == 16) {
        const uint16_t half = (uint16_t)bits;
        return (float)cop_element_at(COP_F16, &half, 0);
    }
    return (float)cop_element_at(COP_F64, &bits, 0);
}

/* Where element @p i of C order lies in Fortran order. */
static int64_t column_place(const struct cop_shape *shape, int64_t i)
{
    int64_t place = 0;
    int64_t stride = cop_shape_n(shape);
    for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
        const int64_t extent = shape->dim[axis];
        if (extent < 1) return 0;
        stride /= extent;
        place += i % extent * stride;
        i /= extent;
    }
    return place;
}

enum cop_status cop_npy_read(
    const char *path, struct cop_shape *shape, float **elements, struct cop_err *err)
{
    struct cop_buf *buf = NULL;
    *elements = NULL;
    COP_TRY(cop_buf_map(path, &buf, err));
    const uint8_t *bytes = cop_buf_data(buf);
    struct npy_head head = {0};
    enum cop_status status = parse_head(bytes, cop_buf_bytes(buf), &head, err);
    if (status != COP_OK) {
        cop_err_in(err, "%s", path);
        goto done;
    }
    float *values = cop_mem_array((size_t)head.n, sizeof *values);
    if (values == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    for (int64_t i = 0; i < head.n; i++) {
        const int64_t place = head.columns ? column_place(&head.shape, i) : i;
        values[i] = element(&head, bytes + head.first + (size_t)place * head.n_bytes);
    }
    *shape = head.shape;
    *elements = values;
done:
    cop_buf_release(buf);
    return status;
}

/* Format 1.0, the literal padded so that the elements start on a multiple of 64. */
static size_t print_head(const struct cop_shape *shape, char *head, size_t head_bytes)
{
    static const unsigned char magic[8] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    char extents[COP_MAX_RANK * 24] = "";
    size_t used = 0;
    for (int32_t i = 0; i < shape->rank; i++) {
        used += (size_t)snprintf(
            extents + used,
            sizeof extents - used,
            shape->rank == 1 ? "%lld,"
            : i == 0         ? "%lld"
                             : ", %lld",
            (long long)shape->dim[i]);
    }
    const int n = snprintf(
        head + 10,
        head_bytes - 10,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }",
        extents);
    const size_t total = ((size_t)n + 10 + 1 + 63) / 64 * 64;
    memset(head + 10 + n, ' ', total - 10 - (size_t)n - 1);
    head[total - 1] = '\n';
    memcpy(head, magic, sizeof magic);
    head[8] = (char)((total - 10) & 0xff);
    head[9] = (char)((total - 10) >> 8);
    return total;
}

enum cop_status cop_npy_write(
    const char *path,
    const struct cop_shape *shape,
    const float *elements,
    struct cop_err *err)
{
    char head[512];
    const size_t n_head = print_head(shape, head, sizeof head);
    const size_t n_elements = (size_t)cop_shape_n(shape) * sizeof *elements;
    struct cop_file *file = NULL;
    COP_TRY(cop_file_create(path, &file, err));
    enum cop_status status = cop_file_write(file, head, n_head, err);
    if (status == COP_OK) status = cop_file_write(file, elements, n_elements, err);
    if (status != COP_OK) {
        cop_file_discard(file);
        return status;
    }
    return cop_file_commit(file, err);
}
