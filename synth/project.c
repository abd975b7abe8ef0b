/* synth/project.c - graphs and data sets in and out of the project file; see project.h. */
#include "synth/project.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/engine.h"
#include "exporters/onnx_write.h"
#include "importers/onnx_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHA_PREFIX "sha256:"
enum { MAX_SKELETON_BYTES = 256 << 20, EXTERNAL_FROM_BYTES = 64 };

/* ---- models ------------------------------------------------------------------------ */

struct saving {
    struct cop_store *store;
    struct cop_text skeleton;
};

static enum cop_status collect(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    struct saving *saving = context;
    cop_text_add(&saving->skeleton, bytes, n);
    return cop_text_status(&saving->skeleton, err);
}

static enum cop_status store_tensor(
    void *context,
    const struct cop_value *constant,
    char location[128],
    struct cop_err *err)
{
    struct saving *saving = context;
    char sha256[COP_HASH_HEX];
    COP_TRY(cop_store_put_blob(
        saving->store,
        cop_buf_data(constant->data),
        cop_buf_bytes(constant->data),
        sha256,
        err));
    (void)snprintf(location, 128, SHA_PREFIX "%s", sha256);
    return COP_OK;
}

static enum cop_status save_parts(
    struct saving *saving,
    const struct cop_graph *graph,
    struct cop_model_row *row,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_onnx_write_options options = {
        .sink = collect,
        .context = saving,
        .external = store_tensor,
        .external_from = EXTERNAL_FROM_BYTES,
    };
    COP_TRY(cop_onnx_write(graph, &options, err));
    char sha256[COP_HASH_HEX];
    COP_TRY(cop_store_put_blob(
        saving->store, saving->skeleton.bytes, saving->skeleton.n, sha256, err));
    row->graph_sha = cop_arena_strdup(arena, sha256);
    if (row->graph_sha == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_graph_macs(graph, &row->macs, err));
    row->params = cop_graph_n_params(graph);
    row->bytes = cop_graph_param_bytes(graph);
    row->created_us = cop_clock_wall_us();
    return cop_store_put_model(saving->store, row, err);
}

enum cop_status cop_project_save_model(
    struct cop_store *store,
    const struct cop_graph *graph,
    struct cop_model_row *row,
    struct cop_arena *arena,
    struct cop_err *err)
{
    struct saving saving = {.store = store};
    cop_text_init(&saving.skeleton, MAX_SKELETON_BYTES);
    enum cop_status status = save_parts(&saving, graph, row, arena, err);
    cop_text_clear(&saving.skeleton);
    return status;
}

/* Tensors from here on do not stay in memory beside what plans pack of them. */
#define LEAST_SPILLED ((size_t)2 << 20)

static enum cop_status load_tensor(
    void *context,
    const char *location,
    int64_t offset,
    int64_t length,
    struct cop_buf **data,
    struct cop_err *err)
{
    struct cop_store *store = context;
    size_t prefix = sizeof SHA_PREFIX - 1;
    if (strncmp(location, SHA_PREFIX, prefix) != 0 || offset != 0)
        return COP_FAIL(err, COP_ESTORE, "tensor '%s' is not in the project", location);
    COP_TRY(cop_store_get_blob(store, location + prefix, data, err));
    size_t have = cop_buf_bytes(*data);
    if (have >= LEAST_SPILLED) cop_buf_spill(data);
    if (length < 0 || (size_t)length == have) return COP_OK;
    cop_buf_release(*data);
    *data = NULL;
    return COP_FAIL(
        err,
        COP_ESTORE,
        "tensor '%.20s...' has %zu bytes, the model says %lld",
        location,
        have,
        (long long)length);
}

static enum cop_status unknown_model(
    struct cop_store *store,
    const char *name,
    struct cop_arena *arena,
    struct cop_err *err)
{
    struct cop_model_row *rows = NULL;
    int32_t n = 0;
    COP_TRY(cop_store_list_models(store, arena, &rows, &n, err));
    char names[160] = "";
    size_t used = 0;
    for (int32_t i = 0; i < n && used < sizeof names - 4; i++) {
        int wrote = snprintf(
            names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", rows[i].name);
        if (wrote < 0) break;
        used += (size_t)wrote;
    }
    if (n == 0)
        return COP_FAIL(
            err, COP_ENOTFOUND, "no model '%s': the project has no models yet", name);
    return COP_FAIL(err, COP_ENOTFOUND, "no model '%s'; there are: %s", name, names);
}

static enum cop_status load_model(
    struct cop_store *store,
    const char *name,
    const struct cop_op_set *ops,
    struct cop_arena *arena,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_model_row row;
    enum cop_status status = cop_store_get_model(store, name, arena, &row, err);
    if (status == COP_ENOTFOUND) return unknown_model(store, name, arena, err);
    COP_TRY(status);
    struct cop_buf *skeleton = NULL;
    COP_TRY(cop_store_get_blob(store, row.graph_sha, &skeleton, err));
    const struct cop_onnx_read_options options = {
        .file_name = name,
        .external = load_tensor,
        .external_context = store,
    };
    status = cop_onnx_read_bytes(skeleton, ops, &options, graph, err);
    cop_buf_release(skeleton);
    return status;
}

enum cop_status cop_project_load_model(
    struct cop_store *store,
    const char *name,
    const struct cop_op_set *ops,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = load_model(store, name, ops, arena, graph, err);
    cop_arena_destroy(arena);
    return status;
}

/* ---- data sets ----------------------------------------------------------------------- */

static enum cop_data_format format_from_name(const char *name)
{
    if (strcmp(name, "folder") == 0) return COP_DATA_FOLDER;
    if (strcmp(name, "cifar") == 0) return COP_DATA_CIFAR;
    if (strcmp(name, "idx") == 0) return COP_DATA_IDX;
    if (strcmp(name, "records") == 0) return COP_DATA_RECORDS;
    return COP_DATA_AUTO;
}

static enum cop_status open_dataset(
    const struct cop_dataset_row *row,
    struct cop_dataset **dataset,
    struct cop_err *err)
{
    struct cop_data_source source = {
        .format = format_from_name(row->format),
        .path = row->path,
        .labels = row->labels[0] != '\0' ? row->labels : NULL,
    };
    if (row->record_shape[0] != '\0') {
        char *at = NULL;
        source.record_shape[0] = strtoll(row->record_shape, &at, 10);
        if (*at == 'x') source.record_shape[1] = strtoll(at + 1, &at, 10);
        if (*at == 'x') source.record_shape[2] = strtoll(at + 1, &at, 10);
    }
    struct cop_preprocess preprocess;
    COP_TRY(cop_preprocess_parse(row->preprocess, &preprocess, err));
    COP_TRY(cop_dataset_open(&source, &preprocess, dataset, err));
    if (cop_dataset_n(*dataset) == row->n) return COP_OK;
    int64_t now = cop_dataset_n(*dataset);
    cop_dataset_close(*dataset);
    *dataset = NULL;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "data set '%s' had %lld samples when it was added, now '%s' has %lld",
        row->name,
        (long long)row->n,
        row->path,
        (long long)now);
}

enum cop_status cop_project_open_dataset(
    struct cop_store *store,
    const char *name,
    struct cop_dataset **dataset,
    int64_t *dataset_id,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct cop_dataset_row row;
    enum cop_status status = cop_store_get_dataset(store, name, arena, &row, err);
    if (status == COP_OK) status = open_dataset(&row, dataset, err);
    if (status == COP_OK && dataset_id != NULL) *dataset_id = row.id;
    cop_arena_destroy(arena);
    return status;
}

const char *cop_project_machine_json(
    const struct cop_engine *engine, int threads, struct cop_arena *arena)
{
    struct cop_engine_info info;
    cop_engine_describe(engine, &info);
    for (char *c = info.cpu; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') *c = ' ';
    }
    return cop_arena_printf(
        arena,
        "{\"cpu\":\"%s\",\"isa\":\"%s\",\"onednn\":\"%s\",\"threads\":%d,"
        "\"coppice\":\"%s\"}",
        info.cpu,
        info.isa,
        info.version,
        threads > 0 ? threads : info.threads,
        COPPICE_VERSION);
}
