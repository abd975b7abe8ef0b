/* engine/engine.c - the machine: oneDNN's engine and the cache of packed weights. */
#include "engine/engine.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/plan_impl.h"
#include "engine/tuner.h"

#include <stdio.h>
#include <string.h>

#define CACHE_BYTES 32e6

enum cop_status cop_engine_create(struct cop_engine **engine, struct cop_err *err)
{
    struct cop_engine *fresh = cop_mem_array(1, sizeof *fresh);
    *engine = NULL;
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    fresh->cache_bytes = CACHE_BYTES;
    enum cop_status status = cop_dnnl_create(&fresh->dnnl, err);
    if (status == COP_OK) status = cop_weights_create(&fresh->weights, err);
    if (status == COP_OK) status = cop_tuner_create(&fresh->tuner, err);
    if (status != COP_OK) {
        cop_engine_destroy(fresh);
        return status;
    }
    *engine = fresh;
    return COP_OK;
}

void cop_engine_destroy(struct cop_engine *engine)
{
    if (engine == NULL) return;
    cop_tuner_destroy(engine->tuner);
    cop_weights_destroy(engine->weights);
    cop_dnnl_destroy(engine->dnnl);
    cop_mem_free(engine);
}

static void read_cpu_name(char *text, size_t text_bytes)
{
    (void)snprintf(text, text_bytes, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) return;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(text, text_bytes, "%s", colon + (colon[1] == ' ' ? 2 : 1));
        break;
    }
    (void)fclose(file);
}

void cop_engine_describe(const struct cop_engine *engine, struct cop_engine_info *info)
{
    (void)engine;
    memset(info, 0, sizeof *info);
    (void)snprintf(info->isa, sizeof info->isa, "%s", cop_dnnl_isa());
    cop_dnnl_version(info->version, sizeof info->version);
    read_cpu_name(info->cpu, sizeof info->cpu);
    info->threads = cop_par_max_threads();
    info->channel_block = strncmp(info->isa, "avx512", 6) == 0 ? 16 : 8;
}

void cop_engine_refuse_winograd(struct cop_engine *engine)
{
    engine->no_winograd = true;
}

/* ---- tuning ------------------------------------------------------------------------------- */

enum { MACHINE_TEXT = 192 };

static void print_machine(const struct cop_engine *engine, char *text)
{
    struct cop_engine_info info;
    cop_engine_describe(engine, &info);
    (void)snprintf(
        text, MACHINE_TEXT, "%s, %s, oneDNN %s", info.cpu, info.isa, info.version);
    for (char *c = strpbrk(text, "\t\n"); c != NULL; c = strpbrk(c, "\t\n"))
        *c = ' ';
}

enum cop_status cop_engine_load_tuning(
    struct cop_engine *engine, const char *path, struct cop_err *err)
{
    char machine[MACHINE_TEXT];
    print_machine(engine, machine);
    return cop_tuner_load(engine->tuner, path, machine, err);
}

enum cop_status cop_engine_save_tuning(
    struct cop_engine *engine, const char *path, struct cop_err *err)
{
    char machine[MACHINE_TEXT];
    print_machine(engine, machine);
    return cop_tuner_save(engine->tuner, path, machine, err);
}
