/* synth/project.h - graphs and data sets in and out of the project file.
 *
 * The store keeps bytes; this is where they become graphs again: a model is an ONNX
 * skeleton whose tensors are external, named "sha256:<hex>", and found in the store. */
#ifndef COP_SYNTH_PROJECT_H
#define COP_SYNTH_PROJECT_H

#include "base/err.h"
#include "data/dataset.h"
#include "graph/graph.h"
#include "store/store.h"

/** Stores the tensors (shared ones once), the skeleton and the row.  Wrap it in
 *  cop_store_begin and commit so that a model is whole or absent.  Fills row->graph_sha (in
 *  @p arena), macs, params, bytes, created_us and id; the caller gives name, parent_id,
 *  source, origin_json.  COP_EINVAL when the name is taken, COP_ESTORE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_project_save_model(
    struct cop_store *store,
    const struct cop_graph *graph,
    struct cop_model_row *row,
    struct cop_arena *arena,
    struct cop_err *err);

/** COP_ENOTFOUND lists the names there are. */
COP_NODISCARD enum cop_status cop_project_load_model(
    struct cop_store *store,
    const char *name,
    const struct cop_op_set *ops,
    struct cop_graph **graph,
    struct cop_err *err);

/** Opens the data set as it was registered.  COP_EFORMAT if its size has changed. */
COP_NODISCARD enum cop_status cop_project_open_dataset(
    struct cop_store *store,
    const char *name,
    struct cop_dataset **dataset,
    int64_t *dataset_id,
    struct cop_err *err);

/** The machine, as every evidence row tells it: {"cpu":..,"isa":..,"onednn":..,
 *  "threads":..,"coppice":..}; in @p arena, NULL when out of memory. */
struct cop_engine;
const char *cop_project_machine_json(
    const struct cop_engine *engine, int threads, struct cop_arena *arena);

#endif
