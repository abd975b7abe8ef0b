/* cli/verb_init.c - a new project file. */
#include "base/file.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

static enum cop_status run(
    struct cop_cli *cli, const void *options, struct cop_err *err)
{
    (void)options;
    const char *path = cli->words[0];
    const size_t n = strlen(path);
    static const char ending[] = ".coppice";
    const size_t n_ending = sizeof ending - 1;
    if (n < n_ending || strcmp(path + n - n_ending, ending) != 0)
        path = cop_arena_printf(cli->arena, "%s%s", path, ending);
    if (path == NULL) return COP_FAIL_NOMEM(err);
    if (cop_file_exists(path))
        return COP_FAIL(err, COP_EINVAL, "%s: there is such a file already", path);
    COP_TRY(cop_store_create(path, &cli->store, err));
    if (!cli->is_json) {
        printf("created %s\n", path);
        return COP_OK;
    }
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "project", path);
    return cop_json_print(cli, document, err);
}

const struct cop_verb cop_verb_init = {
    .name = "init",
    .summary = "a new project: one file",
    .operands = "NAME.coppice",
    .examples = "coppice init faces.coppice",
    .about =
        "Makes an empty project file.  Models, data sets, measurements, variants and\n"
        "explanations all go into it; the other verbs find it when it is the only\n"
        "*.coppice file in the current folder, or by -p FILE.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 1,
    .max_words = 1,
    .run = run};
