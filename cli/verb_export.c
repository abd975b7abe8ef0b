/* cli/verb_export.c - a model of the project as a portable file. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "exporters/onnx_write.h"

#include <stdio.h>
#include <sys/stat.h>

struct export_options {
    const char *path;
};

static const struct cop_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct export_options, path),
     .operand = "FILE.onnx",
     .is_required = true,
     .help = "the file to write; an older one is replaced"},
    {.name = NULL}};

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct export_options *o = given;
    struct cop_cli_model model;
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &model, err));
    const enum cop_status status = cop_onnx_write_file(model.graph, o->path, err);
    cop_cli_close_model(&model);
    if (status != COP_OK) return status;
    struct stat facts;
    if (stat(o->path, &facts) != 0)
        return COP_FAIL(err, COP_EIO, "%s: written, but now it is gone", o->path);
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cop_json_text(cli, document, "model", model.name);
        cop_json_text(cli, document, "file", o->path);
        cop_json_count(cli, document, "bytes", facts.st_size);
        return cop_json_print(cli, document, err);
    }
    char text[COP_NUMBER_TEXT];
    printf("wrote %s (%s)\n", o->path, cop_text_bytes(text, facts.st_size));
    return COP_OK;
}

const struct cop_verb cop_verb_export = {
    .name = "export",
    .summary = "a portable ONNX file",
    .operands = "MODEL -o FILE.onnx",
    .examples = "coppice export V1 -o v1.onnx",
    .about = "Writes the model as ONNX, as any other program reads it.  Preprocessing\n"
             "travels in its metadata.",
    .options = options,
    .options_size = sizeof(struct export_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
