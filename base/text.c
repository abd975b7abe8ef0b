/* base/text.c - text that grows; see text.h. */
#include "base/text.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 256 };

/* Makes room for @p more bytes and the terminator; false after the first failure. */
static bool reserve(struct cop_text *text, size_t more)
{
    if (text->status != COP_OK) return false;
    if (more > text->max || text->n > text->max - more) {
        text->status = COP_EINVAL;
        return false;
    }
    size_t need = text->n + more + 1;
    if (need <= text->cap) return true;
    size_t cap = text->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : 2 * cap;
    char *grown = cop_mem_grow(text->bytes, text->cap, cap, 1);
    if (grown == NULL) {
        text->status = COP_ENOMEM;
        return false;
    }
    text->bytes = grown;
    text->cap = cap;
    return true;
}

void cop_text_init(struct cop_text *text, size_t max_bytes)
{
    *text = (struct cop_text){.cap = FIRST_CAP, .status = COP_OK};
    text->max = max_bytes < SIZE_MAX - 1 ? max_bytes : SIZE_MAX - 1;
    text->bytes = cop_mem_array(FIRST_CAP, 1);
    if (text->bytes == NULL) *text = (struct cop_text){.status = COP_ENOMEM};
}

void cop_text_clear(struct cop_text *text)
{
    cop_mem_free(text->bytes);
    *text = (struct cop_text){.status = COP_OK};
}

void cop_text_add(struct cop_text *text, const char *bytes, size_t n)
{
    if (n == 0 || !reserve(text, n)) return;
    memcpy(text->bytes + text->n, bytes, n);
    text->n += n;
    text->bytes[text->n] = '\0';
}

void cop_text_puts(struct cop_text *text, const char *string)
{
    cop_text_add(text, string, strlen(string));
}

void cop_text_printf(struct cop_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 && text->status == COP_OK) text->status = COP_EINVAL;
    if (n <= 0 || !reserve(text, (size_t)n)) return;
    va_start(args, format);
    (void)vsnprintf(text->bytes + text->n, (size_t)n + 1, format, args);
    va_end(args);
    text->n += (size_t)n;
}

void cop_text_base64(struct cop_text *text, const void *bytes, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes;
    size_t groups = n / 3 + (n % 3 != 0);
    size_t length;
    if (cop_mul_overflow(groups, 4, &length)) length = SIZE_MAX;
    if (!reserve(text, length)) return;
    char *to = text->bytes + text->n;
    for (size_t i = 0; i < n; i += 3, to += 4) {
        unsigned b0 = from[i];
        unsigned b1 = i + 1 < n ? from[i + 1] : 0;
        unsigned b2 = i + 2 < n ? from[i + 2] : 0;
        to[0] = digits[b0 >> 2];
        to[1] = digits[(b0 & 3) << 4 | b1 >> 4];
        to[2] = digits[(b1 & 15) << 2 | b2 >> 6];
        to[3] = digits[b2 & 63];
    }
    if (n % 3 != 0) to[-1] = '=';
    if (n % 3 == 1) to[-2] = '=';
    *to = '\0';
    text->n += length;
}

enum cop_status cop_text_status(const struct cop_text *text, struct cop_err *err)
{
    if (text->status == COP_ENOMEM) return COP_FAIL_NOMEM(err);
    if (text->status != COP_OK)
        return COP_FAIL(err, text->status, "text is longer than %zu bytes", text->max);
    return COP_OK;
}
