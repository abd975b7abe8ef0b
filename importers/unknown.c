/* importers/unknown.c - see unknown.h. */
#include "importers/unknown.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int compare_uses(const void *a, const void *b)
{
    const struct cop_importers__unknown *x = a;
    const struct cop_importers__unknown *y = b;
    int by_domain = strcmp(x->domain, y->domain);
    if (by_domain != 0) return by_domain;
    int by_type = strcmp(x->op_type, y->op_type);
    if (by_type != 0) return by_type;
    return (x->position > y->position) - (x->position < y->position);
}

static bool is_same_operator(
    const struct cop_importers__unknown *a, const struct cop_importers__unknown *b)
{
    return strcmp(a->domain, b->domain) == 0 && strcmp(a->op_type, b->op_type) == 0;
}

static size_t count_operators(const struct cop_importers__unknown *uses, size_t n)
{
    size_t operators = 0;
    for (size_t i = 0; i < n; i++)
        operators += i == 0 || !is_same_operator(&uses[i - 1], &uses[i]);
    return operators;
}

const char *const cop_importers__operators[2] = {"operator", "node"};
const char *const cop_importers__layers[2] = {"layer", "layer"};

/* Where the uses of one operator end. */
static size_t next_operator(
    const struct cop_importers__unknown *uses, size_t n, size_t first)
{
    size_t next = first + 1;
    while (next < n && is_same_operator(&uses[first], &uses[next]))
        next++;
    return next;
}

static void put_operator(
    struct cop_text *text, const struct cop_importers__unknown *use, const char *after)
{
    const char *dot = use->domain[0] != '\0' ? "." : "";
    cop_text_printf(text, "%s%s%s%s", use->domain, dot, use->op_type, after);
}

/* "Foo (node 'a' and 2 more), Bar (node 'b')", as many as fit. */
static void name_operators(
    const struct cop_importers__unknown *uses,
    size_t n,
    const char *node,
    struct cop_text *list)
{
    for (size_t i = 0; i < n && list->status == COP_OK;) {
        const size_t next = next_operator(uses, n, i);
        if (i > 0) cop_text_puts(list, ", ");
        put_operator(list, &uses[i], " ");
        cop_text_printf(list, "(%s '%s'", node, uses[i].node);
        if (next - i > 1) cop_text_printf(list, " and %zu more", next - i - 1);
        cop_text_puts(list, ")");
        i = next;
    }
}

/* "Foo: node 'a', 'c', 'd'", one operator a line. */
static void list_operators(
    const struct cop_importers__unknown *uses,
    size_t n,
    const char *node,
    struct cop_text *all)
{
    for (size_t i = 0; i < n;) {
        const size_t next = next_operator(uses, n, i);
        put_operator(all, &uses[i], ":");
        for (size_t k = i; k < next; k++)
            cop_text_printf(
                all, "%s%s '%s'", k > i ? "," : " ", k > i ? "" : node, uses[k].node);
        cop_text_puts(all, "\n");
        i = next;
    }
}

enum cop_status cop_importers__list_unknown(
    struct cop_importers__unknown *uses,
    size_t n,
    const char *const what[2],
    struct cop_text *all,
    struct cop_err *err)
{
    struct cop_text list;
    qsort(uses, n, sizeof *uses, compare_uses);
    size_t operators = count_operators(uses, n);
    cop_text_init(&list, 4096); /* the message will be cut to fit */
    name_operators(uses, n, what[1], &list);
    enum cop_status status = COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "%zu %s%s not supported: %s",
        operators,
        what[0],
        operators == 1 ? " is" : "s are",
        list.bytes != NULL ? list.bytes : uses[0].op_type);
    cop_text_clear(&list);
    if (all != NULL) list_operators(uses, n, what[1], all);
    return status;
}
