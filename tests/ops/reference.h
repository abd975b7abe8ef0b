/* tests/ops/reference.h - what each operator means, in double precision and plain loops.
 *
 * Written from the ONNX specification alone: nothing here includes ops/ or engine/, so an
 * error there cannot hide here.  Attributes come as the text of the case line. */
#ifndef COP_TESTS_OPS_REFERENCE_H
#define COP_TESTS_OPS_REFERENCE_H

#include "graph/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum { REF_MAX_ATTRS = 8, REF_MAX_SRC = 24, REF_MAX_DST = 4 };

/** Elements as doubles, whatever the type; heap memory of ref_make. */
struct ref_tensor {
    enum cop_dtype dtype; /* NONE: absent */
    struct cop_shape shape;
    double *at;
};

struct ref_attr {
    const char *name;
    const char *text;
};

/** One application of an operator. */
struct ref_call {
    const char *op;
    int opset;
    struct ref_attr attrs[REF_MAX_ATTRS];
    int n_attrs;
    const struct ref_tensor *src;
    int n_src;
    struct ref_tensor dst[REF_MAX_DST];
    int n_dst;
    int64_t macs; /* counted, one by one */
};

void ref_make(
    struct ref_tensor *tensor, enum cop_dtype dtype, const struct cop_shape *shape);
void ref_clear(struct ref_tensor *tensor);
int64_t ref_n(const struct ref_tensor *tensor);

/** Computes call->dst.  False when the operator is not known here. */
bool ref_run(struct ref_call *call);
void ref_call_clear(struct ref_call *call);

/* Attributes of the case line. */
const char *ref_text(const struct ref_call *call, const char *name, const char *absent);
int64_t ref_int(const struct ref_call *call, const char *name, int64_t absent);
double ref_float(const struct ref_call *call, const char *name, double absent);
/** How many were listed; -1 when the attribute is absent. */
int ref_ints(const struct ref_call *call, const char *name, int64_t *ints, int max);

/* Index arithmetic. */
void ref_unravel(const struct cop_shape *shape, int64_t i, int64_t *at);
int64_t ref_ravel(const struct cop_shape *shape, const int64_t *at);
/** Element of a tensor that is broadcast to @p shape, at index @p at of that shape. */
double ref_broadcast_at(
    const struct ref_tensor *tensor, const struct cop_shape *shape, const int64_t *at);
struct cop_shape ref_broadcast(const struct cop_shape *a, const struct cop_shape *b);
/** True if src[slot] is there. */
bool ref_has(const struct ref_call *call, int slot);

/** A table of operators and what computes them. */
struct ref_row {
    const char *op;
    void (*run)(struct ref_call *call);
};
extern const struct ref_row ref_math_rows[];   /* reference_math.c; end: op NULL */
extern const struct ref_row ref_layer_rows[];  /* reference_layer.c */
extern const struct ref_row ref_move_rows[];   /* reference_move.c */
extern const struct ref_row ref_norm_rows[];   /* reference_norm.c */
extern const struct ref_row ref_resize_rows[]; /* reference_resize.c */
extern const struct ref_row ref_map_rows[];    /* reference_map.c */

#endif
