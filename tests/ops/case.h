/* tests/ops/case.h - case lines: one application of one operator each.
 *
 *   Conv 2x8x9x9 c:12x2x3x3 c:12 group=4 pads=1,1,1,1 prune=cut
 *
 * The operator, its sources, its attributes, and directions to the harness, in any order
 * after the operator:
 *   2x8x9x9          an activation of that shape, random in [-2, 2); axis 0 is the batch
 *   2x8x9x9@0.5:3    the same with another range
 *   c:12x2x3x3 c:s   a random constant (s: a scalar); its gradient is checked too
 *   u:2x8x9x9        an activation of uint8, any of its numbers
 *   i:1,2 is:3 i:    given int64 elements: a vector, a scalar, an empty vector
 *   f:1,2 fs:0.5     given float32 elements
 *   b:1,0            given booleans
 *   u8:1,2 s8:-1,2   given uint8 and int8 elements; s32:1,2 int32
 *   -                an absent optional source
 *   name=text        an attribute, or one of
 *     opset=9        the opset the line is written in (13)
 *     dst=2          how many results there are (1)
 *     prune=cut      some channels of the first activation may be cut
 *     prune=frozen   none may
 *     via=last       the channels to cut lie on the last axis, not on axis 1
 *     via=line       of sources with three axes they lie on axis 1, not on the last
 *     via=volume     sources with five axes are volumes: their channels are axis 1 alone
 *     grad=no        the gradient is not checked
 *   => text          the line must fail with that text in its message
 * Lines that start with # are comments. */
#ifndef COP_TESTS_OPS_CASE_H
#define COP_TESTS_OPS_CASE_H

#include "base/rng.h"
#include "graph/graph.h"
#include "reference.h"

#include <stdbool.h>

enum case_kind { CASE_ABSENT, CASE_ACTIVATION, CASE_CONSTANT, CASE_GIVEN };

struct case_src {
    enum case_kind kind;
    enum cop_dtype dtype;
    struct cop_shape shape;
    double low;
    double high;
    double given[32];
};

struct case_line {
    char place[64]; /* "conv.cases:12" */
    char buffer[512];
    char text[512];
    const struct cop_op *op;
    struct case_src src[REF_MAX_SRC];
    int n_src;
    struct ref_attr attrs[REF_MAX_ATTRS];
    int n_attrs;
    int opset;
    int n_dst;
    int64_t mb;         /* of the activations; 1 if there are none */
    const char *expect; /* NULL: succeeds */
    bool must_cut;
    bool must_freeze;
    bool is_last_axis;
    bool is_line;
    bool is_volume;
    bool has_grad;
};

/** Reads one line; false for comments and blank lines.  Fails the test on nonsense. */
bool case_parse(const char *place, const char *text, struct case_line *line);

/** Calls @p visit for every case line of tests/ops/<family>.cases. */
void case_each(
    const char *family,
    void (*visit)(const struct case_line *line, void *context),
    void *context);

/** Families in the order of ops.def, each once; NULL after the last. */
const char *const *case_families(void);

/** Random elements for every source at batch size line->mb, rounded to what the type
 *  holds; clear with case_clear. */
void case_draw(
    const struct case_line *line,
    struct cop_rng *rng,
    struct ref_tensor src[REF_MAX_SRC]);
void case_clear(struct ref_tensor src[REF_MAX_SRC]);

/** The call that the reference computes. */
struct ref_call case_call(const struct case_line *line, const struct ref_tensor *src);

/** The node alone in a graph whose outputs are its results, read as the importer would:
 *  upgraded from its opset, shapes inferred. */
struct case_graph {
    struct cop_graph *graph;
    struct cop_node *node;
    struct cop_value *src[REF_MAX_SRC]; /* NULL: absent */
};
enum cop_status case_build(
    const struct case_line *line,
    const struct ref_tensor *src,
    bool all_constant,
    struct case_graph *built,
    struct cop_err *err);

/** A constant of these elements. */
enum cop_status case_constant(
    struct cop_graph *graph,
    const struct ref_tensor *tensor,
    struct cop_value **value,
    struct cop_err *err);
/** Appends the node of the line over @p src to a graph. */
enum cop_status case_append(
    const struct case_line *line,
    struct cop_graph *graph,
    struct cop_value *const *src,
    struct cop_node **node,
    struct cop_err *err);
/** Upgrades it from the line's opset and infers shapes. */
enum cop_status case_lift(
    const struct case_line *line,
    struct cop_graph *graph,
    struct cop_node *node,
    struct cop_err *err);

#endif
