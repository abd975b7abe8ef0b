/* base/buf.c - reference-counted bytes; see buf.h. */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { OWNED, COMMON, MAPPED, VIEW };

struct cop_buf {
    atomic_int owners;
    enum kind kind;
    void *data;
    size_t bytes;
    struct cop_buf *whole; /* of a view */
};

static struct cop_buf *new_buf(enum kind kind, void *data, size_t bytes)
{
    struct cop_buf *buf = cop_mem_array(1, sizeof *buf);
    if (buf == NULL) return NULL;
    atomic_init(&buf->owners, 1);
    buf->kind = kind;
    buf->data = data;
    buf->bytes = bytes;
    return buf;
}

enum cop_status cop_buf_create(size_t bytes, struct cop_buf **buf, struct cop_err *err)
{
    void *data = cop_mem_aligned(bytes);
    *buf = data != NULL ? new_buf(OWNED, data, bytes) : NULL;
    if (*buf != NULL) return COP_OK;
    cop_mem_free(data);
    return COP_FAIL(err, COP_ENOMEM, "out of memory for %zu bytes", bytes);
}

enum cop_status cop_buf_create_common(
    size_t bytes, struct cop_buf **buf, struct cop_err *err)
{
    void *data = mmap(
        NULL,
        bytes,
        PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
        -1,
        0);
    if (data == MAP_FAILED)
        return COP_FAIL(err, COP_ENOMEM, "out of memory for %zu bytes", bytes);
    *buf = new_buf(COMMON, data, bytes);
    if (*buf != NULL) return COP_OK;
    (void)munmap(data, bytes);
    return COP_FAIL_NOMEM(err);
}

enum cop_status cop_buf_map_open(
    int fd, const char *name, struct cop_buf **buf, struct cop_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return COP_FAIL(err, COP_EIO, "cannot stat '%s': %s", name, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return COP_FAIL(err, COP_EIO, "'%s' is not a regular file", name);
    size_t bytes = (size_t)info.st_size;
    void *data = NULL; /* mmap refuses empty files */
    if (bytes > 0) {
        data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            return COP_FAIL(err, COP_EIO, "cannot map '%s': %s", name, strerror(errno));
    }
    *buf = new_buf(MAPPED, data, bytes);
    if (*buf != NULL) return COP_OK;
    if (data != NULL) (void)munmap(data, bytes);
    return COP_FAIL_NOMEM(err);
}

enum cop_status cop_buf_map(const char *path, struct cop_buf **buf, struct cop_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block */
    if (fd < 0)
        return COP_FAIL(
            err,
            errno == ENOENT ? COP_ENOTFOUND : COP_EIO,
            "cannot open '%s': %s",
            path,
            strerror(errno));
    enum cop_status status = cop_buf_map_open(fd, path, buf, err);
    (void)close(fd);
    return status;
}

/* Not /tmp, which may itself be memory. */
static int open_nameless(void)
{
    const char *folder = getenv("TMPDIR");
    char path[256];
    int n = snprintf(
        path, sizeof path, "%s/coppice-XXXXXX", folder != NULL ? folder : "/var/tmp");
    if (n < 0 || (size_t)n >= sizeof path) return -1;
    int fd = mkstemp(path);
    if (fd >= 0) (void)unlink(path);
    return fd;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

void cop_buf_spill(struct cop_buf **buf)
{
    assert((*buf)->kind == OWNED && !cop_buf_is_shared(*buf));
    int fd = open_nameless();
    if (fd < 0) return;
    struct cop_buf *mapped = NULL;
    struct cop_err unused = {0};
    if (write_all(fd, (*buf)->data, (*buf)->bytes) &&
        cop_buf_map_open(fd, "temporary file", &mapped, &unused) == COP_OK) {
        cop_buf_release(*buf);
        *buf = mapped;
    }
    (void)close(fd);
}

enum cop_status cop_buf_view(
    struct cop_buf *whole,
    size_t first,
    size_t bytes,
    struct cop_buf **view,
    struct cop_err *err)
{
    if (first > whole->bytes || bytes > whole->bytes - first)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "view of %zu bytes at %zu overruns a buffer of %zu",
            bytes,
            first,
            whole->bytes);
    char *data = whole->data;
    *view = new_buf(VIEW, data != NULL ? data + first : NULL, bytes);
    if (*view == NULL) return COP_FAIL_NOMEM(err);
    (*view)->whole = cop_buf_retain(whole);
    return COP_OK;
}

struct cop_buf *cop_buf_retain(const struct cop_buf *buf)
{
    union { /* the count is bookkeeping, not content: const callers may share */
        const struct cop_buf *in;
        struct cop_buf *out;
    } cast = {.in = buf};
    (void)atomic_fetch_add(&cast.out->owners, 1);
    return cast.out;
}

/* Releases a view's whole after the view, in a loop: views of views may be many. */
void cop_buf_release(struct cop_buf *buf)
{
    while (buf != NULL && atomic_fetch_sub(&buf->owners, 1) == 1) {
        struct cop_buf *whole = buf->whole; /* NULL unless a view */
        if (buf->kind == OWNED) cop_mem_free(buf->data);
        if ((buf->kind == MAPPED || buf->kind == COMMON) && buf->data != NULL)
            (void)munmap(buf->data, buf->bytes);
        cop_mem_free(buf);
        buf = whole;
    }
}

void cop_buf_release_any(void *buf)
{
    cop_buf_release(buf);
}

void cop_buf_forget_part(const struct cop_buf *buf, size_t first, size_t bytes)
{
    assert(first <= buf->bytes && bytes <= buf->bytes - first);
    const struct cop_buf *whole = buf;
    while (whole->kind == VIEW)
        whole = whole->whole;
    if (whole->kind != MAPPED || bytes == 0) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *from = whole->data;
    size_t begin = (size_t)((char *)buf->data - from) + first;
    size_t low = (begin + page - 1) / page * page; /* neighbours keep their pages */
    size_t high = (begin + bytes) / page * page;
    if (high > low) (void)madvise(from + low, high - low, MADV_DONTNEED);
}

void cop_buf_forget(const struct cop_buf *buf)
{
    cop_buf_forget_part(buf, 0, buf->bytes);
}

const void *cop_buf_data(const struct cop_buf *buf)
{
    return buf->data;
}

void *cop_buf_mutable(struct cop_buf *buf)
{
    assert(buf->kind == OWNED || buf->kind == COMMON);
    assert(!cop_buf_is_shared(buf));
    return buf->data;
}

size_t cop_buf_bytes(const struct cop_buf *buf)
{
    return buf->bytes;
}

bool cop_buf_is_shared(const struct cop_buf *buf)
{
    return atomic_load(&buf->owners) > 1;
}
