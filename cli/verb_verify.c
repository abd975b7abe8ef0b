/* cli/verb_verify.c - does the project still say what was recorded? */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "store/store.h"

#include <stdio.h>

static enum cop_status run(
    struct cop_cli *cli, const void *options, struct cop_err *err)
{
    (void)options;
    char root[COP_HASH_HEX];
    int64_t n = 0;
    COP_TRY(cop_cli_open_store(cli, err));
    COP_TRY(cop_store_verify(cli->store, err));
    COP_TRY(cop_store_audit_root(cli->store, root, &n, err));
    if (!cli->is_json) {
        printf(
            "verified    %lld records, every seal and every blob holds\n",
            (long long)n);
        printf("audit root  %s\n", root);
        return COP_OK;
    }
    cJSON *document = cop_json_document(cli);
    cop_json_count(cli, document, "records", n);
    cop_json_text(cli, document, "audit_root", root);
    return cop_json_print(cli, document, err);
}

const struct cop_verb cop_verb_verify = {
    .name = "verify",
    .summary = "whether the project's records are as they were written",
    .operands = "",
    .examples = "coppice verify -p faces.coppice",
    .about =
        "Seals every record anew and reads every blob again, and names the first that\n"
        "does not hold.  The audit root is the one that a report made at the same "
        "time\n"
        "prints; a project that was changed since then has another one.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 0,
    .max_words = 0,
    .run = run};
