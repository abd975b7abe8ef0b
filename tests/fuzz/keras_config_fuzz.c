/* tests/fuzz/keras_config_fuzz.c - configurations of Keras models, without HDF5.
 *
 * A seed is {"version": "2.4.0", "model": model_config,
 *            "weights": [["layer", ["kernel", 3, 3, 2, 4], ["bias", 4]], ...]}.
 * What lies behind the HDF5 library is reached a hundred times as fast this way. */
#include "fuzz.h"

#include "importers/keras_model.h"
#include "importers/message.h"
#include "importers/wire.h"
#include "mutate.h"
#include "ops/ops.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

enum { MAX_ELEMENTS = 1 << 16 };

/** What the HDF5 part of the reader would hand over. */
struct input {
    struct cop_arena *arena;
    struct cop_importers__h5 h5;
};

static const char *text_of(const cJSON *item)
{
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void make_tensor(
    struct input *input, const cJSON *item, struct cop_importers__h5_tensor *tensor)
{
    const cJSON *dim = NULL;
    size_t n = 1;
    tensor->name = text_of(cJSON_GetArrayItem(item, 0));
    cJSON_ArrayForEach(dim, item)
    {
        if (!cJSON_IsNumber(dim) || tensor->shape.rank == COP_MAX_RANK) continue;
        const int extent = dim->valueint < 0 ? 0 : dim->valueint % 4096;
        if (n * (size_t)extent > MAX_ELEMENTS) continue;
        n *= (size_t)extent;
        tensor->shape.dim[tensor->shape.rank++] = extent;
    }
    if (cop_buf_create(n * sizeof(float), &tensor->data, NULL) != COP_OK) abort();
    float *floats = cop_buf_mutable(tensor->data);
    for (size_t i = 0; i < n; i++)
        floats[i] = (float)(i % 7) / 4;
    input->h5.bytes += n * sizeof(float);
    if (cop_arena_defer(input->arena, cop_buf_release_any, tensor->data) != COP_OK)
        abort();
}

static void make_layers(struct input *input, const cJSON *list)
{
    const cJSON *item = NULL;
    input->h5.layers = COP_ARENA_NEW_N(
        input->arena, cJSON_GetArraySize(list), struct cop_importers__h5_layer);
    cJSON_ArrayForEach(item, list)
    {
        struct cop_importers__h5_layer *layer = &input->h5.layers[input->h5.n];
        const cJSON *tensor = NULL;
        if (!cJSON_IsArray(item)) continue;
        input->h5.n++;
        layer->tensors = COP_ARENA_NEW_N(
            input->arena, cJSON_GetArraySize(item), struct cop_importers__h5_tensor);
        layer->name = text_of(cJSON_GetArrayItem(item, 0));
        cJSON_ArrayForEach(tensor, item) if (cJSON_IsArray(tensor))
            make_tensor(input, tensor, &layer->tensors[layer->n++]);
    }
}

/* The HDF5 part lets nothing else through. */
static bool is_text(const uint8_t *bytes, size_t n)
{
    return cop_importers__is_text((struct cop_importers__span){.at = bytes, .n = n});
}

static enum cop_status read_one(const uint8_t *bytes, size_t n, struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    struct input input = {.arena = cop_arena_create(), .h5.bytes = n};
    cJSON *root =
        is_text(bytes, n) ? cJSON_ParseWithLength((const char *)bytes, n) : NULL;
    char *config =
        cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(root, "model"));
    *err = (struct cop_err){.text = ""};
    input.h5.config = config != NULL ? config : "?";
    input.h5.version = text_of(cJSON_GetObjectItemCaseSensitive(root, "version"));
    input.h5.backend = "tensorflow";
    make_layers(&input, cJSON_GetObjectItemCaseSensitive(root, "weights"));
    enum cop_status status = cop_keras__from_h5(
        &input.h5, input.arena, &cop_ops_standard, NULL, &graph, err);
    cJSON_free(config);
    cJSON_Delete(root);
    cop_arena_destroy(input.arena);
    if (status == COP_OK) {
        fuzz_use_graph(graph);
    } else {
        cop_importers__put_file_name("fuzz", err);
        fuzz_check_refusal(err);
    }
    cop_graph_destroy(graph);
    return status;
}

const struct fuzz_target fuzz_keras_config = {
    .name = "keras_config", .suffix = ".json", .one = read_one, .mutate = mutate_json};
