/* explain/html.h - text and numbers as a page shows them.
 *
 * Everything that comes from outside (names of classes, models, files, layers) goes through
 * cop_html_text; numbers are printed the same on every machine and in every run.
 * Private to explain/. */
#ifndef COP_EXPLAIN_HTML_H
#define COP_EXPLAIN_HTML_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/** Appends @p string (NULL: nothing) as text or as an attribute value: markup escaped,
 *  control characters as spaces, bytes that are no UTF-8 as U+FFFD. */
void cop_html_text(struct cop_text *html, const char *string);
/** The same, cut after @p max_bytes bytes of the source with an ellipsis. */
void cop_html_short(struct cop_text *html, const char *string, size_t max_bytes);

enum { COP_HTML_NUMBER = 48 };

/** "1,234,567".  All of these write into @p text [COP_HTML_NUMBER] and return it. */
char *cop_html_count(int64_t n, char *text);
/** Fixed decimals with a true minus sign; "n/a" for NaN. */
char *cop_html_fixed(double x, int decimals, char *text);
/** Fixed decimals with + or a true minus sign; never "+0.0" or "-0.0" but "0.0". */
char *cop_html_signed(double x, int decimals, char *text);
/** Bytes as "820 B", "12.3 kB", "1.24 MB". */
char *cop_html_bytes(int64_t bytes, char *text);
/** A count in words: "12.3 million", "4.1 billion", "820". */
char *cop_html_large(int64_t n, char *text);
/** Milliseconds with three significant digits: "0.183", "1.83", "18.3", "183"; from
 *  1,000 on whole ones. */
char *cop_html_ms(double ms, char *text);
/** A probability of chance: "less than 0.001" or three decimals. */
char *cop_html_p(double p, char *text);
/** "2026-11-21 06:04 UTC". */
char *cop_html_time(int64_t us_since_1970, char *text);

/** Appends the members of a JSON object as rows of a definition table (key, value); nested
 *  objects as key.key, long lists cut after @p max_items.  Text that is no JSON object is
 *  shown as it is.  COP_ENOMEM only through html->status. */
void cop_html_json_rows(struct cop_text *html, const char *json, int max_items);

/** One table row of a definition table: <tr><th scope="row">key</th><td>value</td></tr>,
 *  both escaped. */
void cop_html_row(struct cop_text *html, const char *key, const char *value);

#endif
