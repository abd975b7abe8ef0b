/* cli/output.h - results as one JSON document.
 *
 * Thin words over cJSON.  Adding to an object never fails on the spot: running out of
 * memory is remembered in the command and told when the document is printed. */
#ifndef COP_CLI_OUTPUT_H
#define COP_CLI_OUTPUT_H

#include "cli/cli.h"

#include <cjson/cJSON.h>

/** A fresh document; the command frees it when it is printed. */
cJSON *cop_json_document(struct cop_cli *cli);
/** NaN becomes null. */
void cop_json_number(
    struct cop_cli *cli, cJSON *object, const char *key, double number);
void cop_json_count(struct cop_cli *cli, cJSON *object, const char *key, int64_t count);
/** NULL becomes null. */
void cop_json_text(
    struct cop_cli *cli, cJSON *object, const char *key, const char *text);
void cop_json_bool(struct cop_cli *cli, cJSON *object, const char *key, bool is_true);
cJSON *cop_json_object(struct cop_cli *cli, cJSON *object, const char *key);
cJSON *cop_json_array(struct cop_cli *cli, cJSON *object, const char *key);
/** One more object in an array. */
cJSON *cop_json_element(struct cop_cli *cli, cJSON *array);
void cop_json_text_element(struct cop_cli *cli, cJSON *array, const char *text);
/** Extents as an array of numbers. */
void cop_json_dims(
    struct cop_cli *cli,
    cJSON *object,
    const char *key,
    const int64_t *dims,
    int32_t n_dims);
/** Text that is JSON already, from the project file; broken text becomes null. */
void cop_json_raw(
    struct cop_cli *cli, cJSON *object, const char *key, const char *json);
/** Prints the document and frees it.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_json_print(
    struct cop_cli *cli, cJSON *document, struct cop_err *err);

#endif
