/* cli/table.c - aligned columns; widths count characters, not bytes. */
#include "cli/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CELLS = 64, CELL_BYTES = 512 };

void cop_table_init(
    struct cop_table *table, struct cop_arena *arena, const char *const *heads)
{
    *table = (struct cop_table){.arena = arena, .heads = heads};
    while (heads[table->n_columns] != NULL)
        ++table->n_columns;
}

static bool make_room(struct cop_table *table)
{
    if (table->n_cells < table->cap_cells) return true;
    const int32_t cap = table->cap_cells > 0 ? table->cap_cells * 2 : FIRST_CELLS;
    const char **cells = COP_ARENA_NEW_N(table->arena, cap, const char *);
    if (cells == NULL) return false;
    for (int32_t i = 0; i < table->n_cells; ++i)
        cells[i] = table->cells[i];
    table->cells = cells;
    table->cap_cells = cap;
    return true;
}

void cop_table_add(struct cop_table *table, const char *format, ...)
{
    char text[CELL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *cell = cop_arena_strdup(table->arena, text);
    if (cell == NULL || !make_room(table))
        table->is_failed = true;
    else
        table->cells[table->n_cells++] = cell;
}

/* Characters of UTF-8 text. */
static int32_t width_of(const char *text)
{
    int32_t n = 0;
    for (; *text != 0; ++text)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static void pad(int32_t n, char with)
{
    for (int32_t i = 0; i < n; ++i)
        putchar(with);
}

static void print_row(
    const struct cop_table *table, const char *const *cells, const int32_t *widths)
{
    for (int32_t c = 0; c < table->n_columns; ++c) {
        const int32_t space = widths[c] - width_of(cells[c]);
        const bool is_right = table->heads[c][0] == '>';
        if (c > 0) fputs("  ", stdout);
        if (is_right) pad(space, ' ');
        fputs(cells[c], stdout);
        if (!is_right && c + 1 < table->n_columns) pad(space, ' ');
    }
    putchar('\n');
}

enum cop_status cop_table_print(const struct cop_table *table, struct cop_err *err)
{
    const int32_t n = table->n_columns;
    int32_t *widths = COP_ARENA_NEW_N(table->arena, n + 1, int32_t);
    const char **heads = COP_ARENA_NEW_N(table->arena, n + 1, const char *);
    if (table->is_failed || widths == NULL || heads == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t c = 0; c < n; ++c) {
        heads[c] = table->heads[c] + 1;
        widths[c] = width_of(heads[c]);
        for (int32_t i = c; i < table->n_cells; i += n)
            if (width_of(table->cells[i]) > widths[c])
                widths[c] = width_of(table->cells[i]);
    }
    print_row(table, heads, widths);
    for (int32_t c = 0; c < n; ++c) {
        if (c > 0) fputs("  ", stdout);
        pad(widths[c], '-');
    }
    putchar('\n');
    for (int32_t i = 0; i + n <= table->n_cells; i += n)
        print_row(table, table->cells + i, widths);
    return COP_OK;
}

/* ---- numbers -------------------------------------------------------------------- */

char *cop_text_count(char text[COP_NUMBER_TEXT], int64_t count)
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%lld", (long long)count);
    const int first = digits[0] == '-';
    int at = 0;
    for (int i = 0; i < n; ++i) {
        if (i > first && (n - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}

/* @p number with a prefix before @p unit. */
static void print_scaled(char text[COP_NUMBER_TEXT], double number, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
    size_t i = 0;
    while (i + 1 < sizeof prefixes / sizeof *prefixes && fabs(number) >= 999.5) {
        number /= 1000;
        ++i;
    }
    const int decimals = i == 0 || fabs(number) >= 99.95 ? 0
                         : fabs(number) < 9.995          ? 2
                                                         : 1;
    const char *space = prefixes[i][0] != 0 || unit[0] != 0 ? " " : "";
    snprintf(
        text,
        COP_NUMBER_TEXT,
        "%.*f%s%s%s",
        decimals,
        number,
        space,
        prefixes[i],
        unit);
}

char *cop_text_si(char text[COP_NUMBER_TEXT], double number)
{
    print_scaled(text, number, "");
    return text;
}

char *cop_text_bytes(char text[COP_NUMBER_TEXT], int64_t bytes)
{
    print_scaled(text, (double)bytes, "B");
    return text;
}

char *cop_text_ms(char text[COP_NUMBER_TEXT], double ms)
{
    if (isnan(ms))
        snprintf(text, COP_NUMBER_TEXT, "-");
    else
        snprintf(text, COP_NUMBER_TEXT, "%.*f", ms < 10 ? 3 : ms < 100 ? 2 : 1, ms);
    return text;
}

char *cop_text_percent(char text[COP_NUMBER_TEXT], double percent)
{
    if (isnan(percent))
        snprintf(text, COP_NUMBER_TEXT, "-");
    else
        snprintf(text, COP_NUMBER_TEXT, "%.2f", percent);
    return text;
}
