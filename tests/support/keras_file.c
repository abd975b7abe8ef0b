/* tests/support/keras_file.c - see keras_file.h. */
#include "support/keras_file.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static hid_t good(hid_t id, const char *what)
{
    if (id >= 0) return id;
    (void)fprintf(stderr, "keras_file: %s failed\n", what);
    abort();
}

#define GOOD(call) good((hid_t)(call), #call)

/* ---- attributes ----------------------------------------------------------------------------- */

static void put_texts(
    const struct keras_file *file,
    hid_t where,
    const char *name,
    const char *const *texts,
    int n, /* -1: one, as a scalar */
    hsize_t count)
{
    hid_t type = GOOD(H5Tcopy(H5T_C_S1));
    hid_t space =
        n < 0 ? GOOD(H5Screate(H5S_SCALAR)) : GOOD(H5Screate_simple(1, &count, NULL));
    size_t longest = 1;
    for (hsize_t i = 0; i < count; i++)
        if (strlen(texts[i]) > longest) longest = strlen(texts[i]);
    GOOD(H5Tset_size(type, file->style.has_fixed_text ? longest : H5T_VARIABLE));
    hid_t attr = GOOD(H5Acreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    if (file->style.has_fixed_text) {
        char *all = calloc(count + 1, longest);
        if (all == NULL) abort();
        for (hsize_t i = 0; i < count; i++)
            memcpy(all + i * longest, texts[i], strlen(texts[i]));
        GOOD(H5Awrite(attr, type, all));
        free(all);
    } else if (count > 0) {
        GOOD(H5Awrite(attr, type, texts));
    }
    GOOD(H5Aclose(attr));
    GOOD(H5Sclose(space));
    GOOD(H5Tclose(type));
}

/* NumPy makes an empty list one of float64. */
static void put_names(
    const struct keras_file *file,
    hid_t where,
    const char *name,
    const char *const *texts,
    int n)
{
    const hsize_t none = 0;
    if (n > 0) {
        put_texts(file, where, name, texts, n, (hsize_t)n);
        return;
    }
    hid_t space = GOOD(H5Screate_simple(1, &none, NULL));
    hid_t attr =
        GOOD(H5Acreate2(where, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT));
    GOOD(H5Aclose(attr));
    GOOD(H5Sclose(space));
}

/* ---- the file ------------------------------------------------------------------------------- */

static hid_t new_group(hid_t where, const char *name)
{
    return GOOD(H5Gcreate2(where, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

void keras_begin(
    struct keras_file *file,
    struct keras_style style,
    const char *version,
    const char *config)
{
    static const char *const backend = "tensorflow";
    *file = (struct keras_file){.style = style, .layer = -1};
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const char *folder = getenv("TMPDIR");
    (void)snprintf(
        file->path,
        sizeof file->path,
        "%s/keras-file-XXXXXX",
        folder != NULL ? folder : "/tmp");
    const int fd = mkstemp(file->path);
    (void)close((int)good(fd, "mkstemp"));
    hid_t access = GOOD(H5Pcreate(H5P_FILE_ACCESS));
    if (style.is_latest)
        GOOD(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
    file->file = GOOD(H5Fcreate(file->path, H5F_ACC_TRUNC, H5P_DEFAULT, access));
    GOOD(H5Pclose(access));
    if (version != NULL) put_texts(file, file->file, "keras_version", &version, -1, 1);
    put_texts(file, file->file, "backend", &backend, -1, 1);
    if (config != NULL) put_texts(file, file->file, "model_config", &config, -1, 1);
    file->weights = new_group(file->file, "model_weights");
}

static void end_layer(struct keras_file *file)
{
    if (file->layer < 0) return;
    put_names(file, file->layer, "weight_names", file->tensors, file->n_tensors);
    GOOD(H5Gclose(file->layer));
    file->layer = -1;
    file->n_tensors = 0;
}

void keras_layer(struct keras_file *file, const char *name)
{
    end_layer(file);
    if (file->n_layers == KERAS_FILE_NAMES) abort();
    file->layers[file->n_layers++] = name;
    file->layer = new_group(file->weights, name);
}

int keras_dims(const char *text, uint64_t dims[8])
{
    int rank = 0;
    for (char *end = NULL; *text != '\0' && rank < 8;
         text = *end == ',' ? end + 1 : end)
        dims[rank++] = strtoull(text, &end, 10);
    return rank;
}

static hid_t create_list(const struct keras_file *file, int rank, const hsize_t *dims)
{
    hid_t list = GOOD(H5Pcreate(H5P_DATASET_CREATE));
    GOOD(H5Pset_obj_track_times(list, false));
    if (file->style.is_chunked && rank > 0) {
        GOOD(H5Pset_chunk(list, rank, dims));
        GOOD(H5Pset_shuffle(list));
        GOOD(H5Pset_deflate(list, 6));
    }
    return list;
}

static void put_set(
    struct keras_file *file,
    const char *name,
    const char *dims_text,
    hid_t file_type,
    hid_t type,
    const void *data)
{
    uint64_t given[8] = {0};
    hsize_t dims[8];
    const int rank = keras_dims(dims_text, given);
    for (int i = 0; i < rank; i++)
        dims[i] = given[i];
    if (file->n_tensors == KERAS_FILE_NAMES) abort();
    file->tensors[file->n_tensors++] = name;
    hid_t list = create_list(file, rank, dims);
    hid_t links = GOOD(H5Pcreate(H5P_LINK_CREATE));
    GOOD(H5Pset_create_intermediate_group(links, 1));
    hid_t space = rank > 0 ? GOOD(H5Screate_simple(rank, dims, NULL))
                           : GOOD(H5Screate(H5S_SCALAR));
    hid_t set =
        GOOD(H5Dcreate2(file->layer, name, file_type, space, links, list, H5P_DEFAULT));
    GOOD(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
    GOOD(H5Dclose(set));
    GOOD(H5Sclose(space));
    GOOD(H5Pclose(links));
    GOOD(H5Pclose(list));
}

void keras_weight(
    struct keras_file *file, const char *name, const char *dims, const float *floats)
{
    put_set(
        file,
        name,
        dims,
        file->style.is_double ? H5T_IEEE_F64BE : H5T_IEEE_F32LE,
        H5T_NATIVE_FLOAT,
        floats);
}

void keras_counter(struct keras_file *file, const char *name)
{
    const int64_t count = 7;
    put_set(file, name, "", H5T_STD_I64LE, H5T_NATIVE_INT64, &count);
}

struct cop_buf *keras_finish(struct keras_file *file)
{
    struct cop_buf *mapped = NULL;
    struct cop_buf *bytes = NULL;
    end_layer(file);
    put_names(file, file->weights, "layer_names", file->layers, file->n_layers);
    GOOD(H5Gclose(file->weights));
    GOOD(H5Fclose(file->file));
    /* Only a closed file may be opened by others: the newest layout says so inside. */
    if (cop_buf_map(file->path, &mapped, NULL) != COP_OK ||
        cop_buf_create(cop_buf_bytes(mapped), &bytes, NULL) != COP_OK)
        abort();
    memcpy(cop_buf_mutable(bytes), cop_buf_data(mapped), cop_buf_bytes(mapped));
    cop_buf_release(mapped);
    (void)unlink(file->path);
    return bytes;
}
