/* explain/html.c - see html.h. */
#include "explain/html.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUS "\xe2\x88\x92"
#define REPLACEMENT "\xef\xbf\xbd"

/* ---- text ---------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 character at @p s, or 0. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = 0;
    if (s[0] < 0x80) return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        n = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        n = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        n = 4;
    else
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0;                  /* overlong */
    if (s[0] == 0xed && s[1] > 0x9f) return 0;                  /* surrogate */
    if (s[0] == 0xf0 && s[1] < 0x90) return 0;                  /* overlong */
    if (s[0] == 0xf4 && s[1] > 0x8f) return 0;                  /* beyond Unicode */
    if (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe) return 0; /* no character */
    if (s[0] == 0xc2 && s[1] < 0xa0) return 0;                  /* control */
    return n;
}

/* What one ASCII character becomes; NULL: itself. */
static const char *escape_of(unsigned char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return c < 0x20 || c == 0x7f ? " " : NULL;
    }
}

void cop_html_short(struct cop_text *html, const char *string, size_t max_bytes)
{
    const unsigned char *s = (const unsigned char *)string;
    size_t done = 0;
    while (s && s[done]) {
        if (done >= max_bytes) {
            cop_text_puts(html, "\xe2\x80\xa6");
            return;
        }
        const size_t n = utf8_length(s + done);
        const char *escape = n == 1 ? escape_of(s[done]) : NULL;
        if (n == 0)
            cop_text_puts(html, REPLACEMENT);
        else if (escape)
            cop_text_puts(html, escape);
        else
            cop_text_add(html, string + done, n);
        done += n ? n : 1;
    }
}

void cop_html_text(struct cop_text *html, const char *string)
{
    cop_html_short(html, string, (size_t)-1);
}

/* ---- numbers ------------------------------------------------------------------- */

char *cop_html_count(int64_t n, char *text)
{
    char digits[24];
    const int length =
        snprintf(digits, sizeof digits, "%" PRIu64, (uint64_t)(n < 0 ? -n : n));
    size_t at = 0;
    if (n < 0) at = (size_t)snprintf(text, COP_HTML_NUMBER, MINUS);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static char *print_number(double x, int decimals, bool has_plus, char *text)
{
    char digits[32];
    if (!isfinite(x) || fabs(x) >= 1e15) {
        (void)snprintf(text, COP_HTML_NUMBER, "n/a");
        return text;
    }
    (void)snprintf(digits, sizeof digits, "%.*f", decimals, fabs(x));
    const bool is_zero = strspn(digits, "0.") == strlen(digits);
    const char *sign = x < 0 ? MINUS : (has_plus ? "+" : "");
    (void)snprintf(text, COP_HTML_NUMBER, "%s%s", is_zero ? "" : sign, digits);
    return text;
}

char *cop_html_fixed(double x, int decimals, char *text)
{
    return print_number(x, decimals, false, text);
}

char *cop_html_signed(double x, int decimals, char *text)
{
    return print_number(x, decimals, true, text);
}

char *cop_html_bytes(int64_t bytes, char *text)
{
    const double b = (double)bytes;
    if (bytes < 1000)
        (void)snprintf(text, COP_HTML_NUMBER, "%" PRId64 " B", bytes);
    else if (b < 999950)
        (void)snprintf(text, COP_HTML_NUMBER, "%.1f kB", b / 1e3);
    else if (b < 999.995e6)
        (void)snprintf(text, COP_HTML_NUMBER, "%.2f MB", b / 1e6);
    else
        (void)snprintf(text, COP_HTML_NUMBER, "%.2f GB", b / 1e9);
    return text;
}

char *cop_html_large(int64_t n, char *text)
{
    const double x = (double)n;
    if (n < 1000000) return cop_html_count(n, text);
    if (x < 999.5e6)
        (void)snprintf(text, COP_HTML_NUMBER, "%.3g million", x / 1e6);
    else
        (void)snprintf(text, COP_HTML_NUMBER, "%.2f billion", x / 1e9);
    return text;
}

char *cop_html_ms(double ms, char *text)
{
    int decimals = 0;
    if (ms < 9.995)
        decimals = 2;
    else if (ms < 99.95)
        decimals = 1;
    if (ms < 0.9995) decimals = 3;
    if (ms >= 999.5 && ms < 1e15) return cop_html_count((int64_t)(ms + 0.5), text);
    return cop_html_fixed(ms, decimals, text);
}

char *cop_html_p(double p, char *text)
{
    if (p < 0.001)
        (void)snprintf(text, COP_HTML_NUMBER, "less than 0.001");
    else
        (void)snprintf(text, COP_HTML_NUMBER, "%.3f", p);
    return text;
}

char *cop_html_time(int64_t us, char *text)
{
    const time_t seconds = (time_t)(us / 1000000);
    struct tm utc;
    if (us <= 0 || !gmtime_r(&seconds, &utc) ||
        strftime(text, COP_HTML_NUMBER, "%Y-%m-%d %H:%M UTC", &utc) == 0)
        (void)snprintf(text, COP_HTML_NUMBER, "unknown time");
    return text;
}

/* ---- records ------------------------------------------------------------------- */

void cop_html_row(struct cop_text *html, const char *key, const char *value)
{
    cop_text_puts(html, "<tr><th scope=\"row\">");
    cop_html_text(html, key);
    cop_text_puts(html, "</th><td>");
    cop_html_text(html, value);
    cop_text_puts(html, "</td></tr>\n");
}

/* A number as JSON would print it: whole ones without a point. */
static void print_json_number(struct cop_text *html, double x)
{
    if (x >= -1e15 && x <= 1e15 && floor(x) >= x)
        cop_text_printf(html, "%.0f", x);
    else
        cop_text_printf(html, "%.6g", x);
}

/* A value without parts; lists and objects as JSON, cut short. */
static void print_json_scalar(struct cop_text *html, const cJSON *item)
{
    if (cJSON_IsString(item)) {
        cop_html_short(html, item->valuestring, 400);
    } else if (cJSON_IsNumber(item)) {
        print_json_number(html, item->valuedouble);
    } else if (cJSON_IsBool(item)) {
        cop_text_puts(html, cJSON_IsTrue(item) ? "yes" : "no");
    } else if (cJSON_IsNull(item)) {
        cop_text_puts(html, "not given");
    } else {
        char *nested = cJSON_PrintUnformatted(item);
        cop_html_short(html, nested, 120);
        cJSON_free(nested);
    }
}

static void print_json_list(struct cop_text *html, const cJSON *list, int max_items)
{
    int n = 0;
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, list)
    {
        if (n == max_items) break;
        if (n++ > 0) cop_text_puts(html, ", ");
        print_json_scalar(html, element);
    }
    const int left = cJSON_GetArraySize(list) - n;
    if (left > 0) cop_text_printf(html, " and %d more", left);
    if (n == 0) cop_text_puts(html, "none");
}

enum { MAX_JSON_DEPTH = 4, MAX_JSON_ROWS = 200 };

/* One row: the names on the way down to the member, then its value. */
static void print_member(
    struct cop_text *html, const cJSON *const *trail, int depth, int max_items)
{
    const cJSON *item = trail[depth];
    cop_text_puts(html, "<tr><th scope=\"row\">");
    for (int d = 0; d <= depth; d++) {
        if (d > 0) cop_text_puts(html, ".");
        cop_html_short(html, trail[d]->string, 60);
    }
    cop_text_puts(html, "</th><td>");
    if (cJSON_IsArray(item))
        print_json_list(html, item, max_items);
    else
        print_json_scalar(html, item);
    cop_text_puts(html, "</td></tr>\n");
}

/* Walks the members depth first; trail[d] is where the walk stands at depth d. */
static void print_members(struct cop_text *html, const cJSON *root, int max_items)
{
    const cJSON *trail[MAX_JSON_DEPTH] = {root->child};
    int depth = 0;
    for (int n = 0; depth >= 0 && n < MAX_JSON_ROWS;) {
        const cJSON *item = trail[depth];
        if (!item) {
            depth--;
            if (depth >= 0) trail[depth] = trail[depth]->next;
        } else if (cJSON_IsObject(item) && item->child && depth + 1 < MAX_JSON_DEPTH) {
            trail[++depth] = item->child;
        } else {
            print_member(html, trail, depth, max_items);
            trail[depth] = item->next;
            n++;
        }
    }
}

void cop_html_json_rows(struct cop_text *html, const char *json, int max_items)
{
    if (!json || !*json) return;
    cJSON *root = cJSON_Parse(json);
    if (root && cJSON_IsObject(root))
        print_members(html, root, max_items);
    else
        cop_html_row(html, "text", json);
    cJSON_Delete(root);
}
