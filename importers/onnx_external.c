/* importers/onnx_external.c - see onnx_external.h. */
#include "importers/onnx_external.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILES = 1024 };

struct cop_importers__beside {
    struct cop_arena
        *arena; /* owns this struct, the names and references on the maps */
    const char *folder;
    struct {
        const char *location;
        struct cop_buf *map;
    } files[MAX_FILES];
    size_t n_files;
};

enum cop_status cop_importers__beside_create(
    const char *model_path, struct cop_importers__beside **beside, struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct cop_importers__beside *fresh =
        COP_ARENA_NEW(arena, struct cop_importers__beside);
    const char *slash = strrchr(model_path, '/');
    const char *folder =
        slash == NULL
            ? "."
            : cop_arena_strndup(arena, model_path, (size_t)(slash - model_path) + 1);
    if (fresh == NULL || folder == NULL) {
        cop_arena_destroy(arena);
        return COP_FAIL_NOMEM(err);
    }
    fresh->arena = arena;
    fresh->folder = folder;
    *beside = fresh;
    return COP_OK;
}

void cop_importers__beside_destroy(struct cop_importers__beside *beside)
{
    if (beside != NULL) cop_arena_destroy(beside->arena);
}

static enum cop_status open_failed(
    const char *location, int reason, struct cop_err *err)
{
    if (reason == ELOOP || reason == ENOTDIR)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "external file '%s' is behind a link", location);
    return COP_FAIL(
        err,
        reason == ENOENT ? COP_ENOTFOUND : COP_EIO,
        "cannot open external file '%s': %s",
        location,
        strerror(reason));
}

/* Opens one part of a path below the folder `at`, which it closes. */
static int open_part(int at, const char *part, size_t n, bool is_last)
{
    char name[256];
    memcpy(name, part, n);
    name[n] = '\0';
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = openat(at, name, is_last ? flags : flags | O_DIRECTORY);
    int reason = errno;
    (void)close(at);
    errno = reason;
    return fd;
}

static enum cop_status open_location(
    const struct cop_importers__beside *beside,
    const char *location,
    int *opened,
    struct cop_err *err)
{
    int fd = open(beside->folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) return open_failed(location, errno, err);
    for (const char *part = location;; part++) {
        size_t n = strcspn(part, "/");
        if (n == 0 || n > 255 || (n == 2 && memcmp(part, "..", 2) == 0)) {
            (void)close(fd);
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "external file '%s' is not below the model's folder",
                location);
        }
        bool is_last = part[n] == '\0';
        fd = open_part(fd, part, n, is_last);
        if (fd < 0) return open_failed(location, errno, err);
        part += n;
        if (is_last) break;
    }
    *opened = fd;
    return COP_OK;
}

static enum cop_status map_location(
    struct cop_importers__beside *beside,
    const char *location,
    struct cop_buf **map,
    struct cop_err *err)
{
    for (size_t i = 0; i < beside->n_files; i++) {
        if (strcmp(beside->files[i].location, location) != 0) continue;
        *map = beside->files[i].map;
        return COP_OK;
    }
    if (beside->n_files == MAX_FILES)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "tensors lie in more than %d files", MAX_FILES);
    int fd = -1;
    COP_TRY(open_location(beside, location, &fd, err));
    enum cop_status status = cop_buf_map_open(fd, location, map, err);
    (void)close(fd);
    if (status != COP_OK) return status;
    if (cop_arena_defer(beside->arena, cop_buf_release_any, *map) != COP_OK)
        return COP_FAIL_NOMEM(err);
    beside->files[beside->n_files].location = cop_arena_strdup(beside->arena, location);
    beside->files[beside->n_files].map = *map;
    if (beside->files[beside->n_files].location == NULL) return COP_FAIL_NOMEM(err);
    beside->n_files++;
    return COP_OK;
}

enum cop_status cop_importers__beside_read(
    void *beside,
    const char *location,
    int64_t offset,
    int64_t length,
    struct cop_buf **data,
    struct cop_err *err)
{
    struct cop_buf *map = NULL;
    COP_TRY(map_location(beside, location, &map, err));
    size_t whole = cop_buf_bytes(map);
    size_t first = (size_t)offset;
    if (first > whole || (length >= 0 && (size_t)length > whole - first))
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "external file '%s' has %zu bytes, the tensor wants %" PRId64
            " at %" PRId64,
            location,
            whole,
            length,
            offset);
    size_t bytes = length >= 0 ? (size_t)length : whole - first;
    return cop_buf_view(map, first, bytes, data, err);
}
