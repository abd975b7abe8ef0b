/* engine/fuse.c - fusion of primitives; see fuse.h.  Works on readers and writers of
 * tensors, never on operators.  A tensor that is kept (end, tap) is a wall. */
#include "engine/fuse.h"

#include <math.h>
#include <string.h>

struct fuser {
    struct cop_program *program;
    int32_t *n_readers; /* by tensor */
    int32_t *reader;    /* by tensor: position of its last reader in prims */
};

/* ---- who reads what ---------------------------------------------------------------------- */

void cop_program_count_readers(const struct cop_program *program, int32_t *n_readers)
{
    memset(n_readers, 0, (size_t)program->n_tensors * sizeof n_readers[0]);
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *prim = program->prims[i];
        if (prim->dead) continue;
        for (int32_t k = 0; k < prim->n_srcs; k++) {
            if (prim->srcs[k] >= 0) n_readers[prim->srcs[k]]++;
        }
        for (int32_t k = 0; k < prim->n_posts; k++) {
            if (prim->posts[k].kind == COP_POST_SUM) n_readers[prim->posts[k].tensor]++;
        }
    }
}

static void find_readers(struct fuser *fuser)
{
    const struct cop_program *program = fuser->program;
    cop_program_count_readers(program, fuser->n_readers);
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *prim = program->prims[i];
        for (int32_t k = 0; !prim->dead && k < prim->n_srcs; k++) {
            if (prim->srcs[k] >= 0) fuser->reader[prim->srcs[k]] = i;
        }
    }
}

static void drop_dead(struct cop_program *program)
{
    int32_t n = 0;
    for (int32_t i = 0; i < program->n_prims; i++) {
        if (!program->prims[i]->dead) program->prims[n++] = program->prims[i];
    }
    program->n_prims = n;
}

void cop_program_remove_dead(struct cop_program *program)
{
    bool *read = COP_ARENA_NEW_N(program->arena, program->n_tensors, bool);
    if (read == NULL) return; /* more work, the same results */
    for (int32_t i = program->n_prims - 1; i >= 0; i--) {
        struct cop_prim *prim = program->prims[i];
        prim->dead = !read[prim->dst] && !program->tensors[prim->dst].keep;
        for (int32_t k = 0; !prim->dead && k < prim->n_srcs; k++) {
            if (prim->srcs[k] >= 0) read[prim->srcs[k]] = true;
        }
    }
    drop_dead(program);
}

/* ---- per-channel lines -------------------------------------------------------------------- */

static bool is_f32_const(const struct cop_program *program, int32_t tensor)
{
    return program->tensors[tensor].role == COP_TENSOR_CONST &&
           program->tensors[tensor].dtype == COP_F32;
}

/* The axis of the result along which weights and bias can scale it, or -1. */
static int32_t channel_axis(
    const struct cop_program *program, const struct cop_prim *prim)
{
    if (prim->n_posts > 0 || !is_f32_const(program, prim->srcs[1])) return -1;
    if (prim->srcs[2] >= 0 && !is_f32_const(program, prim->srcs[2])) return -1;
    if (prim->kind == COP_PRIM_CONV) return 1;
    if (prim->kind == COP_PRIM_MATMUL && !prim->as.matmul.transpose_src &&
        program->tensors[prim->srcs[1]].shape.rank == 2)
        return program->tensors[prim->dst].shape.rank - 1;
    return -1;
}

static enum cop_status line_of(
    struct cop_program *program, struct cop_prim *prim, int64_t n, struct cop_err *err)
{
    if (prim->affine != NULL) return COP_OK;
    struct cop_affine *line = COP_ARENA_NEW(program->arena, struct cop_affine);
    if (line == NULL) return COP_FAIL_NOMEM(err);
    line->n = n;
    line->scale = COP_ARENA_NEW_N(program->arena, n, double);
    line->shift = COP_ARENA_NEW_N(program->arena, n, double);
    if (line->scale == NULL || line->shift == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++)
        line->scale[i] = 1.0;
    prim->affine = line;
    return COP_OK;
}

/* y = (x - mean) / sqrt(variance + epsilon) * scale + shift, in double. */
static enum cop_status fold_normalise(
    struct cop_program *program,
    const struct cop_prim *norm,
    struct cop_affine *line,
    struct cop_err *err)
{
    double *params[4]; /* scale, shift, mean, variance */
    for (int i = 0; i < 4; i++)
        COP_TRY(cop_program_const_f64(program, norm->srcs[1 + i], &params[i], err));
    for (int64_t i = 0; i < line->n; i++) {
        double factor = params[0][i] / sqrt(params[3][i] + (double)norm->as.epsilon);
        line->scale[i] *= factor;
        line->shift[i] = (line->shift[i] - params[2][i]) * factor + params[1][i];
    }
    return COP_OK;
}

/* True if the constant has one element, or one per step of @p axis of the result. */
static bool is_per_channel(
    const struct cop_program *program, int32_t tensor, int32_t dst, int32_t axis)
{
    if (!is_f32_const(program, tensor)) return false;
    const struct cop_shape *own = &program->tensors[tensor].shape;
    const struct cop_shape *result = &program->tensors[dst].shape;
    int32_t lead = result->rank - own->rank;
    if (lead < 0) return false;
    for (int32_t i = 0; i < own->rank; i++) {
        if (own->dim[i] != 1 && i + lead != axis) return false;
    }
    return true;
}

static bool fold_number(
    enum cop_binary_alg alg, bool const_first, double c, double *scale, double *shift)
{
    switch (alg) {
    case COP_BINARY_ADD: *shift += c; return true;
    case COP_BINARY_SUB:
        *scale = const_first ? -*scale : *scale;
        *shift = const_first ? c - *shift : *shift - c;
        return true;
    case COP_BINARY_MUL:
        *scale *= c;
        *shift *= c;
        return true;
    case COP_BINARY_DIV:
        if (const_first) return false;
        *scale /= c;
        *shift /= c;
        return true;
    default: return false;
    }
}

static bool line_takes_binary(
    const struct cop_program *program,
    const struct cop_prim *prim,
    const struct cop_prim *next,
    int32_t axis)
{
    int32_t other = next->srcs[0] == prim->dst ? next->srcs[1] : next->srcs[0];
    double scale = 1.0;
    double shift = 0.0;
    return other != prim->dst && is_per_channel(program, other, next->dst, axis) &&
           cop_shape_equal(
               &program->tensors[prim->dst].shape,
               &program->tensors[next->dst].shape) &&
           fold_number(next->as.binary, next->srcs[0] == other, 1.0, &scale, &shift);
}

static enum cop_status fold_binary(
    struct cop_program *program,
    const struct cop_prim *prim,
    const struct cop_prim *next,
    struct cop_err *err)
{
    bool const_first = next->srcs[1] == prim->dst;
    int32_t other = const_first ? next->srcs[0] : next->srcs[1];
    double *numbers;
    COP_TRY(cop_program_const_f64(program, other, &numbers, err));
    bool single = cop_shape_n(&program->tensors[other].shape) == 1;
    for (int64_t i = 0; i < prim->affine->n; i++)
        (void)fold_number(
            next->as.binary,
            const_first,
            numbers[single ? 0 : i],
            &prim->affine->scale[i],
            &prim->affine->shift[i]);
    return COP_OK;
}

/* Folds @p next into the line of @p prim; *done tells whether it could. */
static enum cop_status fuse_line(
    struct cop_program *program,
    struct cop_prim *prim,
    const struct cop_prim *next,
    bool *done,
    struct cop_err *err)
{
    *done = false;
    int32_t axis = channel_axis(program, prim);
    if (axis < 0) return COP_OK;
    int64_t n = program->tensors[prim->dst].shape.dim[axis];
    if (next->kind == COP_PRIM_NORMALISE && axis == 1 && next->n_posts == 0) {
        for (int i = 1; i < 5; i++) {
            if (!is_f32_const(program, next->srcs[i])) return COP_OK;
        }
        COP_TRY(line_of(program, prim, n, err));
        *done = true;
        return fold_normalise(program, next, prim->affine, err);
    }
    if (next->kind == COP_PRIM_BINARY && line_takes_binary(program, prim, next, axis)) {
        COP_TRY(line_of(program, prim, n, err));
        *done = true;
        return fold_binary(program, prim, next, err);
    }
    return COP_OK;
}

/* ---- posts --------------------------------------------------------------------------------- */

/* oneDNN 2.6 keeps one set of numbers per function: of two of a kind the second would get
 * those of the first. */
static bool has_post_like(const struct cop_prim *prim, const struct cop_prim *next)
{
    for (int32_t i = 0; i < prim->n_posts; i++)
        if (prim->posts[i].kind == COP_POST_ELTWISE &&
            prim->posts[i].alg == next->as.eltwise.alg)
            return true;
    return false;
}

static bool takes_eltwise(
    const struct cop_program *program,
    const struct cop_prim *prim,
    const struct cop_prim *next)
{
    if (next->kind != COP_PRIM_ELTWISE || prim->n_posts >= COP_MAX_POSTS ||
        !cop_eltwise_is_dnnl(next->as.eltwise.alg) || has_post_like(prim, next))
        return false;
    switch (prim->kind) {
    case COP_PRIM_CONV:
    case COP_PRIM_MATMUL: return true;
    case COP_PRIM_BINARY: /* where oneDNN computes it */
        return cop_binary_is_dnnl(prim->as.binary) &&
               cop_shape_equal(
                   &program->tensors[prim->srcs[0]].shape,
                   &program->tensors[prim->srcs[1]].shape);
    case COP_PRIM_NORMALISE: /* all that its kernels know */
        return prim->n_posts == 0 && next->as.eltwise.alg == COP_ELTWISE_RELU &&
               next->as.eltwise.alpha == 0.0f;
    default: return false;
    }
}

/* dst = conv + other.  Where other dies it becomes the place of the result; else a kernel
 * of ours reads it, or it is copied first. */
static bool takes_sum(
    const struct cop_program *program,
    const struct cop_prim *prim,
    const struct cop_prim *next)
{
    if (prim->kind != COP_PRIM_CONV || prim->n_posts > 0) return false;
    if (next->kind != COP_PRIM_BINARY || next->as.binary != COP_BINARY_ADD)
        return false;
    int32_t other = next->srcs[0] == prim->dst ? next->srcs[1] : next->srcs[0];
    const struct cop_tensor *summed = &program->tensors[other];
    for (int32_t i = 0; i < prim->n_srcs; i++) {
        if (prim->srcs[i] == other) return false; /* read and overwritten at once */
    }
    return other != prim->dst && summed->role == COP_TENSOR_COMPUTED && !summed->keep &&
           cop_shape_equal(&summed->shape, &program->tensors[prim->dst].shape);
}

static void add_post(struct cop_prim *prim, const struct cop_prim *next)
{
    struct cop_post *post = &prim->posts[prim->n_posts++];
    if (next->kind == COP_PRIM_BINARY) {
        int32_t other = next->srcs[0] == prim->dst ? next->srcs[1] : next->srcs[0];
        *post = (struct cop_post){.kind = COP_POST_SUM, .tensor = other};
        return;
    }
    *post = (struct cop_post){
        .kind = COP_POST_ELTWISE,
        .alg = next->as.eltwise.alg,
        .alpha = next->as.eltwise.alpha,
        .beta = next->as.eltwise.beta,
    };
}

/* ---- padding -------------------------------------------------------------------------------- */

static struct cop_window *window_of(struct cop_prim *prim)
{
    if (prim->kind == COP_PRIM_CONV) return &prim->as.conv.window;
    if (prim->kind == COP_PRIM_POOL &&
        prim->as.pool.alg == COP_POOL_AVG_INCLUDE_PADDING)
        return &prim->as.pool.window;
    return NULL;
}

/* Zeros around the image are what the window of @p next would see anyway. */
static bool fuse_pad(struct fuser *fuser, struct cop_prim *pad, struct cop_prim *next)
{
    struct cop_window *window = window_of(next);
    const struct cop_program *program = fuser->program;
    const struct cop_shape *in = &program->tensors[pad->srcs[0]].shape;
    const struct cop_shape *out = &program->tensors[pad->dst].shape;
    if (window == NULL || next->srcs[0] != pad->dst || pad->as.pad.fill != 0.0f)
        return false;
    for (int i = 0; i < 4; i++) {
        int64_t left = pad->as.pad.pads_l[i];
        int64_t right = out->dim[i] - in->dim[i] - left;
        if (left < 0 || right < 0 || (i < 2 && (left != 0 || right != 0))) return false;
        /* Wider padding than the kernel leaves windows that see nothing. */
        if (i >= 2 && (window->pads_l[i - 2] + left >= window->kernel[i - 2] ||
                       window->pads_r[i - 2] + right >= window->kernel[i - 2]))
            return false;
    }
    for (int i = 0; i < 2; i++) {
        window->pads_l[i] += pad->as.pad.pads_l[2 + i];
        window->pads_r[i] +=
            out->dim[2 + i] - in->dim[2 + i] - pad->as.pad.pads_l[2 + i];
    }
    next->srcs[0] = pad->srcs[0];
    return true;
}

/* ---- the sweep -------------------------------------------------------------------------------- */

static enum cop_status merge_nodes(
    struct cop_program *program,
    struct cop_prim *prim,
    const struct cop_prim *other,
    struct cop_err *err)
{
    int32_t n = prim->n_nodes + other->n_nodes;
    int32_t *nodes = COP_ARENA_NEW_N(program->arena, n + 1, int32_t);
    if (nodes == NULL) return COP_FAIL_NOMEM(err);
    int32_t k = 0;
    for (int32_t i = 0; i < prim->n_nodes; i++)
        nodes[k++] = prim->nodes[i];
    for (int32_t i = 0; i < other->n_nodes; i++) {
        bool listed = false;
        for (int32_t j = 0; j < prim->n_nodes; j++)
            listed = listed || prim->nodes[j] == other->nodes[i];
        if (!listed) nodes[k++] = other->nodes[i];
    }
    prim->nodes = nodes;
    prim->n_nodes = k;
    return COP_OK;
}

/* Lets @p prim take over its only reader; *position follows it.  *done: it did. */
static enum cop_status fuse_once(
    struct fuser *fuser,
    struct cop_prim *prim,
    int32_t *position,
    bool *done,
    struct cop_err *err)
{
    struct cop_program *program = fuser->program;
    *done = false;
    if (program->tensors[prim->dst].keep || fuser->n_readers[prim->dst] != 1)
        return COP_OK;
    int32_t reader = fuser->reader[prim->dst];
    struct cop_prim *next = program->prims[reader];
    if (prim->kind == COP_PRIM_PAD && fuse_pad(fuser, prim, next)) {
        if (fuser->reader[next->srcs[0]] < reader)
            fuser->reader[next->srcs[0]] = reader;
        prim->dead = true;
        return merge_nodes(program, next, prim, err);
    }
    bool sum = takes_sum(program, prim, next);
    if (prim->kind == COP_PRIM_CONV || prim->kind == COP_PRIM_MATMUL)
        COP_TRY(fuse_line(program, prim, next, done, err));
    if (!*done && (sum || takes_eltwise(program, prim, next))) {
        add_post(prim, next);
        *done = true;
    }
    if (!*done) return COP_OK;
    prim->dst = next->dst;
    program->tensors[prim->dst].writer = prim;
    next->dead = true;
    if (!sum) return merge_nodes(program, prim, next, err);
    /* The other summand may be computed between the two: wait for it. */
    program->prims[*position] = next;
    program->prims[reader] = prim;
    for (int32_t i = 0; i < prim->n_srcs; i++) {
        if (prim->srcs[i] >= 0 && fuser->reader[prim->srcs[i]] < reader)
            fuser->reader[prim->srcs[i]] = reader;
    }
    *position = reader;
    return merge_nodes(program, prim, next, err);
}

enum cop_status cop_program_fuse(struct cop_program *program, struct cop_err *err)
{
    struct fuser fuser = {.program = program};
    fuser.n_readers = COP_ARENA_NEW_N(program->arena, program->n_tensors, int32_t);
    fuser.reader = COP_ARENA_NEW_N(program->arena, program->n_tensors, int32_t);
    if (fuser.n_readers == NULL || fuser.reader == NULL) return COP_FAIL_NOMEM(err);
    find_readers(&fuser);
    for (int32_t i = 0; i < program->n_prims; i++) {
        struct cop_prim *prim = program->prims[i];
        int32_t position = i;
        bool more = !prim->dead;
        while (more)
            COP_TRY(fuse_once(&fuser, prim, &position, &more, err));
    }
    drop_dead(program);
    return COP_OK;
}
