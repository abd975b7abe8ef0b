/* importers/unknown.h - operators that a reader does not know, told in one message.
 *
 * Private to importers/. */
#ifndef COP_IMPORTERS_UNKNOWN_H
#define COP_IMPORTERS_UNKNOWN_H

#include "base/err.h"
#include "base/text.h"

#include <stddef.h>

/** An operator as the file calls it, and a node that uses it. */
struct cop_importers__unknown {
    const char *domain; /* "" is the default */
    const char *op_type;
    const char *node;
    size_t position; /* of the node, to name the first one */
};

/** Fails with COP_EUNSUPPORTED and names every operator once: "2 operators are not
 *  supported: Foo (node 'a' and 2 more), Bar (node 'b')".  A long message is cut; @p all
 *  (NULL: nowhere) gets one line for each operator with every node.
 *  @p uses (n > 0) is sorted; @p what: "operator" and "node", or "layer" for both. */
enum cop_status cop_importers__list_unknown(
    struct cop_importers__unknown *uses,
    size_t n,
    const char *const what[2],
    struct cop_text *all,
    struct cop_err *err);

extern const char *const cop_importers__operators[2];
extern const char *const cop_importers__layers[2];

#endif
