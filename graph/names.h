/* graph/names.h - an open-addressing index from unique names to things; folder-private.
 * Borrows the names; the owner keeps them alive. */
#ifndef COP_GRAPH_NAMES_H
#define COP_GRAPH_NAMES_H

#include "base/err.h"

#include <stddef.h>

struct cop_names {
    struct cop_names_slot *slots;
    size_t n;    /* live entries */
    size_t used; /* live entries and graves */
    size_t cap;  /* power of two, or 0 */
};

/** NULL when there is none. */
void *cop_graph__names_find(const struct cop_names *names, const char *name);
/** @p name is not in the index yet.  COP_ENOMEM leaves it as it was. */
COP_NODISCARD enum cop_status cop_graph__names_add(
    struct cop_names *names, const char *name, void *thing, struct cop_err *err);
void cop_graph__names_remove(struct cop_names *names, const char *name);
void cop_graph__names_clear(struct cop_names *names);

#endif
