/* tests/fuzz/mutate.c - see mutate.h. */
#include "mutate.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_BYTES = 1 << 16, MAX_DEPTH = 8 };

static const int64_t odd_numbers[] = {
    0,         1,         -1,        2,         3,
    7,         8,         9,         13,        255,
    256,       -2,        65535,     65536,     INT32_MAX,
    INT32_MIN, 1LL << 31, 1LL << 32, 1LL << 40, (1LL << 40) + 1,
    INT64_MAX, INT64_MIN, 1LL << 62, 1000,      16,
};

static size_t below(struct cop_rng *rng, size_t n)
{
    return n == 0 ? 0 : (size_t)cop_rng_below(rng, (int64_t)n);
}

static bool one_in(struct cop_rng *rng, int64_t n)
{
    return cop_rng_below(rng, n) == 0;
}

static int64_t odd_number(struct cop_rng *rng)
{
    return odd_numbers[below(rng, sizeof odd_numbers / sizeof *odd_numbers)];
}

/* ---- blind --------------------------------------------------------------------------------- */

static void flip_bits(struct cop_rng *rng, struct pb *out)
{
    size_t n = 1 + below(rng, 16);
    for (size_t i = 0; i < n && out->n > 0; i++)
        out->at[below(rng, out->n)] ^= (uint8_t)(1U << below(rng, 8));
}

static void set_bytes(struct cop_rng *rng, struct pb *out)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x12};
    size_t n = 1 + below(rng, 4);
    for (size_t i = 0; i < n && out->n > 0; i++)
        out->at[below(rng, out->n)] = values[below(rng, sizeof values)];
}

static void cut_end(struct cop_rng *rng, struct pb *out)
{
    out->n = below(rng, out->n);
}

static void cut_middle(struct cop_rng *rng, struct pb *out)
{
    if (out->n == 0) return;
    size_t first = below(rng, out->n);
    size_t n = 1 + below(rng, out->n - first);
    memmove(out->at + first, out->at + first + n, out->n - first - n);
    out->n -= n;
}

/* Puts bytes into the middle. */
static void insert(struct pb *out, size_t at, const void *bytes, size_t n)
{
    struct pb tail = {0};
    pb_raw(&tail, out->at + at, out->n - at);
    out->n = at;
    pb_raw(out, bytes, n);
    pb_raw(out, tail.at, tail.n);
    pb_free(&tail);
}

static void repeat_middle(struct cop_rng *rng, struct pb *out)
{
    if (out->n == 0) return;
    struct pb copy = {0};
    size_t first = below(rng, out->n);
    pb_raw(&copy, out->at + first, below(rng, out->n - first));
    insert(out, below(rng, out->n), copy.at, copy.n);
    pb_free(&copy);
}

static void insert_varint(struct cop_rng *rng, struct pb *out)
{
    struct pb number = {0};
    pb_varint(&number, (uint64_t)odd_number(rng));
    size_t at = below(rng, out->n + 1);
    if (one_in(rng, 2) && out->n - at >= number.n)
        memcpy(out->at + at, number.at, number.n); /* over what is there */
    else
        insert(out, at, number.at, number.n);
    pb_free(&number);
}

static void splice(struct cop_rng *rng, const struct pb *b, struct pb *out)
{
    size_t from = below(rng, b->n);
    out->n = below(rng, out->n + 1);
    pb_raw(out, b->at + from, b->n - from);
}

static void random_bytes(struct cop_rng *rng, struct pb *out)
{
    size_t n = below(rng, 256);
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)cop_rng_u64(rng);
        pb_raw(out, &byte, 1);
    }
}

void mutate_blindly(struct cop_rng *rng, const struct pb *b, struct pb *out)
{
    switch (below(rng, 9)) {
    case 0: flip_bits(rng, out); break;
    case 1: set_bytes(rng, out); break;
    case 2: cut_end(rng, out); break;
    case 3: cut_middle(rng, out); break;
    case 4: repeat_middle(rng, out); break;
    case 5: insert_varint(rng, out); break;
    case 6: splice(rng, b, out); break;
    case 7: random_bytes(rng, out); break;
    default:
        flip_bits(rng, out);
        insert_varint(rng, out);
        break;
    }
}

/* ---- as protobuf ------------------------------------------------------------------------------ */

struct field {
    uint32_t number;
    uint32_t type;
    uint64_t varint;
    const uint8_t *body;
    size_t n;
};

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *number |= (uint64_t)(byte & 0x7fU) << shift;
        if ((byte & 0x80U) == 0) return true;
    }
    return false;
}

static bool take_field(const uint8_t **at, const uint8_t *end, struct field *field)
{
    uint64_t key;
    if (!take_varint(at, end, &key) || key >> 3 == 0 || key >> 3 > 2000) return false;
    *field = (struct field){.number = (uint32_t)(key >> 3), .type = key & 7};
    uint64_t n = field->type == 5 ? 4 : 8;
    if (field->type == 0) return take_varint(at, end, &field->varint);
    if (field->type == 2 && !take_varint(at, end, &n)) return false;
    if (field->type != 1 && field->type != 2 && field->type != 5) return false;
    if (n > (uint64_t)(end - *at)) return false;
    field->body = *at;
    field->n = (size_t)n;
    *at += n;
    return true;
}

static bool is_message(const uint8_t *at, size_t n)
{
    const uint8_t *end = at + n;
    struct field field;
    if (n < 2) return false;
    while (at < end) {
        if (!take_field(&at, end, &field)) return false;
    }
    return true;
}

/* Short lists of whole varints, as packed numbers are. */
static void put_odd_list(struct cop_rng *rng, struct pb *body)
{
    size_t n = below(rng, 10);
    for (size_t i = 0; i < n; i++)
        pb_varint(body, (uint64_t)odd_number(rng));
}

static void put_odd_body(
    struct cop_rng *rng, const struct field *field, struct pb *body)
{
    switch (below(rng, 6)) {
    case 0: break;
    case 1: pb_raw(body, field->body, below(rng, field->n)); break;
    case 2: put_odd_list(rng, body); break;
    case 3:
        pb_raw(body, field->body, field->n);
        pb_raw(body, field->body, field->n);
        break;
    default:
        pb_raw(body, field->body, field->n);
        flip_bits(rng, body);
        break;
    }
}

static void put_body(struct pb *out, const struct field *field, struct pb *body)
{
    pb_key(out, field->number, 2);
    pb_varint(out, body->n);
    pb_raw(out, body->at, body->n);
    pb_free(body);
}

static void put_same(struct pb *out, const struct field *field)
{
    pb_key(out, field->number, field->type);
    if (field->type == 0) pb_varint(out, field->varint);
    if (field->type == 2) pb_varint(out, field->n);
    pb_raw(out, field->body, field->n);
}

/* One field written in another way. */
static void put_changed(struct cop_rng *rng, const struct field *field, struct pb *out)
{
    struct field other = *field;
    struct pb body = {0};
    switch (below(rng, 8)) {
    case 0: return; /* dropped */
    case 1:
        put_same(out, field);
        put_same(out, field);
        return;
    case 2:
        other.number = 1 + (uint32_t)below(rng, 24);
        put_same(out, &other);
        return;
    default: break;
    }
    if (field->type == 0) {
        other.varint = one_in(rng, 2) ? (uint64_t)odd_number(rng)
                                      : field->varint + below(rng, 5) - 2;
        put_same(out, &other);
    } else if (field->type == 2) {
        put_odd_body(rng, field, &body);
        put_body(out, field, &body);
    } else {
        pb_key(out, field->number, field->type);
        pb_raw(out, field->body, field->n);
        if (out->n >= 4) out->at[out->n - 1 - below(rng, 4)] ^= 0xc0U;
    }
}

/* Copies a message with about one in rate of its fields changed. */
static void copy_changed(
    struct cop_rng *rng,
    const uint8_t *at,
    size_t n,
    int64_t rate,
    int depth,
    struct pb *out)
{
    const uint8_t *end = at + n;
    struct field field;
    while (at < end && take_field(&at, end, &field) && out->n < MAX_BYTES) {
        bool is_inner =
            field.type == 2 && depth < MAX_DEPTH && is_message(field.body, field.n);
        if (one_in(rng, rate)) {
            put_changed(rng, &field, out);
        } else if (is_inner) {
            struct pb body = {0};
            copy_changed(rng, field.body, field.n, rate, depth + 1, &body);
            put_body(out, &field, &body);
        } else {
            put_same(out, &field);
        }
    }
}

void mutate_protobuf(
    struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out)
{
    if (one_in(rng, 4)) {
        pb_raw(out, a->at, a->n);
        mutate_blindly(rng, b, out);
        return;
    }
    int64_t rate = 1LL << (3 + below(rng, 8));
    copy_changed(rng, a->at, a->n, rate, 0, out);
}
