/* engine/plan.c - life of a plan: create, run, read, mask; see engine.h. */
#include "engine/plan_impl.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/fuse.h"
#include "engine/rewrite.h"
#include "engine/slices.h"

#include <string.h>

/* ---- ports ---------------------------------------------------------------------------- */

/* How the tensor's first array and a row-major tensor map. */
static enum cop_status make_port(
    struct cop_plan *plan, int32_t tensor, struct cop_port *port, struct cop_err *err)
{
    int32_t array;
    const struct cop_md *plain;
    port->tensor = tensor;
    port->shape = *cop_plan__shape(plan, tensor);
    if (plan->n_slices > 1) port->shape.dim[0] *= plan->n_slices;
    if (plan->program->tensors[tensor].role == COP_TENSOR_CONST &&
        plan->program->tensors[tensor].dtype != COP_F32)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "value '%s' is %s, the engine reads float32",
            plan->program->tensors[tensor].name,
            cop_dtype_name(plan->program->tensors[tensor].dtype));
    COP_TRY(cop_plan__array(plan, tensor, &array, err));
    const struct cop_md *own = cop_plan__md(plan, array);
    port->is_plain = cop_md_is_plain(own);
    if (port->is_plain) return COP_OK;
    COP_TRY(
        cop_md_create(plan->arena, cop_plan__shape(plan, tensor), NULL, &plain, err));
    return cop_copy_between(plan->arena, own, plain, &port->copy, err);
}

static float *port_data(const struct cop_plan *plan, const struct cop_port *port)
{
    return plan->arrays[plan->first_array[port->tensor]].data;
}

static size_t port_bytes(const struct cop_plan *plan, const struct cop_port *port)
{
    return (size_t)cop_shape_n(cop_plan__shape(plan, port->tensor)) * sizeof(float);
}

static enum cop_status make_ports(
    struct cop_plan *plan,
    const int32_t *tensors,
    int32_t n,
    struct cop_port **ports,
    struct cop_err *err)
{
    *ports = COP_ARENA_NEW_N(plan->arena, n, struct cop_port);
    if (*ports == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        COP_TRY(make_port(plan, tensors[i], &(*ports)[i], err));
    return COP_OK;
}

/* A known tap needs its array before the plan is placed. */
static enum cop_status keep_constants(struct cop_plan *plan, struct cop_err *err)
{
    for (int32_t i = 0; i < plan->program->n_tensors; i++) {
        const struct cop_tensor *tensor = &plan->program->tensors[i];
        int32_t array;
        if (tensor->keep && tensor->role == COP_TENSOR_CONST &&
            tensor->dtype == COP_F32)
            COP_TRY(cop_plan__array(plan, i, &array, err));
    }
    return COP_OK;
}

/* ---- life ----------------------------------------------------------------------------- */

static enum cop_status check_options(
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_err *err)
{
    if (options->mb < 1)
        return COP_FAIL(
            err, COP_EINVAL, "batch size is %lld, at least 1", (long long)options->mb);
    if (options->threads < 0)
        return COP_FAIL(err, COP_EINVAL, "thread count is %d", options->threads);
    int32_t n_ends = options->n_ends > 0 ? options->n_ends : cop_graph_n_outputs(graph);
    if (n_ends == 0) return COP_FAIL(err, COP_EINVAL, "the graph has no outputs");
    return COP_OK;
}

/* Gradients need every tensor of the run. */
static void keep_everything(struct cop_program *program)
{
    for (int32_t i = 0; i < program->n_tensors; i++) {
        if (program->tensors[i].role == COP_TENSOR_COMPUTED)
            program->tensors[i].keep = true;
    }
}

/* What oneDNN's kernels like best. */
static bool has_channels_last(void)
{
    return strncmp(cop_dnnl_isa(), "avx512", 6) == 0;
}

static enum cop_status compile(struct cop_plan *plan, struct cop_err *err)
{
    struct cop_program *program = plan->program;
    cop_program_remove_dead(program);
    if (plan->purpose == COP_PURPOSE_INFER) {
        COP_TRY(cop_program_rewrite(program, has_channels_last(), err));
        COP_TRY(cop_program_fuse(program, err));
    } else
        keep_everything(program);
    COP_TRY(cop_plan__build(plan, err));
    plan->n_starts = program->n_starts;
    plan->n_ends = program->n_ends;
    COP_TRY(make_ports(plan, program->starts, program->n_starts, &plan->starts, err));
    COP_TRY(make_ports(plan, program->ends, program->n_ends, &plan->ends, err));
    COP_TRY(keep_constants(plan, err));
    COP_TRY(cop_plan__place(plan, err));
    COP_TRY(cop_plan__bind(plan, err));
    if (plan->purpose == COP_PURPOSE_INFER) return COP_OK;
    return cop_plan__backward_create(plan, err);
}

enum cop_status cop_plan__new(
    struct cop_engine *engine,
    int threads,
    enum cop_purpose purpose,
    struct cop_plan **plan,
    struct cop_err *err)
{
    *plan = cop_mem_array(1, sizeof **plan);
    if (*plan == NULL) return COP_FAIL_NOMEM(err);
    (*plan)->engine = engine;
    (*plan)->purpose = purpose;
    (*plan)->threads = threads > 0 ? threads : cop_par_max_threads();
    (*plan)->method = -1;
    (*plan)->n_slices = 1;
    (*plan)->arena = cop_arena_create();
    if ((*plan)->arena != NULL) return COP_OK;
    cop_mem_free(*plan);
    *plan = NULL;
    return COP_FAIL_NOMEM(err);
}

/* oneDNN fits kernels to the thread count at creation. */
enum cop_status cop_plan__compile(struct cop_plan *plan, struct cop_err *err)
{
    int before = cop_par_threads();
    cop_par_set_threads(plan->threads);
    enum cop_status status = compile(plan, err);
    cop_par_set_threads(before);
    return status;
}

/* The program of the batch, or of a slice of it. */
static enum cop_status create_program(
    struct cop_plan *plan,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_err *err)
{
    struct cop_arena_mark mark = cop_arena_mark(plan->arena);
    COP_TRY(cop_program_create(plan->arena, graph, options, &plan->program, err));
    bool is_whole = !options->may_slice || options->n_taps > 0 ||
                    options->purpose != COP_PURPOSE_INFER;
    plan->n_slices =
        is_whole ? 1 : cop_program_slices(plan->program, plan->engine->cache_bytes);
    if (plan->n_slices == 1) return COP_OK;
    struct cop_plan_options slice = *options;
    slice.mb /= plan->n_slices;
    cop_arena_reset(plan->arena, mark);
    return cop_program_create(plan->arena, graph, &slice, &plan->program, err);
}

enum cop_status cop_plan__create_with(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    int method,
    struct cop_plan **plan,
    struct cop_err *err)
{
    *plan = NULL;
    COP_TRY(check_options(graph, options, err));
    struct cop_plan *fresh;
    COP_TRY(cop_plan__new(engine, options->threads, options->purpose, &fresh, err));
    fresh->method = method;
    fresh->is_plain = options->purpose != COP_PURPOSE_INFER;
    enum cop_status status = create_program(fresh, graph, options, err);
    if (status == COP_OK) status = cop_plan__compile(fresh, err);
    if (status != COP_OK) {
        cop_plan_destroy(fresh);
        return status;
    }
    *plan = fresh;
    return COP_OK;
}

enum cop_status cop_plan_create(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_plan **plan,
    struct cop_err *err)
{
    return cop_plan__create_with(engine, graph, options, -1, plan, err);
}

void cop_plan_destroy(struct cop_plan *plan)
{
    if (plan == NULL) return;
    for (int32_t i = 0; i < plan->n_masks; i++)
        cop_mem_free(plan->masks[i].channels);
    cop_mem_free(plan->masks);
    cop_plan__backward_destroy(plan->backward);
    cop_arena_destroy(plan->arena);
    cop_mem_free(plan->block);
    cop_mem_free(plan->scratchpad);
    cop_mem_free(plan);
}

int32_t cop_plan_n_starts(const struct cop_plan *plan)
{
    return plan->n_starts;
}

int32_t cop_plan_n_ends(const struct cop_plan *plan)
{
    return plan->n_ends;
}

const struct cop_shape *cop_plan_start_shape(const struct cop_plan *plan, int32_t i)
{
    return &plan->starts[i].shape;
}

const struct cop_shape *cop_plan_end_shape(const struct cop_plan *plan, int32_t i)
{
    return &plan->ends[i].shape;
}

void cop_plan_memory(const struct cop_plan *plan, struct cop_plan_memory *memory)
{
    *memory = plan->memory;
}

/* ---- running -------------------------------------------------------------------------- */

static enum cop_status load(
    const struct cop_plan *plan,
    const float *const *starts,
    int64_t slice,
    struct cop_err *err)
{
    for (int32_t i = 0; i < plan->n_starts; i++) {
        const struct cop_port *port = &plan->starts[i];
        if (starts[i] == NULL)
            return COP_FAIL(err, COP_EINVAL, "start %d is not given", (int)i);
        size_t bytes = port_bytes(plan, port);
        const char *from = (const char *)starts[i] + (size_t)slice * bytes;
        memcpy(port_data(plan, port), from, bytes);
    }
    return COP_OK;
}

static enum cop_status unload(
    const struct cop_plan *plan,
    const struct cop_port *port,
    float *elements,
    struct cop_err *err)
{
    if (port->is_plain) {
        memcpy(elements, port_data(plan, port), port_bytes(plan, port));
        return COP_OK;
    }
    return cop_copy_run(&port->copy, port_data(plan, port), elements, err);
}

static enum cop_status run_slice(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    int64_t slice,
    double *times,
    struct cop_err *err)
{
    COP_TRY(load(plan, starts, slice, err));
    COP_TRY(cop_plan__run_steps(plan, times, err));
    for (int32_t i = 0; i < plan->n_ends; i++) {
        if (ends == NULL || ends[i] == NULL) continue;
        const struct cop_port *port = &plan->ends[i];
        size_t n = port_bytes(plan, port) / sizeof(float);
        COP_TRY(unload(plan, port, ends[i] + (size_t)slice * n, err));
    }
    return COP_OK;
}

enum cop_status cop_plan__run(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    double *times,
    struct cop_err *err)
{
    int before = cop_par_threads();
    cop_par_set_threads(plan->threads);
    enum cop_status status = COP_OK;
    for (int64_t i = 0; status == COP_OK && i < plan->n_slices; i++)
        status = run_slice(plan, starts, ends, i, times, err);
    cop_par_set_threads(before);
    plan->has_run = status == COP_OK;
    return status;
}

enum cop_status cop_plan_run(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    struct cop_err *err)
{
    return cop_plan__run(plan, starts, ends, NULL, err);
}

/* The tensor of a value that may be read, or COP_EINVAL. */
static enum cop_status find_kept(
    const struct cop_plan *plan,
    int32_t value_id,
    const char *what,
    struct cop_err *err)
{
    const struct cop_program *program = plan->program;
    bool known = value_id >= 0 && value_id < program->n_tensors;
    const struct cop_tensor *tensor = known ? &program->tensors[value_id] : NULL;
    if (!known || !tensor->keep || tensor->role == COP_TENSOR_UNUSED)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "value %d ('%s') %s",
            (int)value_id,
            known ? tensor->name : "?",
            what);
    return COP_OK;
}

enum cop_status cop_plan_read(
    struct cop_plan *plan,
    int32_t value_id,
    float *elements,
    int64_t n,
    struct cop_err *err)
{
    COP_TRY(find_kept(plan, value_id, "was not tapped", err));
    if (!plan->has_run) return COP_FAIL(err, COP_EINVAL, "the plan has not run yet");
    if (plan->n_slices > 1)
        return COP_FAIL(err, COP_EINVAL, "the plan ran in slices, nothing is left");
    int64_t want = cop_shape_n(cop_plan__shape(plan, value_id));
    if (n != want)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "value '%s' has %lld elements, room is for %lld",
            plan->program->tensors[value_id].name,
            (long long)want,
            (long long)n);
    struct cop_port port;
    struct cop_arena_mark mark = cop_arena_mark(plan->arena);
    enum cop_status status = make_port(plan, value_id, &port, err);
    if (status == COP_OK) {
        int before = cop_par_threads();
        cop_par_set_threads(plan->threads);
        status = unload(plan, &port, elements, err);
        cop_par_set_threads(before);
    }
    cop_arena_reset(plan->arena, mark);
    return status;
}

/* ---- masks ---------------------------------------------------------------------------- */

static struct cop_mask *find_mask(const struct cop_plan *plan, int32_t value_id)
{
    for (int32_t i = 0; i < plan->n_masks; i++) {
        if (plan->masks[i].value_id == value_id) return &plan->masks[i];
    }
    return NULL;
}

static enum cop_status add_mask(
    struct cop_plan *plan,
    int32_t value_id,
    struct cop_mask **mask,
    struct cop_err *err)
{
    const struct cop_shape *shape = cop_plan__shape(plan, value_id);
    struct cop_mask fresh = {.value_id = value_id, .n_channels = shape->dim[1]};
    COP_TRY(cop_offsets_of(
        plan->arena,
        cop_plan__md(plan, plan->first_array[value_id]),
        &fresh.offsets,
        err));
    size_t n = (size_t)plan->n_masks;
    struct cop_mask *masks = cop_mem_grow(plan->masks, n, n + 1, sizeof *masks);
    if (masks == NULL) return COP_FAIL_NOMEM(err);
    plan->masks = masks;
    plan->masks[n] = fresh;
    plan->n_masks++;
    *mask = &plan->masks[n];
    return COP_OK;
}

enum cop_status cop_plan_mask_channels(
    struct cop_plan *plan,
    int32_t value_id,
    const uint8_t *mask,
    float fill,
    struct cop_err *err)
{
    COP_TRY(find_kept(plan, value_id, "was not tapped", err));
    const struct cop_tensor *tensor = &plan->program->tensors[value_id];
    if (!tensor->is_tap || tensor->role == COP_TENSOR_CONST)
        return COP_FAIL(
            err, COP_EINVAL, "value '%s' is neither a tap nor a start", tensor->name);
    if (tensor->shape.rank < 2)
        return COP_FAIL(
            err, COP_ESHAPE, "value '%s' has no channel axis", tensor->name);
    struct cop_mask *own = find_mask(plan, value_id);
    if (mask == NULL) {
        if (own == NULL) return COP_OK;
        cop_mem_free(own->channels);
        own->channels = NULL;
        return COP_OK;
    }
    if (own == NULL) COP_TRY(add_mask(plan, value_id, &own, err));
    if (own->channels == NULL) {
        own->channels = cop_mem_array((size_t)own->n_channels, 1);
        if (own->channels == NULL) return COP_FAIL_NOMEM(err);
    }
    memcpy(own->channels, mask, (size_t)own->n_channels);
    own->fill = fill;
    return COP_OK;
}
