/* base/buf.h - bytes shared by reference: weights, mapped files, packed tensors.
 *
 * A cop_buf is 64-byte aligned when made by cop_buf_create, of any alignment when it is
 * a view of a mapped file.  It is writable only between creation and the first
 * cop_buf_retain; afterwards read-only for everyone.  Retain and release are atomic. */
#ifndef COP_BASE_BUF_H
#define COP_BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct cop_buf;

/** @p bytes zeroed bytes, 64-byte aligned; reference count 1.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_buf_create(
    size_t bytes, struct cop_buf **buf, struct cop_err *err);

/** Maps a whole file read-only.  COP_EIO, COP_ENOTFOUND (no such file), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_buf_map(
    const char *path, struct cop_buf **buf, struct cop_err *err);

/** The same for an open file, which stays the caller's; @p name is for messages. */
COP_NODISCARD enum cop_status cop_buf_map_open(
    int fd, const char *name, struct cop_buf **buf, struct cop_err *err);

/** Moves the bytes of *buf, which nobody else owns, into a temporary file without a name and
 *  maps that, so that cop_buf_forget can let their memory go.  Where a file of that size
 *  cannot be written, *buf stays as it is: this saves memory, it promises nothing. */
void cop_buf_spill(struct cop_buf **buf);

/** @p bytes zeroed bytes that processes forked afterwards share; reference count 1.  Only
 *  pages that are written to take memory.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_buf_create_common(
    size_t bytes, struct cop_buf **buf, struct cop_err *err);

/** The bytes [first, first + bytes) of @p whole, which stays alive as long as the view.
 *  COP_EINVAL when they are not inside. */
COP_NODISCARD enum cop_status cop_buf_view(
    struct cop_buf *whole,
    size_t first,
    size_t bytes,
    struct cop_buf **view,
    struct cop_err *err);

/** One more owner; returns @p buf.  Accepts const: sharing does not change the bytes. */
struct cop_buf *cop_buf_retain(const struct cop_buf *buf);
/** One owner less; frees or unmaps after the last.  Accepts NULL. */
void cop_buf_release(struct cop_buf *buf);
/** For cop_arena_defer. */
void cop_buf_release_any(void *buf);

/** Lets the memory behind bytes of a mapped file go until they are read again; nothing for
 *  other buffers.  The content stays. */
void cop_buf_forget(const struct cop_buf *buf);
/** The same for the bytes [first, first + bytes) of @p buf, which must be inside. */
void cop_buf_forget_part(const struct cop_buf *buf, size_t first, size_t bytes);

const void *cop_buf_data(const struct cop_buf *buf);
/** Asserts that the buffer is ours alone and not mapped. */
void *cop_buf_mutable(struct cop_buf *buf);
size_t cop_buf_bytes(const struct cop_buf *buf);
bool cop_buf_is_shared(const struct cop_buf *buf);

#endif
