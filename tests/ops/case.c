/* tests/ops/case.c - see case.h. */
#include "case.h"

#include "ops/ops.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const families[] = {
#define OP(family, name) #family,
#include "ops/ops.def"
#undef OP
};

const char *const *case_families(void)
{
    static const char *each[sizeof families / sizeof families[0] + 1];
    size_t n = 0;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (n == 0 || strcmp(each[n - 1], families[i]) != 0) each[n++] = families[i];
    each[n] = NULL;
    return each;
}

/* ---- parsing ---------------------------------------------------------------------------- */

static void parse_shape(const char *place, const char *text, struct cop_shape *shape)
{
    memset(shape, 0, sizeof *shape);
    if (strcmp(text, "s") == 0) return;
    for (char *end = NULL; *text != '\0'; text = *end == 'x' ? end + 1 : end) {
        if (shape->rank == COP_MAX_RANK) fail_msg("%s: too many axes", place);
        shape->dim[shape->rank++] = strtoll(text, &end, 10);
        if (end == text || (*end != 'x' && *end != '\0' && *end != '@'))
            fail_msg("%s: '%s' is not a shape", place, text);
        if (*end == '@') break;
    }
}

static void parse_given(const char *place, const char *text, struct case_src *src)
{
    int64_t n = 0;
    for (char *end = NULL; *text != '\0'; text = *end == ',' ? end + 1 : end) {
        src->given[n++] = strtod(text, &end);
        if (end == text || n == 32) fail_msg("%s: '%s' is not a list", place, text);
    }
    src->shape = cop_shape_make(1, &n);
}

static void parse_src(const char *place, char *text, struct case_src *src)
{
    static const struct {
        const char *prefix;
        enum cop_dtype dtype;
        bool is_scalar;
    } given[] = {
        {"i:", COP_I64, false},
        {"is:", COP_I64, true},
        {"f:", COP_F32, false},
        {"fs:", COP_F32, true},
        {"b:", COP_BOOL, false},
        {"u8:", COP_U8, false},
        {"s8:", COP_I8, false},
        {"s32:", COP_I32, false},
    };
    *src = (struct case_src){.kind = CASE_ACTIVATION, .dtype = COP_F32};
    src->low = -2.0;
    src->high = 2.0;
    if (strcmp(text, "-") == 0) {
        *src = (struct case_src){.kind = CASE_ABSENT};
        return;
    }
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (strncmp(text, given[i].prefix, strlen(given[i].prefix)) != 0) continue;
        src->kind = CASE_GIVEN;
        src->dtype = given[i].dtype;
        parse_given(place, text + strlen(given[i].prefix), src);
        if (given[i].is_scalar) src->shape.rank = 0;
        return;
    }
    if (strncmp(text, "c:", 2) == 0) {
        src->kind = CASE_CONSTANT;
        text += 2;
    }
    if (strncmp(text, "u:", 2) == 0) {
        src->dtype = COP_U8;
        src->low = 0.0;
        src->high = 256.0;
        text += 2;
    }
    char *const range = strchr(text, '@');
    if (range != NULL && sscanf(range, "@%lf:%lf", &src->low, &src->high) != 2)
        fail_msg("%s: '%s' is not a range", place, range);
    if (range != NULL) *range = '\0';
    parse_shape(place, text, &src->shape);
}

static void parse_named(struct case_line *line, char *name, char *text)
{
    if (strcmp(name, "opset") == 0) {
        line->opset = atoi(text);
    } else if (strcmp(name, "dst") == 0) {
        line->n_dst = atoi(text);
    } else if (strcmp(name, "prune") == 0) {
        line->must_cut = strcmp(text, "cut") == 0;
        line->must_freeze = strcmp(text, "frozen") == 0;
        if (!line->must_cut && !line->must_freeze)
            fail_msg("%s: prune is '%s'", line->place, text);
    } else if (strcmp(name, "via") == 0) {
        line->is_last_axis = strcmp(text, "last") == 0;
        line->is_line = strcmp(text, "line") == 0;
        line->is_volume = strcmp(text, "volume") == 0;
        if (!line->is_last_axis && !line->is_line && !line->is_volume)
            fail_msg("%s: via is '%s'", line->place, text);
    } else if (strcmp(name, "grad") == 0) {
        line->has_grad = false;
    } else {
        if (line->n_attrs == REF_MAX_ATTRS) fail_msg("%s: too many", line->place);
        line->attrs[line->n_attrs++] = (struct ref_attr){name, text};
    }
}

bool case_parse(const char *place, const char *text, struct case_line *line)
{
    memset(line, 0, sizeof *line);
    line->opset = 13;
    line->n_dst = 1;
    line->mb = 1;
    line->has_grad = true;
    (void)snprintf(line->place, sizeof line->place, "%s", place);
    (void)snprintf(line->text, sizeof line->text, "%s", text);
    (void)snprintf(line->buffer, sizeof line->buffer, "%s", text);
    line->buffer[strcspn(line->buffer, "\n")] = '\0';
    line->text[strcspn(line->text, "\n")] = '\0';
    if (line->buffer[0] == '#' || line->buffer[0] == '\0') return false;
    char *const arrow = strstr(line->buffer, " => ");
    if (arrow != NULL) {
        *arrow = '\0';
        line->expect = arrow + 4;
    }
    char *rest = NULL;
    char *word = strtok_r(line->buffer, " ", &rest);
    line->op = cop_op_find(&cop_ops_standard, word);
    if (line->op == NULL) fail_msg("%s: no operator '%s'", place, word);
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        char *const equals = strchr(word, '=');
        if (equals != NULL) {
            *equals = '\0';
            parse_named(line, word, equals + 1);
            continue;
        }
        if (line->n_src == REF_MAX_SRC) fail_msg("%s: too many sources", place);
        struct case_src *const src = &line->src[line->n_src++];
        parse_src(place, word, src);
        if (src->kind == CASE_ACTIVATION) line->mb = src->shape.dim[0];
    }
    return true;
}

void case_each(
    const char *family,
    void (*visit)(const struct case_line *line, void *context),
    void *context)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s.cases", family);
    FILE *const file = fopen(path, "r");
    if (file == NULL) fail_msg("no file tests/ops/%s", path);
    char text[512];
    for (int number = 1; fgets(text, sizeof text, file) != NULL; number++) {
        char place[96];
        struct case_line line;
        (void)snprintf(place, sizeof place, "%s:%d", path, number);
        if (case_parse(place, text, &line)) visit(&line, context);
    }
    (void)fclose(file);
}

/* ---- drawing ---------------------------------------------------------------------------- */

void case_draw(
    const struct case_line *line,
    struct cop_rng *rng,
    struct ref_tensor src[REF_MAX_SRC])
{
    memset(src, 0, REF_MAX_SRC * sizeof *src);
    for (int s = 0; s < line->n_src; s++) {
        const struct case_src *const from = &line->src[s];
        if (from->kind == CASE_ABSENT) continue;
        ref_make(&src[s], from->dtype, &from->shape);
        for (int64_t i = 0; i < ref_n(&src[s]); i++)
            src[s].at[i] =
                from->kind == CASE_GIVEN
                    ? from->given[i]
                    : (double)(float)cop_rng_range(rng, from->low, from->high);
        for (int64_t i = 0; from->dtype == COP_F32 && i < ref_n(&src[s]); i++)
            src[s].at[i] = (double)(float)src[s].at[i];
        for (int64_t i = 0; from->kind == CASE_ACTIVATION && from->dtype == COP_U8 &&
                            i < ref_n(&src[s]);
             i++)
            src[s].at[i] = floor(src[s].at[i]);
    }
}

void case_clear(struct ref_tensor src[REF_MAX_SRC])
{
    for (int s = 0; s < REF_MAX_SRC; s++)
        ref_clear(&src[s]);
}

struct ref_call case_call(const struct case_line *line, const struct ref_tensor *src)
{
    struct ref_call call = {
        .op = line->op->name,
        .opset = line->opset,
        .n_attrs = line->n_attrs,
        .src = src,
        .n_src = line->n_src,
        .n_dst = line->n_dst};
    memcpy(call.attrs, line->attrs, sizeof call.attrs);
    return call;
}

/* ---- building --------------------------------------------------------------------------- */

static void store(const struct ref_tensor *tensor, void *to)
{
    const size_t bytes = cop_dtype_bytes(tensor->dtype);
    for (int64_t i = 0; i < ref_n(tensor); i++) {
        const float f32 = (float)tensor->at[i];
        const int64_t i64 = (int64_t)tensor->at[i];
        const int32_t i32 = (int32_t)tensor->at[i];
        const uint8_t byte =
            (uint8_t)(tensor->dtype == COP_BOOL ? i64 != 0 : (unsigned)i64 & 0xffu);
        const void *const from = tensor->dtype == COP_F32   ? (const void *)&f32
                                 : tensor->dtype == COP_I64 ? (const void *)&i64
                                 : tensor->dtype == COP_I32 ? (const void *)&i32
                                                            : (const void *)&byte;
        memcpy((char *)to + (size_t)i * bytes, from, bytes);
    }
}

enum cop_status case_constant(
    struct cop_graph *graph,
    const struct ref_tensor *tensor,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_buf *buf = NULL;
    const size_t bytes = (size_t)ref_n(tensor) * cop_dtype_bytes(tensor->dtype);
    COP_TRY(cop_buf_create(bytes, &buf, err));
    store(tensor, cop_buf_mutable(buf));
    const enum cop_status status =
        cop_graph_add_const(graph, "c", tensor->dtype, &tensor->shape, buf, value, err);
    cop_buf_release(buf);
    return status;
}

static struct ref_tensor listed(const char *text, bool is_whole)
{
    struct ref_tensor tensor = {COP_DTYPE_NONE, {0, {0}}, NULL};
    int64_t n = 0;
    for (const char *at = text; *at != '\0'; at++)
        n += at == text || *at == ',';
    const struct cop_shape shape = cop_shape_make(1, &n);
    ref_make(&tensor, is_whole ? COP_I64 : COP_F32, &shape);
    char *end = NULL;
    for (int64_t i = 0; i < n; i++, text = end + 1)
        tensor.at[i] = strtod(text, &end);
    return tensor;
}

static void *keep(struct cop_graph *graph, const void *from, size_t bytes)
{
    void *const kept = cop_arena_copy(cop_graph_arena(graph), from, bytes + 1);
    assert_non_null(kept);
    return kept;
}

/* Writes one attribute of the line where the row's table says. */
static void set_attr(
    struct cop_graph *graph,
    const struct cop_attr_spec *spec,
    const char *text,
    void *attrs)
{
    void *const to = (char *)attrs + spec->offset;
    const bool is_tensor = spec->type == COP_ATTR_TENSOR;
    const bool is_whole = spec->type == COP_ATTR_INTS || (is_tensor && text[0] == 'i');
    struct ref_tensor list = listed(is_tensor ? strchr(text, ':') + 1 : text, is_whole);
    char packed[1024];
    store(&list, packed);
    const int64_t n = ref_n(&list);
    const size_t bytes = (size_t)n * cop_dtype_bytes(list.dtype);
    if (spec->type == COP_ATTR_INT) {
        *(int64_t *)to = strtoll(text, NULL, 10);
    } else if (spec->type == COP_ATTR_FLOAT) {
        *(float *)to = strtof(text, NULL);
    } else if (spec->type == COP_ATTR_STRING) {
        *(const char **)to = keep(graph, text, strlen(text));
    } else if (spec->type == COP_ATTR_INTS) {
        *(struct cop_ints *)to = (struct cop_ints){n, keep(graph, packed, bytes)};
    } else if (spec->type == COP_ATTR_FLOATS) {
        *(struct cop_floats *)to = (struct cop_floats){n, keep(graph, packed, bytes)};
    } else {
        *(struct cop_fact *)to =
            (struct cop_fact){list.dtype, list.shape, keep(graph, packed, bytes)};
    }
    ref_clear(&list);
}

static const void *make_attrs(const struct case_line *line, struct cop_graph *graph)
{
    if (line->op->attrs_size == 0) return NULL;
    void *const attrs =
        cop_arena_array(cop_graph_arena(graph), 1, line->op->attrs_size);
    assert_non_null(attrs);
    cop_attrs_default(line->op->attrs, attrs);
    for (int i = 0; i < line->n_attrs; i++) {
        const struct cop_attr_spec *const spec =
            cop_attrs_find(line->op->attrs, line->attrs[i].name);
        if (spec == NULL)
            fail_msg("%s: no attribute '%s'", line->place, line->attrs[i].name);
        set_attr(graph, spec, line->attrs[i].text, attrs);
    }
    return attrs;
}

enum cop_status case_append(
    const struct case_line *line,
    struct cop_graph *graph,
    struct cop_value *const *src,
    struct cop_node **node,
    struct cop_err *err)
{
    const char *const names[REF_MAX_DST] = {"y0", "y1", "y2", "y3"};
    const struct cop_node_spec spec = {
        .op = line->op,
        .name = "node",
        .attrs = make_attrs(line, graph),
        .src = src,
        .n_src = line->n_src,
        .dst_names = names,
        .n_dst = line->n_dst};
    return cop_graph_add_node(graph, &spec, node, err);
}

enum cop_status case_lift(
    const struct case_line *line,
    struct cop_graph *graph,
    struct cop_node *node,
    struct cop_err *err)
{
    COP_TRY(line->op->upgrade(graph, node, line->opset, err));
    COP_TRY(cop_graph_sort(graph, err));
    return cop_graph_infer(graph, err);
}

static enum cop_status build(
    const struct case_line *line,
    const struct ref_tensor *src,
    bool all_constant,
    struct case_graph *built,
    struct cop_err *err)
{
    struct cop_graph *const graph = built->graph;
    for (int s = 0; s < line->n_src; s++) {
        struct cop_shape shape = line->src[s].shape;
        if (line->src[s].kind == CASE_ABSENT) continue;
        if (line->src[s].kind != CASE_ACTIVATION || all_constant) {
            COP_TRY(case_constant(graph, &src[s], &built->src[s], err));
            continue;
        }
        if (shape.rank > 0) shape.dim[0] = 1;
        COP_TRY(cop_graph_add_input(
            graph, "x", line->src[s].dtype, &shape, &built->src[s], err));
    }
    COP_TRY(case_append(line, graph, built->src, &built->node, err));
    for (int d = 0; d < line->n_dst; d++)
        COP_TRY(cop_graph_mark_output(graph, built->node->dst[d], err));
    return case_lift(line, graph, built->node, err);
}

enum cop_status case_build(
    const struct case_line *line,
    const struct ref_tensor *src,
    bool all_constant,
    struct case_graph *built,
    struct cop_err *err)
{
    memset(built, 0, sizeof *built);
    COP_TRY(cop_graph_create(&cop_ops_standard, &built->graph, err));
    const enum cop_status status = build(line, src, all_constant, built, err);
    if (status == COP_OK) return COP_OK;
    cop_graph_destroy(built->graph);
    built->graph = NULL;
    return status;
}
