/* prune/cut.c - makes the smaller graph, or the masked one it must agree with. */
#include "prune/cut_impl.h"

#include "base/mem.h"

#include <string.h>

bool cop_cut__stays(
    const void *map, const struct cop_value *value, int32_t axis, int64_t element)
{
    const struct cop_cut_map *cut_map = map;
    int32_t group;
    int32_t channel;
    if (!cop_groups__find(cut_map->groups, value, axis, element, &group, &channel))
        return true;
    const uint8_t *keep = cut_map->cut->keep[group];
    return keep == NULL || keep[channel] != 0;
}

int64_t cop_cut__width(
    const struct cop_cut_map *map, const struct cop_value *value, int32_t axis)
{
    int64_t n = 0;
    for (int64_t i = 0; i < value->shape.dim[axis]; i++)
        n += cop_cut__stays(map, value, axis, i);
    return n;
}

static bool is_cut_value(const struct cop_cut_map *map, const struct cop_value *value)
{
    for (int32_t axis = 0; axis < value->shape.rank; axis++) {
        if (cop_cut__width(map, value, axis) != value->shape.dim[axis]) return true;
    }
    return false;
}

static enum cop_status check_cut(const struct cop_cut_map *map, struct cop_err *err)
{
    for (int32_t g = 0; g < cop_groups_n(map->groups); g++) {
        const struct cop_group *group = cop_groups_at(map->groups, g);
        const uint8_t *keep = map->cut->keep[g];
        if (keep == NULL) continue;
        int64_t kept = 0;
        for (int64_t c = 0; c < group->n_channels; c++)
            kept += keep[c] != 0;
        if (kept == group->n_channels) continue;
        if (group->frozen_because != NULL)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "group '%s' may not be cut: %s",
                group->name,
                group->frozen_because);
        if (kept == 0)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "the cut leaves none of the %lld channels of group '%s'",
                (long long)group->n_channels,
                group->name);
    }
    return COP_OK;
}

/* ---- constants ---------------------------------------------------------------------- */

/* Copies the elements of one axis that stay; the other axes are untouched. */
static char *pack_axis(
    const char *from,
    char *to,
    size_t outer,
    size_t inner_bytes,
    const uint8_t *stays,
    int64_t extent)
{
    for (size_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < extent; i++, from += inner_bytes) {
            if (!stays[i]) continue;
            memmove(to, from, inner_bytes); /* in place: to never overtakes from */
            to += inner_bytes;
        }
    }
    return to;
}

static enum cop_status pack_all(
    const struct cop_cut_map *map,
    const struct cop_value *value,
    struct cop_shape *shape,
    char *elements,
    struct cop_err *err)
{
    for (int32_t axis = 0; axis < shape->rank; axis++) {
        int64_t extent = shape->dim[axis];
        int64_t width = cop_cut__width(map, value, axis);
        if (width == extent) continue;
        uint8_t *stays = cop_mem_array((size_t)extent, 1);
        if (stays == NULL) return COP_FAIL_NOMEM(err);
        for (int64_t i = 0; i < extent; i++)
            stays[i] = cop_cut__stays(map, value, axis, i);
        size_t outer = (size_t)cop_shape_span(shape, 0, axis);
        size_t inner = (size_t)cop_shape_span(shape, axis + 1, shape->rank);
        (void)pack_axis(
            elements,
            elements,
            outer,
            inner * cop_dtype_bytes(value->dtype),
            stays,
            extent);
        cop_mem_free(stays);
        shape->dim[axis] = width;
    }
    return COP_OK;
}

enum cop_status cop_cut__slice(
    const struct cop_cut_map *map,
    const struct cop_value *value,
    const void *elements,
    struct cop_shape *shape,
    struct cop_buf **sliced,
    struct cop_err *err)
{
    size_t element_bytes = cop_dtype_bytes(value->dtype);
    size_t bytes = (size_t)cop_shape_n(&value->shape) * element_bytes;
    char *work = cop_mem_array(bytes, 1);
    if (work == NULL) return COP_FAIL_NOMEM(err);
    memcpy(work, elements, bytes);
    *shape = value->shape;
    enum cop_status status = pack_all(map, value, shape, work, err);
    if (status == COP_OK) {
        bytes = (size_t)cop_shape_n(shape) * element_bytes;
        status = cop_buf_create(bytes, sliced, err);
    }
    if (status == COP_OK) memcpy(cop_buf_mutable(*sliced), work, bytes);
    cop_mem_free(work);
    return status;
}

static enum cop_status slice_constants(
    const struct cop_cut_map *map, struct cop_graph *small, struct cop_err *err)
{
    const struct cop_graph *graph = map->groups->graph;
    for (int32_t id = 0; id < cop_graph_n_values(graph); id++) {
        const struct cop_value *value = cop_graph_value(graph, id);
        if (value == NULL || value->data == NULL || !is_cut_value(map, value)) continue;
        struct cop_value *to = cop_graph_value(small, id);
        if (to == NULL) continue; /* its only reader's refit replaced it */
        if (to->data != value->data)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "constant '%s' is cut by its ties and was rewritten by a refit",
                value->name);
        struct cop_shape shape;
        struct cop_buf *sliced = NULL;
        COP_TRY(cop_cut__slice(
            map, value, cop_buf_data(value->data), &shape, &sliced, err));
        enum cop_status status = cop_graph_set_const(small, to, &shape, sliced, err);
        cop_buf_release(sliced);
        COP_TRY(status);
    }
    return COP_OK;
}

/* ---- nodes -------------------------------------------------------------------------- */

static bool is_touched(const struct cop_cut_map *map, const struct cop_node *node)
{
    for (int32_t s = 0; s < node->n_src; s++) {
        if (node->src[s] != NULL && is_cut_value(map, node->src[s])) return true;
    }
    for (int32_t d = 0; d < node->n_dst; d++) {
        if (node->dst[d] != NULL && is_cut_value(map, node->dst[d])) return true;
    }
    return false;
}

static enum cop_status refit_nodes(
    const struct cop_cut_map *map, struct cop_graph *small, struct cop_err *err)
{
    const struct cop_graph *graph = map->groups->graph;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        const struct cop_node *node = cop_graph_node(graph, i);
        if (!is_touched(map, node)) continue;
        const struct cop_kept kept = {
            .node = node, .context = map, .stays = cop_cut__stays};
        struct cop_node *to = cop_graph_find_node(small, node->name);
        enum cop_status status = node->op->coupling->refit(small, to, &kept, err);
        if (status != COP_OK) {
            cop_err_in(err, "node '%s' (%s)", node->name, node->op->name);
            return status;
        }
    }
    return COP_OK;
}

/* What the operators infer must be what the ties promised. */
static enum cop_status check_shapes(
    const struct cop_cut_map *map, const struct cop_graph *small, struct cop_err *err)
{
    const struct cop_graph *graph = map->groups->graph;
    for (int32_t id = 0; id < cop_graph_n_values(graph); id++) {
        const struct cop_value *value = cop_graph_value(graph, id);
        const struct cop_value *to = value != NULL ? cop_graph_value(small, id) : NULL;
        if (to == NULL || value->producer == NULL) continue;
        for (int32_t axis = 0; axis < value->shape.rank; axis++) {
            int64_t width = cop_cut__width(map, value, axis);
            if (to->shape.rank == value->shape.rank && to->shape.dim[axis] == width)
                continue;
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "node '%s' (%s): after the cut axis %d of '%s' is %lld, its ties say "
                "%lld",
                value->producer->name,
                value->producer->op->name,
                axis,
                value->name,
                (long long)(axis < to->shape.rank ? to->shape.dim[axis] : 0),
                (long long)width);
        }
    }
    return COP_OK;
}

static enum cop_status cut_clone(
    const struct cop_cut_map *map, struct cop_graph *small, struct cop_err *err)
{
    COP_TRY(refit_nodes(map, small, err));
    COP_TRY(slice_constants(map, small, err));
    COP_TRY(cop_graph_infer(small, err));
    COP_TRY(check_shapes(map, small, err));
    return cop_graph_check(small, err);
}

enum cop_status cop_cut_apply(
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    struct cop_graph **small,
    struct cop_err *err)
{
    const struct cop_cut_map map = {.groups = groups, .cut = cut};
    COP_TRY(check_cut(&map, err));
    struct cop_graph *clone = NULL;
    COP_TRY(cop_graph_clone(groups->graph, &clone, err));
    enum cop_status status = cut_clone(&map, clone, err);
    if (status != COP_OK) {
        cop_graph_destroy(clone);
        return status;
    }
    *small = clone;
    return COP_OK;
}

/* ---- the mask ------------------------------------------------------------------------ */

static enum cop_status zero_member(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t m,
    const uint8_t *keep,
    struct cop_graph *masked,
    struct cop_err *err)
{
    const struct cop_member *member = &group->members[m];
    struct cop_value *value = cop_graph_value(masked, member->value->id);
    const struct cop_shape shape = value->shape;
    size_t bytes = cop_buf_bytes(value->data);
    struct cop_buf *zeroed = NULL;
    COP_TRY(cop_buf_create(bytes, &zeroed, err));
    char *data = cop_buf_mutable(zeroed);
    memcpy(data, cop_buf_data(value->data), bytes);
    size_t outer = (size_t)cop_shape_span(&shape, 0, member->axis);
    size_t inner = (size_t)cop_shape_span(&shape, member->axis + 1, shape.rank) *
                   cop_dtype_bytes(value->dtype);
    size_t extent = (size_t)shape.dim[member->axis];
    for (int64_t c = 0; c < group->n_channels; c++) {
        if (keep[c] != 0) continue;
        const int64_t *elements;
        int64_t n;
        cop_group_elements(groups, group, m, c, &elements, &n);
        for (int64_t e = 0; e < n; e++) {
            for (size_t o = 0; o < outer; o++)
                memset(data + (o * extent + (size_t)elements[e]) * inner, 0, inner);
        }
    }
    enum cop_status status = cop_graph_set_const(masked, value, &shape, zeroed, err);
    cop_buf_release(zeroed);
    return status;
}

static enum cop_status mask_clone(
    const struct cop_cut_map *map, struct cop_graph *masked, struct cop_err *err)
{
    for (int32_t g = 0; g < cop_groups_n(map->groups); g++) {
        const struct cop_group *group = cop_groups_at(map->groups, g);
        const uint8_t *keep = map->cut->keep[g];
        for (int32_t m = 0; keep != NULL && m < group->n_members; m++) {
            if (!group->members[m].is_consumer) continue;
            COP_TRY(zero_member(map->groups, group, m, keep, masked, err));
        }
    }
    return COP_OK;
}

enum cop_status cop_cut_mask(
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    struct cop_graph **masked,
    struct cop_err *err)
{
    const struct cop_cut_map map = {.groups = groups, .cut = cut};
    COP_TRY(check_cut(&map, err));
    struct cop_graph *clone = NULL;
    COP_TRY(cop_graph_clone(groups->graph, &clone, err));
    enum cop_status status = mask_clone(&map, clone, err);
    if (status != COP_OK) {
        cop_graph_destroy(clone);
        return status;
    }
    *masked = clone;
    return COP_OK;
}
