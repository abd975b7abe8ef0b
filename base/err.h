/* base/err.h - how every fallible function tells what went wrong.
 *
 * A function returns a status and fills the caller's cop_err (NULL is allowed).  The
 * text is set once, where the fault is found: one line, lower case, no full stop, naming
 * the thing and both values.  Callers may prefix where they were; they never replace.
 * Nothing here allocates, so out of memory can be told.  Safe from any thread: a
 * cop_err belongs to one caller. */
#ifndef COP_BASE_ERR_H
#define COP_BASE_ERR_H

#define COP_STATUS_MAP(X)                                                              \
    X(OK, "ok")                                                                        \
    X(ENOMEM, "out of memory")                                                         \
    X(EINVAL, "invalid argument")                                                      \
    X(EIO, "input or output failed")                                                   \
    X(EFORMAT, "malformed data")                                                       \
    X(EUNSUPPORTED, "not supported")                                                   \
    X(ESHAPE, "shapes do not fit")                                                     \
    X(EENGINE, "engine failure")                                                       \
    X(ENOTFOUND, "not found")                                                          \
    X(ESTORE, "project store failure")                                                 \
    X(ELIMIT, "limit not reachable")                                                   \
    X(EINTR, "interrupted")

enum cop_status {
#define COP_STATUS_ENUM(name, text) COP_##name,
    COP_STATUS_MAP(COP_STATUS_ENUM)
#undef COP_STATUS_ENUM
};

struct cop_err {
    enum cop_status status;
    int line;         /* of the source, for developers */
    const char *file; /* static string */
    char text[240];   /* one line for the user */
};

#define COP_NODISCARD __attribute__((warn_unused_result))
#define COP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/** Static one-line meaning of @p status. */
const char *cop_status_text(enum cop_status status);

/** Fills @p err (may be NULL) and returns @p status; use through COP_FAIL. */
enum cop_status cop_err_set(
    struct cop_err *err,
    enum cop_status status,
    const char *file,
    int line,
    const char *format,
    ...) COP_PRINTF(5, 6);

/** Puts "place: " before the text of @p err (may be NULL); keeps the rest. */
void cop_err_in(struct cop_err *err, const char *format, ...) COP_PRINTF(2, 3);

/** Sets the error and is its status: return COP_FAIL(err, COP_ESHAPE, "...", ...); */
#define COP_FAIL(err, status, ...)                                                     \
    cop_err_set((err), (status), __FILE__, __LINE__, __VA_ARGS__)

#define COP_FAIL_NOMEM(err) COP_FAIL((err), COP_ENOMEM, "out of memory")

/** Returns at once on failure; only in functions that own nothing. */
#define COP_TRY(call)                                                                  \
    do {                                                                               \
        const enum cop_status cop_try_status_ = (call);                                \
        if (cop_try_status_ != COP_OK) return cop_try_status_;                         \
    } while (0)

#endif
