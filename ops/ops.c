/* ops/ops.c - the table of all rows, and the page that describes them. */
#include "ops/ops.h"

#include "ops/row.h"

#include <math.h>
#include <string.h>

static const struct cop_op *const rows[] = {
#define OP(family, name) &cop_op_##name,
#include "ops/ops.def"
#undef OP
};

const struct cop_op_set cop_ops_standard = {rows, sizeof rows / sizeof rows[0]};

/* ---- docs/operators.md -------------------------------------------------------------- */

static void describe_default(struct cop_text *text, const struct cop_attr_spec *spec)
{
    if (spec->is_required)
        cop_text_puts(text, " (required)");
    else if (spec->type == COP_ATTR_INT && spec->int_default != INT64_MIN)
        cop_text_printf(text, " = %lld", (long long)spec->int_default);
    else if (spec->type == COP_ATTR_FLOAT && !isnan(spec->float_default))
        cop_text_printf(text, " = %g", (double)spec->float_default);
    else if (spec->type == COP_ATTR_STRING && spec->string_default != NULL)
        cop_text_printf(text, " = %s", spec->string_default);
    if (spec->last_opset > 0) cop_text_printf(text, " (to %d)", spec->last_opset);
    if (spec->first_opset > 0) cop_text_printf(text, " (from %d)", spec->first_opset);
}

static void describe_attrs(struct cop_text *text, const struct cop_attr_spec *spec)
{
    for (bool is_first = true; spec->type != COP_ATTR_END; spec++, is_first = false) {
        cop_text_printf(text, "%s%s", is_first ? "" : ", ", spec->name);
        describe_default(text, spec);
    }
}

static void describe_row(struct cop_text *text, const struct cop_op *op)
{
    cop_text_printf(text, "| %s | %d-%d | ", op->name, op->opsets[0], op->opsets[1]);
    if (op->arity[1] < 0)
        cop_text_printf(text, "%d or more", op->arity[0]);
    else if (op->arity[1] == op->arity[0])
        cop_text_printf(text, "%d", op->arity[0]);
    else
        cop_text_printf(text, "%d-%d", op->arity[0], op->arity[1]);
    cop_text_puts(text, " | ");
    describe_attrs(text, op->attrs);
    cop_text_printf(
        text,
        " | %s | %s | %s | %s%s | %s |\n",
        op->lower == cop_ops__lower_known ? "no" : "yes",
        op->fold == cop_fold_none ? "no" : "yes",
        op->macs == cop_macs_none ? "none" : "counted",
        op->coupling->name,
        op->coupling->linear == cop_linear_none ? "" : ", linear",
        op->relevance->name);
}

void cop_ops_describe(struct cop_text *text)
{
    cop_text_puts(
        text,
        "# Operators\n\n"
        "Generated from the rows of `ops/`; a test compares it with them.\n"
        "*Computed*: runs in the engine; otherwise it must fold away.  *Folds*: known\n"
        "operands give a known result.  *Coupling*: how its axes are cut together\n"
        "(*linear*: repair can solve for its weights).  *Relevance*: how it is handed "
        "back.\n"
        "\n"
        "| operator | opsets | sources | attributes | computed | folds | MACs | "
        "coupling |"
        " relevance |\n"
        "|---|---|---|---|---|---|---|---|---|\n");
    /* By name: few rows, so the next one is searched for. */
    const char *last = "";
    for (size_t n = 0; n < cop_ops_standard.n; n++) {
        const struct cop_op *next = NULL;
        for (size_t i = 0; i < cop_ops_standard.n; i++) {
            const struct cop_op *const op = cop_ops_standard.ops[i];
            if (strcmp(op->name, last) <= 0) continue;
            if (next == NULL || strcmp(op->name, next->name) < 0) next = op;
        }
        if (next == NULL) return;
        describe_row(text, next);
        last = next->name;
    }
}
