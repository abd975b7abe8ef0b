/* cli/tuning.c - see tuning.h. */
#include "cli/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The folder that holds the file, NULL when there is none; the file itself to *path. */
static const char *find_folder(struct cop_cli *cli, const char **path)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    const char *folder = NULL;
    if (cache != NULL && cache[0] == '/')
        folder = cop_arena_printf(cli->arena, "%s/coppice", cache);
    else if (home != NULL && home[0] == '/')
        folder = cop_arena_printf(cli->arena, "%s/.cache/coppice", home);
    *path = folder != NULL ? cop_arena_printf(cli->arena, "%s/tuning", folder) : NULL;
    return folder;
}

/* NULL: nothing is kept. */
static const char *find_path(struct cop_cli *cli, const char **folder)
{
    const char *path = getenv("COPPICE_TUNING");
    *folder = NULL;
    if (path != NULL && path[0] != '\0') return strcmp(path, "off") == 0 ? NULL : path;
    *folder = find_folder(cli, &path);
    return path;
}

enum cop_status cop_cli_load_tuning(struct cop_cli *cli, struct cop_err *err)
{
    const char *folder;
    const char *path = find_path(cli, &folder);
    return path != NULL ? cop_engine_load_tuning(cli->engine, path, err) : COP_OK;
}

/* The cache folder and the one above it, which a new account lacks. */
static void make_folder(struct cop_cli *cli, const char *folder)
{
    const char *slash = strrchr(folder, '/');
    const char *above = cop_arena_strndup(cli->arena, folder, (size_t)(slash - folder));
    if (above != NULL && above[0] != '\0') (void)mkdir(above, 0700);
    (void)mkdir(folder, 0700);
}

static void save(struct cop_cli *cli, int32_t n_measured)
{
    struct cop_err err;
    const char *folder;
    const char *path = find_path(cli, &folder);
    if (path != NULL && folder != NULL) make_folder(cli, folder);
    bool is_kept =
        path != NULL && cop_engine_save_tuning(cli->engine, path, &err) == COP_OK;
    if (path != NULL && !is_kept) fprintf(stderr, "coppice: %s\n", err.text);
    if (cli->is_quiet) return;
    fprintf(
        stderr,
        "measured kernels for %d kind%s of convolution%s%s\n",
        (int)n_measured,
        n_measured == 1 ? "" : "s",
        is_kept ? "; kept in " : "",
        is_kept ? path : "");
}

enum cop_status cop_cli_tune(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_err *err)
{
    int32_t n_measured;
    COP_TRY(cop_engine_tune(cli->engine, graph, options, &n_measured, err));
    if (n_measured > 0) save(cli, n_measured);
    return COP_OK;
}
