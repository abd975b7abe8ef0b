/* cli/inputs.h - what verbs open: the project, models, data sets, the engine.
 *
 * The project and the engine are opened once, on demand, and closed by main.c. */
#ifndef COP_CLI_INPUTS_H
#define COP_CLI_INPUTS_H

#include "cli/cli.h"
#include "data/dataset.h"
#include "graph/graph.h"

/** cli->store, opened if it is not yet.  COP_EINVAL: no or several project files here;
 *  COP_ESTORE. */
COP_NODISCARD enum cop_status cop_cli_open_store(
    struct cop_cli *cli, struct cop_err *err);
/** cli->engine, for cli->threads processors. */
COP_NODISCARD enum cop_status cop_cli_open_engine(
    struct cop_cli *cli, struct cop_err *err);

/** A word is a path to a model file when it has a '/' or is an existing file with
 *  the ending of a model (.onnx, .pb, .h5, .hdf5). */
bool cop_cli_is_model_path(const char *word);

/** The options that choose a part of a TensorFlow graph: two rows of a verb's table.
 *  @param type the verb's options struct, @param member its struct cop_cli_part.  The verb
 *  sets cli->part. */
#define COP_CLI_PART_OPTIONS(type, member)                                             \
    {.name = "input",                                                                  \
     .kind = COP_OPTION_TEXTS,                                                         \
     .offset = offsetof(type, member.inputs),                                          \
     .operand = "NAME",                                                                \
     .help = "where a TensorFlow graph begins; NAME=1x49x10, NAME=false"},             \
    {                                                                                  \
        .name = "output", .kind = COP_OPTION_TEXTS,                                    \
        .offset = offsetof(type, member.outputs), .operand = "NAME",                   \
        .help = "where a TensorFlow graph ends"                                        \
    }

struct cop_cli_model {
    struct cop_graph *graph; /* owned */
    const char *name;        /* in the project, or the file's stem; in the arena */
    int64_t id;              /* in the project; 0: from a file */
    const char *origin_json; /* kept with it in the project; NULL: from a file */
};
/** A model of the project, or a file, read and simplified.  COP_ENOTFOUND and what
 *  reading returns. */
COP_NODISCARD enum cop_status cop_cli_open_model(
    struct cop_cli *cli,
    const char *word,
    struct cop_cli_model *model,
    struct cop_err *err);
/** Reads a model file, or cli->part of it.  The caller destroys the graph. */
COP_NODISCARD enum cop_status cop_cli_read_model(
    struct cop_cli *cli,
    const char *path,
    struct cop_graph **graph,
    struct cop_err *err);
void cop_cli_close_model(struct cop_cli_model *model);

/** "faces" for "models/faces.onnx"; in the arena, NULL when out of memory. */
const char *cop_cli_stem(struct cop_arena *arena, const char *path);

/** Names of models and data sets: 1 to 60 letters, digits, '_', '-', '.'; not a path.
 *  COP_EINVAL. */
COP_NODISCARD enum cop_status cop_cli_check_name(const char *name, struct cop_err *err);

struct cop_cli_data {
    struct cop_dataset *dataset; /* owned */
    int64_t id;                  /* in the project; 0: from a path */
};
/** A data set of the project, or else a path, its preprocessing from @p preprocess or,
 *  with that NULL, from the metadata of @p graph (may be NULL). */
COP_NODISCARD enum cop_status cop_cli_open_data(
    struct cop_cli *cli,
    const char *word,
    const char *preprocess,
    const struct cop_graph *graph,
    struct cop_cli_data *data,
    struct cop_err *err);
void cop_cli_close_data(struct cop_cli_data *data);

#endif
