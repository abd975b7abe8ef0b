/* importers/tf_read.c - from file to checked graph; see tf_read.h and README.md. */
#include "importers/tf_read.h"

#include "importers/message.h"
#include "importers/notes.h"
#include "importers/tf_import.h"

#include <string.h>

enum { MAX_REPEATED = 1 << 24 }; /* elements that short lists may be filled up to */

/* ---- nodes ------------------------------------------------------------------------------ */

static enum cop_status translate(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    if (node->n_inputs < rule->n_inputs)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "has %d inputs, needs %d",
            node->n_inputs,
            rule->n_inputs);
    return rule->translate(import, node, rule, err);
}

static enum cop_status translate_all(struct cop_tf__import *import, struct cop_err *err)
{
    for (int32_t i = 0; i < import->n_order; i++) {
        const struct cop_tf__node *const node = &import->tf.nodes[import->order[i]];
        const struct cop_tf__made *const made = cop_tf__made_of(import, node);
        if (made->rule == NULL) continue;
        const enum cop_status status = translate(import, node, made->rule, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "node '%s' (%s)", node->name, node->op);
        return status;
    }
    return COP_OK;
}

/* ---- outputs ----------------------------------------------------------------------------- */

/* An output bears the name of its node; where nothing of that name was made, or something
 * in another order of axes, a node that changes nothing does. */
static enum cop_status mark_output(
    struct cop_tf__import *import, int32_t i, struct cop_err *err)
{
    const struct cop_tf__ref ref = import->outputs[i];
    const struct cop_tf__node *const node = cop_tf__node_of(import, ref);
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__value(import, ref, &value, err));
    const char *const name =
        ref.port == 0
            ? node->name
            : cop_arena_printf(import->scratch, "%s:%d", node->name, ref.port);
    if (name == NULL) return COP_FAIL_NOMEM(err);
    if (strcmp(value->name, name) != 0 || value->is_input || value->data != NULL ||
        value->is_output)
        COP_TRY(cop_tf__add_unary(import, "Identity", name, value, &value, err));
    return cop_graph_mark_output(import->graph, value, err);
}

static enum cop_status mark_outputs(struct cop_tf__import *import, struct cop_err *err)
{
    for (int32_t i = 0; i < import->n_outputs; i++) {
        const enum cop_status status = mark_output(import, i, err);
        if (status == COP_OK) continue;
        cop_err_in(
            err, "output '%s'", cop_tf__node_of(import, import->outputs[i])->name);
        return status;
    }
    return COP_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static enum cop_status scan(struct cop_tf__import *import, struct cop_err *err)
{
    const struct cop_importers__span file = {
        .at = cop_buf_data(import->file), .n = cop_buf_bytes(import->file)};
    if (file.n == 0) return COP_FAIL(err, COP_EFORMAT, "the file is empty");
    const enum cop_status status =
        cop_tf__scan(file, import->scratch, &import->tf, err);
    if (status == COP_EFORMAT) cop_err_in(err, "not a sound TensorFlow graph");
    return status;
}

static enum cop_status set_meta(struct cop_tf__import *import, struct cop_err *err)
{
    const char *const producer =
        cop_arena_printf(import->scratch, "%lld", (long long)import->tf.producer);
    if (producer == NULL) return COP_FAIL_NOMEM(err);
    return cop_graph_set_meta(import->graph, "tf.producer", producer, err);
}

/* Constants of the file that none of its nodes reads. */
static enum cop_status note_unused(struct cop_tf__import *import, struct cop_err *err)
{
    struct cop_text names;
    cop_importers__names_init(&names);
    for (int32_t i = 0; i < import->tf.n_nodes; i++) {
        const struct cop_tf__node *const node = &import->tf.nodes[i];
        if (strcmp(node->op, "Const") == 0 && !node->is_read &&
            !cop_tf__made_of(import, node)->is_needed)
            cop_importers__names_add(&names, node->name);
    }
    return cop_importers__note_names(import->graph, "tf", &names, err);
}

static enum cop_status take_notes(struct cop_tf__import *import, struct cop_err *err)
{
    COP_TRY(
        cop_importers__note_widened(import->graph, "tf", COP_F16, import->n_half, err));
    COP_TRY(cop_importers__note_widened(
        import->graph, "tf", COP_F64, import->n_double, err));
    return note_unused(import, err);
}

static enum cop_status read_graph(struct cop_tf__import *import, struct cop_err *err)
{
    COP_TRY(scan(import, err));
    COP_TRY(cop_tf__find_order(import, err));
    COP_TRY(cop_tf__find_rules(import, err));
    COP_TRY(cop_graph_create(import->ops, &import->graph, err));
    COP_TRY(cop_tf__add_inputs(import, err));
    COP_TRY(translate_all(import, err));
    COP_TRY(mark_outputs(import, err));
    COP_TRY(set_meta(import, err));
    COP_TRY(take_notes(import, err));
    cop_graph_remove_dead(import->graph);
    COP_TRY(cop_graph_fold(import->graph, err));
    COP_TRY(cop_graph_infer(import->graph, err));
    return cop_graph_check(import->graph, err);
}

bool cop_tf_is_graph(const struct cop_buf *bytes)
{
    const struct cop_importers__span file = {
        .at = cop_buf_data(bytes), .n = cop_buf_bytes(bytes)};
    return cop_tf__is_graph(file);
}

enum cop_status cop_tf_read_bytes(
    struct cop_buf *bytes,
    const char *file_name,
    const struct cop_op_set *ops,
    const struct cop_tf_read_options *options,
    struct cop_graph **graph,
    struct cop_err *err)
{
    static const struct cop_tf_read_options defaults = {0};
    struct cop_tf__import import = {
        .file = bytes,
        .ops = ops,
        .options = options != NULL ? options : &defaults,
        .scratch = cop_arena_create(),
        .room = MAX_REPEATED,
    };
    const enum cop_status status =
        import.scratch != NULL ? read_graph(&import, err) : COP_FAIL_NOMEM(err);
    cop_arena_destroy(import.scratch);
    if (status == COP_OK) {
        *graph = import.graph;
        return COP_OK;
    }
    cop_graph_destroy(import.graph);
    cop_importers__put_file_name(file_name, err);
    return status;
}
