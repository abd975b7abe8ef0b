/* engine/slices.c - how many samples at once; see slices.h.
 *
 * A whole batch of wide activations falls out of the near caches between two layers; a few
 * samples stay.  But each slice reads all weights again, and a layer of few pixels keeps no
 * thread busy.  A slice is therefore as large as it can be while its widest activations
 * take no more bytes than the weights, or than caches hold where weights are few. */
#include "engine/slices.h"

static bool is_batch(const struct cop_program *program, int32_t tensor)
{
    const struct cop_shape *shape = &program->tensors[tensor].shape;
    return shape->rank > 0 && shape->dim[0] == program->mb;
}

/* A constant that is the same for every sample of a result of @p rank axes. */
static bool is_for_all(const struct cop_program *program, int32_t tensor, int32_t rank)
{
    const struct cop_shape *shape = &program->tensors[tensor].shape;
    return shape->rank < rank || shape->rank == 0 || shape->dim[0] == 1;
}

/* True when sample i of the result depends on sample i of the sources alone. */
static bool keeps_samples(
    const struct cop_program *program, const struct cop_prim *prim)
{
    int32_t rank = program->tensors[prim->dst].shape.rank;
    switch (prim->kind) {
    case COP_PRIM_CONV:
    case COP_PRIM_DECONV:
    case COP_PRIM_POOL:
    case COP_PRIM_ELTWISE:
    case COP_PRIM_NORMALISE:
    case COP_PRIM_RESAMPLE: return true;
    case COP_PRIM_RESHAPE: return is_batch(program, prim->srcs[0]);
    case COP_PRIM_MATMUL: return rank == 2 && !prim->as.matmul.transpose_src;
    case COP_PRIM_SOFTMAX: return prim->as.softmax.axis != 0;
    case COP_PRIM_REDUCE: return (prim->as.reduce.axes & 1u) == 0;
    case COP_PRIM_CONCAT: return prim->as.concat_axis != 0;
    case COP_PRIM_TRANSPOSE: return prim->as.perm[0] == 0;
    case COP_PRIM_PAD: return prim->as.pad.pads_l[0] == 0;
    case COP_PRIM_SLICE:
        return prim->as.slice.starts[0] == 0 && prim->as.slice.steps[0] == 1;
    case COP_PRIM_BINARY:
        for (int i = 0; i < 2; i++) {
            bool is_const = program->tensors[prim->srcs[i]].role == COP_TENSOR_CONST;
            if (is_const && !is_for_all(program, prim->srcs[i], rank)) return false;
            if (!is_const && program->tensors[prim->srcs[i]].shape.rank != rank)
                return false;
        }
        return true;
    default: return false; /* rare: not worth a rule */
    }
}

static bool is_sliceable(const struct cop_program *program)
{
    for (int32_t i = 0; i < program->n_starts; i++) {
        if (!is_batch(program, program->starts[i])) return false;
    }
    for (int32_t i = 0; i < program->n_ends; i++) {
        if (program->tensors[program->ends[i]].role != COP_TENSOR_COMPUTED)
            return false;
    }
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *prim = program->prims[i];
        if (!is_batch(program, prim->dst) || !keeps_samples(program, prim))
            return false;
        for (int32_t k = 0; k < prim->n_srcs; k++) {
            if (prim->srcs[k] >= 0 &&
                program->tensors[prim->srcs[k]].role != COP_TENSOR_CONST &&
                !is_batch(program, prim->srcs[k]))
                return false;
        }
    }
    return true;
}

static double bytes_of(const struct cop_program *program, int32_t tensor)
{
    return (double)cop_shape_n(&program->tensors[tensor].shape) * sizeof(float);
}

int64_t cop_program_slices(const struct cop_program *program, double cache_bytes)
{
    double weights = 0.0;
    double widest = 0.0; /* of all samples */
    if (program->mb < 2 || !is_sliceable(program)) return 1;
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *prim = program->prims[i];
        double moved = bytes_of(program, prim->dst);
        for (int32_t k = 0; k < prim->n_srcs; k++) {
            if (prim->srcs[k] < 0) continue;
            if (program->tensors[prim->srcs[k]].role == COP_TENSOR_CONST)
                weights += bytes_of(program, prim->srcs[k]);
            else
                moved += bytes_of(program, prim->srcs[k]);
        }
        if (moved > widest) widest = moved;
    }
    double limit = weights > cache_bytes ? weights : cache_bytes;
    int64_t slices = 1;
    while (slices < program->mb &&
           (program->mb % slices != 0 || widest / (double)slices > limit))
        slices++;
    return slices;
}
