/* importers/notes.c - see notes.h. */
#include "importers/notes.h"

#include <inttypes.h>
#include <stdio.h>

enum { MAX_NAMES = 16 << 20 };

enum cop_status cop_importers__note_widened(
    struct cop_graph *graph,
    const char *format,
    enum cop_dtype dtype,
    int64_t n,
    struct cop_err *err)
{
    char key[64];
    char text[24];
    if (n == 0) return COP_OK;
    (void)snprintf(key, sizeof key, "%s.widened.%s", format, cop_dtype_name(dtype));
    (void)snprintf(text, sizeof text, "%" PRId64, n);
    return cop_graph_set_meta(graph, key, text, err);
}

void cop_importers__names_init(struct cop_text *names)
{
    cop_text_init(names, MAX_NAMES);
}

void cop_importers__names_add(struct cop_text *names, const char *name)
{
    cop_text_printf(names, "%s%s", names->n > 0 ? "\n" : "", name);
}

enum cop_status cop_importers__note_names(
    struct cop_graph *graph,
    const char *format,
    struct cop_text *names,
    struct cop_err *err)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s.unused", format);
    enum cop_status status = cop_text_status(names, err);
    if (status == COP_EINVAL)
        status = COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "names of unused tensors take more than %d MiB",
            MAX_NAMES >> 20);
    if (status == COP_OK && names->n > 0)
        status = cop_graph_set_meta(graph, key, names->bytes, err);
    cop_text_clear(names);
    return status;
}

static bool is_unused(const struct cop_value *value)
{
    return value != NULL && value->data != NULL && value->n_uses == 0 &&
           !value->is_output;
}

enum cop_status cop_importers__note_unused(
    struct cop_graph *graph, const char *format, struct cop_err *err)
{
    struct cop_text names;
    cop_importers__names_init(&names);
    for (int32_t i = 0; i < cop_graph_n_values(graph); i++) {
        const struct cop_value *const value = cop_graph_value(graph, i);
        if (is_unused(value)) cop_importers__names_add(&names, value->name);
    }
    return cop_importers__note_names(graph, format, &names, err);
}

int64_t cop_importers__count_byte_weights(
    const struct cop_graph *graph, enum cop_dtype dtype)
{
    int64_t n = 0;
    for (int32_t i = 0; i < cop_graph_n_values(graph); i++) {
        const struct cop_value *const value = cop_graph_value(graph, i);
        n += value != NULL && value->data != NULL && value->dtype == dtype &&
             value->n_uses > 0 && value->shape.rank >= 2;
    }
    return n;
}
