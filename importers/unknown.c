/* importers/unknown.c - see unknown.h. */
#include "importers/unknown.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
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

/* "Foo (node 'a' and 2 more), Bar (node 'b')", as many as fit. */
static void name_operators(
    const struct cop_importers__unknown *uses, size_t n, struct cop_text *list)
{
    for (size_t i = 0; i < n && list->status == COP_OK;) {
        size_t next = i + 1;
        while (next < n && is_same_operator(&uses[i], &uses[next]))
            next++;
        char more[32] = "";
        if (next - i > 1)
            (void)snprintf(more, sizeof more, " and %zu more", next - i - 1);
        cop_text_printf(
            list,
            "%s%s%s%s (node '%s'%s)",
            i == 0 ? "" : ", ",
            uses[i].domain,
            uses[i].domain[0] != '\0' ? "." : "",
            uses[i].op_type,
            uses[i].node,
            more);
        i = next;
    }
}

enum cop_status cop_importers__list_unknown(
    struct cop_importers__unknown *uses, size_t n, struct cop_err *err)
{
    struct cop_text list;
    qsort(uses, n, sizeof *uses, compare_uses);
    size_t operators = count_operators(uses, n);
    cop_text_init(&list, 4096); /* the message will be cut to fit */
    name_operators(uses, n, &list);
    enum cop_status status = COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "%zu %s not supported: %s",
        operators,
        operators == 1 ? "operator is" : "operators are",
        list.bytes != NULL ? list.bytes : uses[0].op_type);
    cop_text_clear(&list);
    return status;
}
