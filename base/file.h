/* base/file.h - whole files, and files that are either old or new but never half. */
#ifndef COP_BASE_FILE_H
#define COP_BASE_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/** A file being written beside its final name. */
struct cop_file;

/** Opens a temporary file beside @p path.  COP_EIO, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_file_create(
    const char *path, struct cop_file **file, struct cop_err *err);
COP_NODISCARD enum cop_status cop_file_write(
    struct cop_file *file, const void *bytes, size_t n, struct cop_err *err);
/** Flushes to disk and renames to the final name; frees @p file also on failure. */
COP_NODISCARD enum cop_status cop_file_commit(
    struct cop_file *file, struct cop_err *err);
/** Removes the temporary file.  Accepts NULL. */
void cop_file_discard(struct cop_file *file);

/** A whole text or binary file, terminated by a 0 that is not counted; refused above
 *  @p max_bytes.  Free *bytes with cop_mem_free.  COP_ENOTFOUND, COP_EIO, COP_EFORMAT
 *  (too large), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_file_read(
    const char *path, size_t max_bytes, char **bytes, size_t *n, struct cop_err *err);

bool cop_file_is_dir(const char *path);
bool cop_file_exists(const char *path);

#endif
