/* cli/origin.h - what a model file told besides its network: format, producer, widened and
 * unused tensors, metadata.
 *
 * An origin is a JSON object.  `import` makes it from the graph just read and keeps it with
 * the model; `inspect` gets it from there, or from the file that it reads itself. */
#ifndef COP_CLI_ORIGIN_H
#define COP_CLI_ORIGIN_H

#include "cli/output.h"
#include "graph/graph.h"

/** Of a graph just read.  The caller deletes it (NULL: out of memory, which the command
 *  remembers). */
cJSON *cop_origin_read(struct cop_cli *cli, const struct cop_graph *graph);
/** Of a model of the project, from the text kept with it: an origin too where that is none
 *  (a variant).  The caller deletes it. */
cJSON *cop_origin_parse(struct cop_cli *cli, const char *json);

/** "ONNX, opset 13, IR version 8, written by pytorch 2.1" and what was widened; nothing for
 *  what is not known.  @p width: of the first column. */
void cop_origin_print(const cJSON *origin, int width);
/** Adds the origin's keys to @p document and takes them from @p origin. */
void cop_origin_move(cJSON *origin, cJSON *document);

/** The file's own metadata, without what is told elsewhere: as text, as key "metadata". */
void cop_origin_print_metadata(const struct cop_graph *graph, int width);
void cop_origin_add_metadata(
    struct cop_cli *cli, cJSON *document, const struct cop_graph *graph);

/** Weights that several nodes read: float constants of more than one element. */
void cop_origin_print_shared(const struct cop_graph *graph, int width);
void cop_origin_add_shared(
    struct cop_cli *cli, cJSON *document, const struct cop_graph *graph);

#endif
