/* explain/report.h - one page a reviewer can read, print and verify.
 *
 * Everything in it is read from the project file; nothing is measured or computed anew
 * except comparisons of stored rows.  One HTML file: no script, no network, pictures
 * inside.  The same store and data give the same bytes.  What was not measured is said. */
#ifndef COP_EXPLAIN_REPORT_H
#define COP_EXPLAIN_REPORT_H

#include "base/err.h"
#include "data/dataset.h"
#include "store/store.h"

#include <stdint.h>

/** All zero is the default. */
struct cop_report_options {
    /* The pictures behind the occlusion maps, and the names of samples; NULL: the maps are
     * shown without photographs and the report says so. */
    const struct cop_dataset *dataset;
    int32_t max_samples; /* occlusion pairs shown; 0: 10 */
};

/** Writes the report of model @p name against its original (the parent it came from; a
 *  model without parent is reported alone) to @p path, whole or not at all.
 *  COP_ENOTFOUND names the model, COP_ESTORE, COP_EFORMAT (a stored row contradicts
 *  itself), COP_EIO, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_report_write(
    struct cop_store *store,
    const char *name,
    const char *path,
    const struct cop_report_options *options, /* NULL: the defaults */
    struct cop_err *err);

#endif
