/* tests/ops/reference.c - tensors, attributes and indices of the reference. */
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ref_make(
    struct ref_tensor *tensor, enum cop_dtype dtype, const struct cop_shape *shape)
{
    tensor->dtype = dtype;
    tensor->shape = *shape;
    tensor->at = calloc((size_t)cop_shape_n(shape) + 1, sizeof *tensor->at);
    if (tensor->at == NULL) {
        fprintf(stderr, "reference: out of memory\n");
        exit(1);
    }
}

void ref_clear(struct ref_tensor *tensor)
{
    free(tensor->at);
    memset(tensor, 0, sizeof *tensor);
}

int64_t ref_n(const struct ref_tensor *tensor)
{
    return cop_shape_n(&tensor->shape);
}

void ref_call_clear(struct ref_call *call)
{
    for (int i = 0; i < REF_MAX_DST; i++)
        ref_clear(&call->dst[i]);
    call->macs = 0;
}

bool ref_has(const struct ref_call *call, int slot)
{
    return slot < call->n_src && call->src[slot].dtype != COP_DTYPE_NONE;
}

const char *ref_text(const struct ref_call *call, const char *name, const char *absent)
{
    for (int i = 0; i < call->n_attrs; i++)
        if (strcmp(call->attrs[i].name, name) == 0) return call->attrs[i].text;
    return absent;
}

int64_t ref_int(const struct ref_call *call, const char *name, int64_t absent)
{
    const char *const text = ref_text(call, name, NULL);
    return text == NULL ? absent : strtoll(text, NULL, 10);
}

double ref_float(const struct ref_call *call, const char *name, double absent)
{
    const char *const text = ref_text(call, name, NULL);
    /* Files carry float32. */
    return text == NULL ? (double)(float)absent : (double)strtof(text, NULL);
}

int ref_ints(const struct ref_call *call, const char *name, int64_t *ints, int max)
{
    const char *text = ref_text(call, name, NULL);
    if (text == NULL) return -1;
    int n = 0;
    while (*text != '\0' && n < max) {
        char *end = NULL;
        ints[n++] = strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
        if (end == text && *end != '\0') break;
    }
    return n;
}

void ref_unravel(const struct cop_shape *shape, int64_t i, int64_t *at)
{
    for (int axis = shape->rank - 1; axis >= 0; axis--) {
        at[axis] = i % shape->dim[axis];
        i /= shape->dim[axis];
    }
}

int64_t ref_ravel(const struct cop_shape *shape, const int64_t *at)
{
    int64_t i = 0;
    for (int axis = 0; axis < shape->rank; axis++)
        i = i * shape->dim[axis] + at[axis];
    return i;
}

double ref_broadcast_at(
    const struct ref_tensor *tensor, const struct cop_shape *shape, const int64_t *at)
{
    int64_t own[COP_MAX_RANK] = {0};
    const int missing = shape->rank - tensor->shape.rank;
    for (int axis = 0; axis < tensor->shape.rank; axis++)
        own[axis] = tensor->shape.dim[axis] == 1 ? 0 : at[axis + missing];
    return tensor->at[ref_ravel(&tensor->shape, own)];
}

struct cop_shape ref_broadcast(const struct cop_shape *a, const struct cop_shape *b)
{
    struct cop_shape both = {0, {0}};
    both.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= both.rank; i++) {
        const int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        const int64_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        both.dim[both.rank - i] = x == 1 ? y : x;
    }
    return both;
}

bool ref_run(struct ref_call *call)
{
    const struct ref_row *const tables[] = {
        ref_math_rows,
        ref_layer_rows,
        ref_move_rows,
        ref_norm_rows,
        ref_map_rows,
        ref_resize_rows};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const struct ref_row *row = tables[t]; row->op != NULL; row++) {
            if (strcmp(row->op, call->op) != 0) continue;
            row->run(call);
            return true;
        }
    }
    return false;
}
