/* tests/ops/registry_test.c - every row answers every question; the page is current. */
#include "case.h"
#include "ops_tests.h"

#include "explain/relevance.h"
#include "ops/ops.h"
#include "prune/coupling.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_every_facet_is_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < cop_ops_standard.n; i++) {
        const struct cop_op *const op = cop_ops_standard.ops[i];
        const bool is_whole =
            op->name != NULL && op->attrs != NULL && op->upgrade != NULL &&
            op->infer != NULL && op->fold != NULL && op->macs != NULL &&
            op->lower != NULL && op->coupling != NULL && op->relevance != NULL;
        if (!is_whole)
            fail_msg("a facet of '%s' is missing", op->name ? op->name : "?");
        assert_true(op->opsets[0] >= 1 && op->opsets[0] <= op->opsets[1]);
        /* Withdrawn operators are read as their successors. */
        const bool is_withdrawn = strcmp(op->name, "Upsample") == 0;
        assert_true(is_withdrawn || op->opsets[1] >= 17);
        assert_true(op->arity[0] >= 0 && op->arity[2] >= 1);
        assert_true(op->arity[1] < 0 || op->arity[1] >= op->arity[0]);
        assert_non_null(op->coupling->name);
        assert_non_null(op->coupling->tie);
        assert_non_null(op->coupling->refit);
        assert_non_null(op->coupling->linear);
        assert_non_null(op->relevance->name);
    }
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < cop_ops_standard.n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(
                cop_ops_standard.ops[i]->name, cop_ops_standard.ops[k]->name);
    for (size_t i = 0; i < cop_ops_standard.n; i++)
        assert_ptr_equal(
            cop_op_find(&cop_ops_standard, cop_ops_standard.ops[i]->name),
            cop_ops_standard.ops[i]);
    assert_null(cop_op_find(&cop_ops_standard, "NoSuchOperator"));
}

static size_t attr_bytes(enum cop_attr_type type)
{
    switch (type) {
    case COP_ATTR_INT: return sizeof(int64_t);
    case COP_ATTR_FLOAT: return sizeof(float);
    case COP_ATTR_STRING: return sizeof(const char *);
    case COP_ATTR_INTS: return sizeof(struct cop_ints);
    case COP_ATTR_FLOATS: return sizeof(struct cop_floats);
    case COP_ATTR_TENSOR: return sizeof(struct cop_fact);
    case COP_ATTR_END: break;
    }
    return 0;
}

static void test_attributes_fit_and_do_not_overlap(void **state)
{
    (void)state;
    for (size_t i = 0; i < cop_ops_standard.n; i++) {
        const struct cop_op *const op = cop_ops_standard.ops[i];
        for (const struct cop_attr_spec *a = op->attrs; a->type != COP_ATTR_END; a++) {
            const size_t end = a->offset + attr_bytes(a->type);
            assert_true(attr_bytes(a->type) > 0 && end <= op->attrs_size);
            for (const struct cop_attr_spec *b = op->attrs; b != a; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(
                    b->offset >= end || b->offset + attr_bytes(b->type) <= a->offset);
            }
        }
    }
}

/** Which rows have lines, and which of those can say something of pruning. */
struct coverage {
    int n_lines[128];
    int n_told[128];
};

static void count_line(const struct case_line *line, void *context)
{
    struct coverage *const coverage = context;
    for (size_t i = 0; i < cop_ops_standard.n; i++) {
        if (cop_ops_standard.ops[i] != line->op || line->expect != NULL) continue;
        coverage->n_lines[i]++;
        coverage->n_told[i] += line->must_cut || line->must_freeze;
    }
}

static void test_every_row_has_case_lines(void **state)
{
    (void)state;
    static struct coverage coverage;
    for (const char *const *family = case_families(); *family != NULL; family++)
        case_each(*family, count_line, &coverage);
    assert_true(cop_ops_standard.n < 128);
    for (size_t i = 0; i < cop_ops_standard.n; i++) {
        const struct cop_op *const op = cop_ops_standard.ops[i];
        if (coverage.n_lines[i] == 0) fail_msg("no case line for '%s'", op->name);
        if (coverage.n_told[i] == 0 && op->coupling != &cop_couple_frozen)
            fail_msg("no case line of '%s' says what may be cut", op->name);
    }
}

/* What comes after the rows is written and compared by tests/peers/node_tests.py. */
static const char tail_mark[] = "<!-- from here on: tests/peers/node_tests.py -->\n";

/* Where a developer can take the page from. */
static void save_page(const struct cop_text *text, const char *tail)
{
    const char *const folder = getenv("TMPDIR");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/operators.md", folder ? folder : "/tmp");
    FILE *const file = fopen(path, "wb");
    if (file != NULL) {
        (void)fwrite(text->bytes, 1, text->n, file);
        (void)fwrite(tail, 1, strlen(tail), file);
        (void)fclose(file);
    }
    fail_msg("docs/operators.md is out of date; the current page is %s", path);
}

static void test_page_is_current(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_text text;
    cop_text_init(&text, 1 << 20);
    cop_ops_describe(&text);
    assert_ok(cop_text_status(&text, &err));
    static char page[1 << 16];
    FILE *const file = fopen("../../docs/operators.md", "rb");
    if (file != NULL) {
        page[fread(page, 1, sizeof page - 1, file)] = '\0';
        (void)fclose(file);
    }
    const char *const mark = strstr(page, tail_mark);
    const size_t n = mark != NULL ? (size_t)(mark - page) : strlen(page);
    if (n != text.n || memcmp(page, text.bytes, n) != 0)
        save_page(&text, mark != NULL ? mark : "");
    cop_text_clear(&text);
}

int registry_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_facet_is_set),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_attributes_fit_and_do_not_overlap),
        cmocka_unit_test(test_every_row_has_case_lines),
        cmocka_unit_test(test_page_is_current),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
