/* base/err.c - filling and prefixing error records; see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cop_status_text(enum cop_status status)
{
    switch (status) {
#define COP_STATUS_CASE(name, text)                                                    \
    case COP_##name: return text;
        COP_STATUS_MAP(COP_STATUS_CASE)
#undef COP_STATUS_CASE
    }
    return "unknown status";
}

/* Control characters in names taken from files must not break the one-line rule. */
static void flatten_line(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
}

enum cop_status cop_err_set(
    struct cop_err *err,
    enum cop_status status,
    const char *file,
    int line,
    const char *format,
    ...)
{
    if (err == NULL) return status;
    err->status = status;
    err->file = file;
    err->line = line;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    flatten_line(err->text);
    return status;
}

void cop_err_in(struct cop_err *err, const char *format, ...)
{
    if (err == NULL) return;
    char place[sizeof err->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(place, sizeof place, format, args);
    va_end(args);
    char whole[2 * sizeof err->text + 2];
    (void)snprintf(whole, sizeof whole, "%s: %s", place, err->text);
    flatten_line(whole);
    memcpy(err->text, whole, sizeof err->text - 1);
    err->text[sizeof err->text - 1] = '\0';
}
