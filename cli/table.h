/* cli/table.h - results as aligned text, and numbers as people read them. */
#ifndef COP_CLI_TABLE_H
#define COP_CLI_TABLE_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/** Rows of cells in an arena.  Remembers running out of memory until it is printed. */
struct cop_table {
    struct cop_arena *arena;
    const char *const *heads; /* "<name" is left aligned, ">ms" right aligned */
    int32_t n_columns;
    const char **cells; /* [n_cells], row by row */
    int32_t n_cells;
    int32_t cap_cells;
    bool is_failed;
};

/** @p heads, ended by NULL, outlives the table. */
void cop_table_init(
    struct cop_table *table, struct cop_arena *arena, const char *const *heads);
/** The next cell of the row in hand, left to right. */
void cop_table_add(struct cop_table *table, const char *format, ...) COP_PRINTF(2, 3);
/** On stdout, with a rule under the heads.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_table_print(
    const struct cop_table *table, struct cop_err *err);

/* Each writes into @p text and returns it. */
enum { COP_NUMBER_TEXT = 32 };
/** "1,234,567" */
char *cop_text_count(char text[COP_NUMBER_TEXT], int64_t count);
/** "125.7 M", "853 k": three or four digits and a decimal prefix. */
char *cop_text_si(char text[COP_NUMBER_TEXT], double number);
/** "3.49 MB" */
char *cop_text_bytes(char text[COP_NUMBER_TEXT], int64_t bytes);
/** Milliseconds with as many decimals as mean something; "-" for NaN. */
char *cop_text_ms(char text[COP_NUMBER_TEXT], double ms);
/** Percent points with two decimals; "-" for NaN. */
char *cop_text_percent(char text[COP_NUMBER_TEXT], double percent);

#endif
