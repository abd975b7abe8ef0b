/* engine/program.c - the primitive program and its lowering from a graph. */
#include "engine/program.h"

#include "engine/engine.h"
#include "engine/lower.h"

#include <string.h>

const char *cop_prim_kind_name(enum cop_prim_kind kind)
{
    switch (kind) {
    case COP_PRIM_CONV: return "convolution";
    case COP_PRIM_MATMUL: return "matmul";
    case COP_PRIM_POOL: return "pooling";
    case COP_PRIM_ELTWISE: return "eltwise";
    case COP_PRIM_BINARY: return "binary";
    case COP_PRIM_NORMALISE: return "normalise";
    case COP_PRIM_SOFTMAX: return "softmax";
    case COP_PRIM_REDUCE: return "reduce";
    case COP_PRIM_CONCAT: return "concat";
    case COP_PRIM_SLICE: return "slice";
    case COP_PRIM_PAD: return "pad";
    case COP_PRIM_TRANSPOSE: return "transpose";
    case COP_PRIM_RESHAPE: return "reshape";
    case COP_PRIM_PICK: return "pick";
    case COP_PRIM_RESAMPLE: return "resample";
    case COP_PRIM_SELECT: return "select";
    case COP_PRIM_DECONV: return "deconvolution";
    }
    return "unknown";
}

/* ---- growing ----------------------------------------------------------------------- */

/* The old array stays behind in the arena; doubling bounds the waste. */
static void *grow(
    struct cop_arena *arena, const void *old, int32_t n, int32_t *cap, size_t size)
{
    int32_t larger = *cap < 16 ? 32 : 2 * *cap;
    void *fresh = cop_arena_array(arena, (size_t)larger, size);
    if (fresh == NULL) return NULL;
    if (n > 0) memcpy(fresh, old, (size_t)n * size);
    *cap = larger;
    return fresh;
}

enum cop_status cop_program_add_tensor(
    struct cop_program *program,
    const struct cop_tensor *like,
    int32_t *tensor,
    struct cop_err *err)
{
    if (program->n_tensors == program->cap_tensors) {
        struct cop_tensor *fresh = grow(
            program->arena,
            program->tensors,
            program->n_tensors,
            &program->cap_tensors,
            sizeof *fresh);
        if (fresh == NULL) return COP_FAIL_NOMEM(err);
        program->tensors = fresh;
    }
    program->tensors[program->n_tensors] = *like;
    *tensor = program->n_tensors++;
    return COP_OK;
}

static enum cop_status check_readable(
    const struct cop_program *program, int32_t tensor, struct cop_err *err)
{
    const struct cop_tensor *src = &program->tensors[tensor];
    if (src->role == COP_TENSOR_UNUSED ||
        (src->role == COP_TENSOR_COMPUTED && src->writer == NULL))
        return COP_FAIL(
            err, COP_EINVAL, "value '%s' is read before it is computed", src->name);
    if (cop_shape_n(&src->shape) == 0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "value '%s' has no elements", src->name);
    if (src->dtype != COP_F32)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "value '%s' is %s, the engine computes with float32",
            src->name,
            cop_dtype_name(src->dtype));
    return COP_OK;
}

enum cop_status cop_program_add_prim(
    struct cop_program *program,
    enum cop_prim_kind kind,
    const int32_t *srcs,
    int32_t n_srcs,
    int32_t dst,
    struct cop_prim **prim,
    struct cop_err *err)
{
    struct cop_prim *fresh = COP_ARENA_NEW(program->arena, struct cop_prim);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    fresh->kind = kind;
    fresh->n_srcs = n_srcs;
    fresh->dst = dst;
    fresh->srcs =
        cop_arena_copy(program->arena, srcs, (size_t)n_srcs * sizeof fresh->srcs[0]);
    if (fresh->srcs == NULL) return COP_FAIL_NOMEM(err);
    *prim = fresh;
    for (int32_t i = 0; i < n_srcs; i++) {
        if (srcs[i] >= 0) COP_TRY(check_readable(program, srcs[i], err));
    }
    struct cop_tensor *result = &program->tensors[dst];
    /* What a start or a constant already holds is not computed again. */
    if (result->role == COP_TENSOR_START || result->role == COP_TENSOR_CONST)
        return COP_OK;
    if (result->writer != NULL)
        return COP_FAIL(err, COP_EINVAL, "value '%s' is computed twice", result->name);
    if (result->dtype != COP_F32)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "result '%s' is %s, the engine computes float32",
            result->name,
            cop_dtype_name(result->dtype));
    if (program->n_prims == program->cap_prims) {
        struct cop_prim **prims = grow(
            program->arena,
            program->prims,
            program->n_prims,
            &program->cap_prims,
            sizeof *prims);
        if (prims == NULL) return COP_FAIL_NOMEM(err);
        program->prims = prims;
    }
    result->role = COP_TENSOR_COMPUTED;
    result->writer = fresh;
    program->prims[program->n_prims++] = fresh;
    return COP_OK;
}

enum cop_status cop_program_const_f64(
    const struct cop_program *program,
    int32_t tensor,
    double **elements,
    struct cop_err *err)
{
    const struct cop_tensor *constant = &program->tensors[tensor];
    int64_t n = cop_shape_n(&constant->shape);
    *elements = COP_ARENA_NEW_N(program->arena, n, double);
    if (*elements == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++)
        (*elements)[i] = (double)cop_f32_at(constant->data, i);
    return COP_OK;
}

/* ---- from a graph ------------------------------------------------------------------- */

/* A tensor of more than 2^31 bytes per image overflows offsets inside oneDNN 2.6. */
static enum cop_status check_size(const struct cop_tensor *tensor, struct cop_err *err)
{
    int64_t n;
    char text[COP_SHAPE_TEXT];
    COP_TRY(cop_shape_count(&tensor->shape, &n, err));
    int64_t images = tensor->shape.rank > 0 ? tensor->shape.dim[0] : 1;
    if (n == 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "value '%s' (%s) has no elements",
            tensor->name,
            cop_shape_print(&tensor->shape, text, sizeof text));
    if (n / images > ((int64_t)1 << 31) / 4)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "value '%s' (%s) has more than 2^31 bytes per image",
            tensor->name,
            cop_shape_print(&tensor->shape, text, sizeof text));
    return COP_OK;
}

static enum cop_status add_value_tensors(
    struct cop_program *program,
    const struct cop_graph *graph,
    const struct cop_fact *facts,
    struct cop_err *err)
{
    int32_t n = cop_graph_n_values(graph);
    for (int32_t id = 0; id < n; id++) {
        const struct cop_value *value = cop_graph_value(graph, id);
        struct cop_tensor tensor = {.name = "?", .role = COP_TENSOR_UNUSED};
        if (value != NULL) {
            tensor.name = cop_arena_strdup(program->arena, value->name);
            if (tensor.name == NULL) return COP_FAIL_NOMEM(err);
            tensor.shape = facts[id].shape;
            tensor.data = facts[id].data;
            if (value->data != NULL) {
                tensor.buf = value->data;
                tensor.data = cop_buf_data(value->data);
            }
            if (tensor.data != NULL) tensor.role = COP_TENSOR_CONST;
            /* What is computed is held as float32 numbers, whatever the graph calls it. */
            tensor.dtype = tensor.data != NULL ? facts[id].dtype : COP_F32;
        }
        int32_t index;
        COP_TRY(cop_program_add_tensor(program, &tensor, &index, err));
    }
    return COP_OK;
}

static enum cop_status mark_starts(
    struct cop_program *program,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_err *err)
{
    int32_t n = options->n_starts > 0 ? options->n_starts : cop_graph_n_inputs(graph);
    program->n_starts = n;
    program->starts = COP_ARENA_NEW_N(program->arena, n, int32_t);
    if (program->starts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        const struct cop_value *value =
            options->n_starts > 0 ? options->starts[i] : cop_graph_input(graph, i);
        struct cop_tensor *tensor = &program->tensors[value->id];
        if (tensor->role == COP_TENSOR_START)
            return COP_FAIL(err, COP_EINVAL, "value '%s' starts twice", value->name);
        if (value->dtype != COP_F32 && value->dtype != COP_BOOL &&
            value->dtype != COP_U8 && value->dtype != COP_I8)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "input '%s' is %s, the engine computes with float32",
                value->name,
                cop_dtype_name(value->dtype));
        COP_TRY(check_size(tensor, err));
        program->starts[i] = value->id;
        tensor->role = COP_TENSOR_START;
        tensor->dtype = COP_F32;
        tensor->data = NULL;
        tensor->buf = NULL;
        tensor->keep = true;
        tensor->is_tap = true;
    }
    return COP_OK;
}

/* Marks every value that @p value is computed from, back to starts and constants.  Nodes
 * are visited in reverse topological order, so one sweep is enough. */
static void mark_needed(
    const struct cop_graph *graph, const struct cop_program *program, bool *needed)
{
    for (int32_t position = cop_graph_n_nodes(graph) - 1; position >= 0; position--) {
        const struct cop_node *node = cop_graph_node(graph, position);
        bool wanted = false;
        for (int32_t i = 0; i < node->n_dst; i++) {
            const struct cop_value *dst = node->dst[i];
            if (dst != NULL && needed[dst->id] &&
                program->tensors[dst->id].role == COP_TENSOR_UNUSED)
                wanted = true;
        }
        for (int32_t i = 0; wanted && i < node->n_src; i++) {
            if (node->src[i] != NULL) needed[node->src[i]->id] = true;
        }
    }
}

static enum cop_status lower_node(
    struct cop_program *program,
    const struct cop_node *node,
    const struct cop_fact *facts,
    struct cop_err *err)
{
    struct cop_emitter emitter = {.program = program, .node = node, .facts = facts};
    int32_t first = program->n_prims;
    enum cop_status status = node->op->lower(node, &emitter, err);
    if (status != COP_OK) {
        cop_err_in(err, "node '%s' (%s)", node->name, node->op->name);
        return status;
    }
    for (int32_t i = first; i < program->n_prims; i++) {
        struct cop_prim *prim = program->prims[i];
        prim->nodes = cop_arena_copy(program->arena, &node->id, sizeof prim->nodes[0]);
        if (prim->nodes == NULL) return COP_FAIL_NOMEM(err);
        prim->n_nodes = 1;
        status = check_size(&program->tensors[prim->dst], err);
        if (status != COP_OK) return status;
    }
    return COP_OK;
}

/* Lowers, in order, the nodes with a needed result that is neither known nor given. */
static enum cop_status lower_needed(
    struct cop_program *program,
    const struct cop_graph *graph,
    const struct cop_fact *facts,
    const bool *needed,
    struct cop_err *err)
{
    for (int32_t position = 0; position < cop_graph_n_nodes(graph); position++) {
        const struct cop_node *node = cop_graph_node(graph, position);
        bool wanted = false;
        for (int32_t i = 0; i < node->n_dst; i++) {
            const struct cop_value *dst = node->dst[i];
            if (dst != NULL && needed[dst->id] &&
                program->tensors[dst->id].role == COP_TENSOR_UNUSED)
                wanted = true;
        }
        if (wanted) COP_TRY(lower_node(program, node, facts, err));
    }
    return COP_OK;
}

static void keep(struct cop_program *program, int32_t tensor, bool *needed)
{
    needed[tensor] = true;
    program->tensors[tensor].keep = true;
}

static enum cop_status mark_ends(
    struct cop_program *program,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    bool *needed,
    struct cop_err *err)
{
    int32_t n = options->n_ends > 0 ? options->n_ends : cop_graph_n_outputs(graph);
    program->n_ends = n;
    program->ends = COP_ARENA_NEW_N(program->arena, n, int32_t);
    if (program->ends == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        const struct cop_value *value =
            options->n_ends > 0 ? options->ends[i] : cop_graph_output(graph, i);
        program->ends[i] = value->id;
        keep(program, value->id, needed);
    }
    for (int32_t i = 0; i < options->n_taps; i++) {
        keep(program, options->taps[i]->id, needed);
        program->tensors[options->taps[i]->id].is_tap = true;
    }
    return COP_OK;
}

/* An end behind the starts was lowered; anything else must be known or a start. */
static enum cop_status check_reached(
    const struct cop_program *program,
    const struct cop_graph *graph,
    const bool *needed,
    struct cop_err *err)
{
    for (int32_t id = 0; id < cop_graph_n_values(graph); id++) {
        const struct cop_tensor *tensor = &program->tensors[id];
        if (!needed[id] || tensor->role != COP_TENSOR_UNUSED) continue;
        const struct cop_value *value = cop_graph_value(graph, id);
        return COP_FAIL(
            err,
            COP_EINVAL,
            value != NULL && value->is_input
                ? "input '%s' is needed but is not among the starts"
                : "value '%s' is needed but no node computes it",
            tensor->name);
    }
    return COP_OK;
}

enum cop_status cop_program_create(
    struct cop_arena *arena,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_program **program,
    struct cop_err *err)
{
    struct cop_program *fresh = COP_ARENA_NEW(arena, struct cop_program);
    bool *needed = COP_ARENA_NEW_N(arena, cop_graph_n_values(graph) + 1, bool);
    if (fresh == NULL || needed == NULL) return COP_FAIL_NOMEM(err);
    fresh->arena = arena;
    fresh->mb = options->mb;
    fresh->has_gradients = options->purpose != COP_PURPOSE_INFER;
    struct cop_fact *facts;
    COP_TRY(cop_graph_facts(graph, options->mb, arena, &facts, err));
    COP_TRY(add_value_tensors(fresh, graph, facts, err));
    COP_TRY(mark_starts(fresh, graph, options, err));
    COP_TRY(mark_ends(fresh, graph, options, needed, err));
    mark_needed(graph, fresh, needed);
    COP_TRY(lower_needed(fresh, graph, facts, needed, err));
    COP_TRY(check_reached(fresh, graph, needed, err));
    *program = fresh;
    return COP_OK;
}
