/* importers/hdf5_scan.c - an HDF5 file through its library; see hdf5_tape.h.
 *
 * The only file that includes hdf5.h.  It runs in a child process that ends right after:
 * on failure nothing is closed.  The library sees the bytes in memory and no file name, so
 * that links to other files, external storage and plug-ins lead nowhere. */
#include "base/mem.h"
#include "importers/hdf5_tape.h"

#include <hdf5.h>
#include <stdio.h>

enum { MAX_TEXT = 16 << 20 };

struct scan {
    hid_t file;
    struct cop_importers__tape *tape;
    size_t file_bytes;
    size_t view_bytes; /* of tensors that lie in the file */
    size_t n_tensors;
    size_t n_half; /* tensors of float16 and of float64 */
    size_t n_double;
};

/** An attribute that is a list of strings. */
struct strings {
    size_t n;
    char **at;
};

/* ---- the file as the library sees it ------------------------------------------------------- */

/* The library may make as many "copies" of the image as it likes: they are all the one that
 * is mapped, and nobody writes to it. */
struct image {
    const void *at;
    size_t n;
};

static void *image_malloc(size_t n, H5FD_file_image_op_t op, void *udata)
{
    (void)op;
    const struct image *image = udata;
    union {
        const void *in;
        void *out;
    } cast = {.in = image->at};
    return n <= image->n ? cast.out : NULL;
}

static void *image_memcpy(
    void *to, const void *from, size_t n, H5FD_file_image_op_t op, void *udata)
{
    (void)from, (void)n, (void)op, (void)udata;
    return to;
}

static herr_t image_free(void *at, H5FD_file_image_op_t op, void *udata)
{
    (void)at, (void)op, (void)udata;
    return 0;
}

static void *udata_copy(void *udata)
{
    return udata;
}

static herr_t udata_free(void *udata)
{
    (void)udata;
    return 0;
}

static enum cop_status open_image(
    struct scan *scan, struct image *image, struct cop_err *err)
{
    /* No file has this name, and none can have. */
    static const char name[] = "/dev/null/image";
    H5FD_file_image_callbacks_t callbacks = {
        .image_malloc = image_malloc,
        .image_memcpy = image_memcpy,
        .image_free = image_free,
        .udata_copy = udata_copy,
        .udata_free = udata_free,
        .udata = image,
    };
    if (H5open() < 0) return COP_FAIL_NOMEM(err);
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (H5PLset_loading_state(0) < 0 || H5Lunregister(H5L_TYPE_EXTERNAL) < 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "the HDF5 library cannot be confined");
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    void *bytes = image_malloc(image->n, H5FD_FILE_IMAGE_OP_FILE_OPEN, image);
    if (access < 0 || H5Pset_fapl_core(access, 1 << 16, 0) < 0 ||
        H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
        H5Pset_file_image(access, bytes, image->n) < 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "the HDF5 library takes no image");
    scan->file = H5Fopen(name, H5F_ACC_RDONLY, access);
    if (scan->file >= 0) return COP_OK;
    return COP_FAIL(err, COP_EFORMAT, "not a sound HDF5 file: it does not open");
}

/* ---- attributes ----------------------------------------------------------------------------- */

static enum cop_status fixed_strings(
    hid_t attr, hid_t type, struct strings *list, struct cop_err *err)
{
    const size_t each = H5Tget_size(type);
    size_t bytes = 0;
    if (each == 0 || cop_mul_overflow(each, list->n, &bytes) || bytes > MAX_TEXT)
        return COP_FAIL(
            err, COP_EFORMAT, "%zu texts of %zu bytes are too much", list->n, each);
    char *all = cop_mem_array(bytes + 1, 1);
    char *texts = cop_mem_array(list->n, each + 1);
    if (all == NULL || texts == NULL) return COP_FAIL_NOMEM(err);
    if (H5Aread(attr, type, all) < 0)
        return COP_FAIL(err, COP_EFORMAT, "cannot be read");
    for (size_t i = 0; i < list->n; i++) {
        list->at[i] = texts + i * (each + 1);
        memcpy(list->at[i], all + i * each, each);
    }
    cop_mem_free(all);
    return COP_OK;
}

static enum cop_status variable_strings(
    hid_t attr, hid_t type, struct strings *list, struct cop_err *err)
{
    static char nothing[] = "";
    hid_t wanted = H5Tcopy(H5T_C_S1);
    if (wanted < 0 || H5Tset_size(wanted, H5T_VARIABLE) < 0 ||
        H5Tset_cset(wanted, H5Tget_cset(type)) < 0)
        return COP_FAIL(err, COP_EFORMAT, "is a text of no known kind");
    if (H5Aread(attr, wanted, list->at) < 0)
        return COP_FAIL(err, COP_EFORMAT, "cannot be read");
    for (size_t i = 0; i < list->n; i++)
        if (list->at[i] == NULL) list->at[i] = nothing;
    (void)H5Tclose(wanted);
    return COP_OK;
}

static enum cop_status read_attr(hid_t attr, struct strings *list, struct cop_err *err)
{
    hid_t type = H5Aget_type(attr);
    hid_t space = H5Aget_space(attr);
    hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (type < 0 || n < 0 || n > COP_TAPE_TENSORS)
        return COP_FAIL(err, COP_EFORMAT, "has no sound type or extent");
    list->n = (size_t)n;
    list->at = cop_mem_array(list->n, sizeof *list->at);
    if (list->at == NULL) return COP_FAIL_NOMEM(err);
    if (n > 0) { /* an empty list may be one of any type */
        if (H5Tget_class(type) != H5T_STRING)
            return COP_FAIL(err, COP_EFORMAT, "is no text");
        COP_TRY(
            H5Tis_variable_str(type) > 0 ? variable_strings(attr, type, list, err)
                                         : fixed_strings(attr, type, list, err));
    }
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    return COP_OK;
}

/* An absent attribute is an empty list. */
static enum cop_status get_strings(
    hid_t where, const char *name, struct strings *list, struct cop_err *err)
{
    *list = (struct strings){0};
    htri_t is_there = H5Aexists(where, name);
    if (is_there == 0) return COP_OK;
    hid_t attr = is_there > 0 ? H5Aopen(where, name, H5P_DEFAULT) : -1;
    enum cop_status status = attr >= 0 ? read_attr(attr, list, err)
                                       : COP_FAIL(err, COP_EFORMAT, "does not open");
    if (status != COP_OK) {
        cop_err_in(err, "attribute '%s'", name);
        return status;
    }
    (void)H5Aclose(attr);
    return COP_OK;
}

/* Lists that are too long for one attribute are written as NAME0, NAME1, ... */
static enum cop_status get_long_strings(
    hid_t where, const char *name, struct strings *list, struct cop_err *err)
{
    COP_TRY(get_strings(where, name, list, err));
    for (int part = 0; H5Aexists(where, name) == 0; part++) {
        char numbered[64];
        struct strings more;
        (void)snprintf(numbered, sizeof numbered, "%s%d", name, part);
        COP_TRY(get_strings(where, numbered, &more, err));
        if (more.n == 0) break;
        size_t n = list->n + more.n;
        if (n > COP_TAPE_TENSORS)
            return COP_FAIL(err, COP_EFORMAT, "attribute '%s' is too long", name);
        char **grown = cop_mem_grow(list->at, list->n, n, sizeof *grown);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        memcpy(grown + list->n, more.at, more.n * sizeof *grown);
        *list = (struct strings){.n = n, .at = grown};
    }
    return COP_OK;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static enum cop_status read_extent(
    hid_t set, hsize_t dims[H5S_MAX_RANK], int *rank, size_t *n, struct cop_err *err)
{
    hid_t space = H5Dget_space(set);
    if (space < 0 || H5Sget_simple_extent_type(space) == H5S_NULL)
        return COP_FAIL(err, COP_EFORMAT, "has no extent");
    *rank = H5Sget_simple_extent_dims(space, dims, NULL);
    if (*rank < 0) return COP_FAIL(err, COP_EFORMAT, "has no extent");
    *n = 1;
    for (int i = 0; i < *rank; i++)
        if (cop_mul_overflow(*n, (size_t)dims[i], n) || *n > (size_t)1 << 40)
            return COP_FAIL(err, COP_EFORMAT, "has an extent that makes no sense");
    (void)H5Sclose(space);
    return COP_OK;
}

static enum cop_status check_storage(
    hid_t set, H5D_layout_t *layout, struct cop_err *err)
{
    hid_t created = H5Dget_create_plist(set);
    if (created < 0) return COP_FAIL(err, COP_EFORMAT, "has no storage");
    *layout = H5Pget_layout(created);
    if (*layout == H5D_VIRTUAL || H5Pget_external_count(created) != 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "is kept in another file");
    (void)H5Pclose(created);
    return COP_OK;
}

static void write_place(
    struct scan *scan,
    enum cop_importers__tape_kind kind,
    const hsize_t *dims,
    int rank,
    uint64_t where)
{
    cop_importers__tape_number(scan->tape, kind);
    cop_importers__tape_number(scan->tape, (uint64_t)rank);
    for (int i = 0; i < rank; i++)
        cop_importers__tape_number(scan->tape, dims[i]);
    if (kind != COP_TAPE_OTHER) cop_importers__tape_number(scan->tape, where);
}

/* Sums are compared with the file's size: tensors that share bytes would let a small file
 * ask for a lot. */
static enum cop_status write_view(
    struct scan *scan,
    const hsize_t *dims,
    int rank,
    haddr_t at,
    size_t bytes,
    struct cop_err *err)
{
    if (at > scan->file_bytes || bytes > scan->file_bytes - at)
        return COP_FAIL(err, COP_EFORMAT, "%zu bytes overrun the file", bytes);
    scan->view_bytes += bytes;
    if (scan->view_bytes > scan->file_bytes)
        return COP_FAIL(err, COP_EFORMAT, "lies where other tensors lie");
    write_place(scan, COP_TAPE_IN_FILE, dims, rank, at);
    return COP_OK;
}

/* Chunked, compressed, or in another float format: the library decodes it. */
static enum cop_status write_decoded(
    struct scan *scan,
    hid_t set,
    const hsize_t *dims,
    int rank,
    size_t bytes,
    struct cop_err *err)
{
    write_place(scan, COP_TAPE_HERE, dims, rank, bytes);
    void *room = cop_importers__tape_room(scan->tape, bytes);
    if (room == NULL)
        return COP_FAIL(err, COP_EFORMAT, "%zu bytes are too much", bytes);
    if (bytes > 0 &&
        H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, room) < 0)
        return COP_FAIL(err, COP_EFORMAT, "cannot be read");
    return COP_OK;
}

static enum cop_status scan_set(struct scan *scan, hid_t set, struct cop_err *err)
{
    hsize_t dims[H5S_MAX_RANK] = {0};
    H5D_layout_t layout = H5D_CONTIGUOUS;
    int rank = 0;
    size_t n = 0;
    COP_TRY(read_extent(set, dims, &rank, &n, err));
    COP_TRY(check_storage(set, &layout, err));
    hid_t type = H5Dget_type(set);
    if (type < 0) return COP_FAIL(err, COP_EFORMAT, "has no type");
    const bool is_float = H5Tget_class(type) == H5T_FLOAT;
    const bool is_plain = is_float && H5Tequal(type, H5T_IEEE_F32LE) > 0;
    scan->n_half += is_float && H5Tget_size(type) == 2;
    scan->n_double += is_float && H5Tget_size(type) == 8;
    (void)H5Tclose(type);
    if (!is_float) {
        write_place(scan, COP_TAPE_OTHER, dims, rank, 0);
        return COP_OK;
    }
    const haddr_t at =
        is_plain && layout == H5D_CONTIGUOUS ? H5Dget_offset(set) : HADDR_UNDEF;
    if (at != HADDR_UNDEF)
        return write_view(scan, dims, rank, at, n * sizeof(float), err);
    return write_decoded(scan, set, dims, rank, n * sizeof(float), err);
}

static enum cop_status scan_tensor(
    struct scan *scan, hid_t group, const char *name, struct cop_err *err)
{
    if (++scan->n_tensors > COP_TAPE_TENSORS || strlen(name) > COP_TAPE_NAME)
        return COP_FAIL(err, COP_EFORMAT, "too many tensors, or a name too long");
    cop_importers__tape_text(scan->tape, name);
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    enum cop_status status = set >= 0 ? scan_set(scan, set, err)
                                      : COP_FAIL(err, COP_EFORMAT, "does not open");
    if (status != COP_OK) cop_err_in(err, "tensor '%s'", name);
    (void)H5Dclose(set);
    return status;
}

/* ---- groups --------------------------------------------------------------------------------- */

static enum cop_status scan_layer(
    struct scan *scan, hid_t weights, const char *name, struct cop_err *err)
{
    struct strings names;
    if (strlen(name) > COP_TAPE_NAME)
        return COP_FAIL(err, COP_EFORMAT, "has a name of %zu bytes", strlen(name));
    hid_t group = H5Gopen2(weights, name, H5P_DEFAULT);
    if (group < 0) return COP_FAIL(err, COP_EFORMAT, "has no group in the file");
    COP_TRY(get_long_strings(group, "weight_names", &names, err));
    cop_importers__tape_text(scan->tape, name);
    cop_importers__tape_number(scan->tape, names.n);
    for (size_t i = 0; i < names.n; i++)
        COP_TRY(scan_tensor(scan, group, names.at[i], err));
    (void)H5Gclose(group);
    return COP_OK;
}

static enum cop_status scan_layers(struct scan *scan, struct cop_err *err)
{
    struct strings names;
    hid_t weights = H5Gopen2(scan->file, "model_weights", H5P_DEFAULT);
    if (weights < 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "the file has no group 'model_weights'");
    COP_TRY(get_long_strings(weights, "layer_names", &names, err));
    if (names.n > COP_TAPE_LAYERS)
        return COP_FAIL(err, COP_EFORMAT, "%zu layers are too many", names.n);
    cop_importers__tape_number(scan->tape, names.n);
    for (size_t i = 0; i < names.n; i++) {
        enum cop_status status = scan_layer(scan, weights, names.at[i], err);
        if (status == COP_OK) continue;
        cop_err_in(err, "layer '%s'", names.at[i]);
        return status;
    }
    return COP_OK;
}

static enum cop_status scan_text(
    struct scan *scan, const char *name, bool is_needed, struct cop_err *err)
{
    struct strings list;
    COP_TRY(get_strings(scan->file, name, &list, err));
    if (list.n != 1 && is_needed)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "no attribute '%s': not a whole Keras model (weights alone do not tell "
            "what "
            "the layers are)",
            name);
    const char *text = list.n == 1 ? list.at[0] : "";
    if (strlen(text) > MAX_TEXT)
        return COP_FAIL(
            err, COP_EFORMAT, "attribute '%s' has %zu bytes", name, strlen(text));
    cop_importers__tape_text(scan->tape, text);
    return COP_OK;
}

enum cop_status cop_importers__h5_scan(
    const struct cop_buf *file, struct cop_importers__tape *tape, struct cop_err *err)
{
    struct image image = {.at = cop_buf_data(file), .n = cop_buf_bytes(file)};
    struct scan scan = {.tape = tape, .file_bytes = image.n};
    COP_TRY(open_image(&scan, &image, err));
    COP_TRY(scan_text(&scan, "model_config", true, err));
    COP_TRY(scan_text(&scan, "keras_version", false, err));
    COP_TRY(scan_text(&scan, "backend", false, err));
    COP_TRY(scan_layers(&scan, err));
    cop_importers__tape_number(tape, scan.n_half);
    cop_importers__tape_number(tape, scan.n_double);
    if (!tape->is_full) return COP_OK;
    return COP_FAIL(err, COP_EFORMAT, "more than %zu bytes to tell", tape->cap);
}
