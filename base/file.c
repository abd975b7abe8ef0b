/* base/file.c - whole files in and out; see file.h.
 *
 * A file being written lives beside its final name, so that the rename at the end stays
 * within one file system and is atomic. */
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cop_file {
    FILE *stream;
    char path[PATH_MAX];
    char part[PATH_MAX]; /* the temporary name, in the same folder */
};

/* Another process may be writing the same file: look for a name nobody holds. */
static FILE *open_part(struct cop_file *file)
{
    for (int i = 0; i < 100; i++) {
        int n = snprintf(
            file->part,
            sizeof file->part,
            "%s.%ld-%d.part",
            file->path,
            (long)getpid(),
            i);
        if (n < 0 || (size_t)n >= sizeof file->part) {
            errno = ENAMETOOLONG;
            return NULL;
        }
        FILE *stream = fopen(file->part, "wxbe");
        if (stream != NULL || errno != EEXIST) return stream;
    }
    return NULL;
}

enum cop_status cop_file_create(
    const char *path, struct cop_file **file, struct cop_err *err)
{
    *file = NULL;
    size_t n = strlen(path);
    if (n >= PATH_MAX)
        return COP_FAIL(err, COP_EIO, "path of %zu bytes is too long", n);
    struct cop_file *made = cop_mem_array(1, sizeof *made);
    if (made == NULL) return COP_FAIL_NOMEM(err);
    memcpy(made->path, path, n);
    made->stream = open_part(made);
    if (made->stream == NULL) {
        int reason = errno;
        cop_mem_free(made);
        return COP_FAIL(err, COP_EIO, "cannot create '%s': %s", path, strerror(reason));
    }
    *file = made;
    return COP_OK;
}

enum cop_status cop_file_write(
    struct cop_file *file, const void *bytes, size_t n, struct cop_err *err)
{
    if (n != 0 && fwrite(bytes, 1, n, file->stream) != n)
        return COP_FAIL(
            err, COP_EIO, "cannot write '%s': %s", file->path, strerror(errno));
    return COP_OK;
}

/* Best effort: makes the rename itself last over a power failure. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == path) slash++;
    if (slash != NULL) *slash = '\0';
    int fd = open(slash != NULL ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    (void)close(fd);
}

enum cop_status cop_file_commit(struct cop_file *file, struct cop_err *err)
{
    int ok = fflush(file->stream) == 0 && fsync(fileno(file->stream)) == 0;
    int reason = errno;
    int closed = fclose(file->stream) == 0;
    if (ok && !closed) reason = errno;
    ok = ok && closed;
    if (ok && rename(file->part, file->path) != 0) {
        ok = 0;
        reason = errno;
    }
    enum cop_status status = COP_OK;
    if (ok) {
        sync_folder(file->path);
    } else {
        status = COP_FAIL(
            err, COP_EIO, "cannot write '%s': %s", file->path, strerror(reason));
        (void)unlink(file->part);
    }
    cop_mem_free(file);
    return status;
}

void cop_file_discard(struct cop_file *file)
{
    if (file == NULL) return;
    (void)fclose(file->stream);
    (void)unlink(file->part);
    cop_mem_free(file);
}

/* Reads to the end, but never more than @p size bytes: the file may be growing. */
static enum cop_status read_all(
    int fd, const char *path, char *bytes, size_t size, size_t *n, struct cop_err *err)
{
    *n = 0;
    while (*n < size) {
        ssize_t got = read(fd, bytes + *n, size - *n);
        if (got == 0) break;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return COP_FAIL(
                err, COP_EIO, "cannot read '%s': %s", path, strerror(errno));
        *n += (size_t)got;
    }
    return COP_OK;
}

static enum cop_status read_open_file(
    int fd,
    const char *path,
    size_t max_bytes,
    char **bytes,
    size_t *n,
    struct cop_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return COP_FAIL(err, COP_EIO, "cannot stat '%s': %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return COP_FAIL(err, COP_EIO, "'%s' is not a regular file", path);
    size_t size = (size_t)info.st_size;
    if (size > max_bytes)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "'%s' has %zu bytes, at most %zu are accepted",
            path,
            size,
            max_bytes);
    size_t with_end;
    *bytes = cop_add_overflow(size, 1, &with_end) ? NULL : cop_mem_array(with_end, 1);
    if (*bytes == NULL)
        return COP_FAIL(err, COP_ENOMEM, "out of memory for '%s'", path);
    enum cop_status status = read_all(fd, path, *bytes, size, n, err);
    if (status != COP_OK) {
        cop_mem_free(*bytes);
        *bytes = NULL;
    }
    return status;
}

enum cop_status cop_file_read(
    const char *path, size_t max_bytes, char **bytes, size_t *n, struct cop_err *err)
{
    *bytes = NULL;
    *n = 0;
    /* not blocking: opening a pipe must not wait for its writer */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return COP_FAIL(
            err,
            errno == ENOENT ? COP_ENOTFOUND : COP_EIO,
            "cannot open '%s': %s",
            path,
            strerror(errno));
    enum cop_status status = read_open_file(fd, path, max_bytes, bytes, n, err);
    (void)close(fd);
    return status;
}

bool cop_file_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cop_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}
