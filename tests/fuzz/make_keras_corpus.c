/* tests/fuzz/make_keras_corpus.c - a configuration of corpus/ (see keras_config_fuzz.c) as
 * an HDF5 file.
 *
 * usage: make_keras_corpus SEED.json SEED.h5 [latest] [fixed] [chunked] [double] [weights]
 *
 * The words choose how the file is written (support/keras_file.h); "weights" leaves the
 * configuration away.  Its bytes depend on the version of the HDF5 library. */
#include "support/keras_file.h"

#include "base/file.h"
#include "base/mem.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 4096 };

static const char *text_at(const cJSON *list, int i)
{
    const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
    return text != NULL ? text : "";
}

static void put_tensor(struct keras_file *file, const cJSON *item)
{
    static float floats[MAX_ELEMENTS];
    char dims[64] = "";
    const cJSON *dim = NULL;
    cJSON_ArrayForEach(dim, item)
    {
        const size_t n = strlen(dims);
        if (cJSON_IsNumber(dim))
            (void)snprintf(
                dims + n, sizeof dims - n, "%s%d", n > 0 ? "," : "", dim->valueint);
    }
    for (int i = 0; i < MAX_ELEMENTS; i++)
        floats[i] = (float)(i % 7) / 4;
    keras_weight(file, text_at(item, 0), dims, floats);
}

static struct keras_style style_of(char **words)
{
    struct keras_style style = {0};
    for (; *words != NULL; words++) {
        style.is_latest = style.is_latest || strcmp(*words, "latest") == 0;
        style.has_fixed_text = style.has_fixed_text || strcmp(*words, "fixed") == 0;
        style.is_chunked = style.is_chunked || strcmp(*words, "chunked") == 0;
        style.is_double = style.is_double || strcmp(*words, "double") == 0;
    }
    return style;
}

static struct cop_buf *make_file(const cJSON *root, char **words)
{
    struct keras_file file;
    const cJSON *layer = NULL;
    char *config =
        cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(root, "model"));
    bool has_config = true;
    for (char **word = words; *word != NULL; word++)
        has_config = has_config && strcmp(*word, "weights") != 0;
    keras_begin(
        &file,
        style_of(words),
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "version")),
        has_config ? config : NULL);
    cJSON_ArrayForEach(layer, cJSON_GetObjectItemCaseSensitive(root, "weights"))
    {
        const cJSON *tensor = NULL;
        keras_layer(&file, text_at(layer, 0));
        cJSON_ArrayForEach(tensor, layer) if (cJSON_IsArray(tensor))
            put_tensor(&file, tensor);
    }
    cJSON_free(config);
    return keras_finish(&file);
}

static enum cop_status write_file(
    const char *path, const struct cop_buf *bytes, struct cop_err *err)
{
    struct cop_file *file = NULL;
    COP_TRY(cop_file_create(path, &file, err));
    const enum cop_status status =
        cop_file_write(file, cop_buf_data(bytes), cop_buf_bytes(bytes), err);
    if (status == COP_OK) return cop_file_commit(file, err);
    cop_file_discard(file);
    return status;
}

int main(int argc, char **argv)
{
    struct cop_err err = {
        .text = "usage: make_keras_corpus SEED.json SEED.h5 [WORD...]"};
    char *text = NULL;
    size_t n = 0;
    enum cop_status status = COP_EINVAL;
    if (argc >= 3) status = cop_file_read(argv[1], 1 << 20, &text, &n, &err);
    cJSON *root = status == COP_OK ? cJSON_Parse(text) : NULL;
    if (root != NULL) {
        struct cop_buf *bytes = make_file(root, argv + 3);
        status = write_file(argv[2], bytes, &err);
        cop_buf_release(bytes);
    }
    if (root == NULL || status != COP_OK)
        (void)fprintf(stderr, "make_keras_corpus: %s\n", err.text);
    cJSON_Delete(root);
    cop_mem_free(text);
    return root == NULL || status != COP_OK;
}
