/* cli/output.c - see output.h. */
#include "cli/output.h"

#include <math.h>
#include <stdio.h>

static cJSON *kept(struct cop_cli *cli, cJSON *item)
{
    if (item == NULL) cli->is_json_failed = true;
    return item;
}

cJSON *cop_json_document(struct cop_cli *cli)
{
    return kept(cli, cJSON_CreateObject());
}

void cop_json_number(struct cop_cli *cli, cJSON *object, const char *key, double number)
{
    if (isfinite(number))
        (void)kept(cli, cJSON_AddNumberToObject(object, key, number));
    else
        (void)kept(cli, cJSON_AddNullToObject(object, key));
}

void cop_json_count(struct cop_cli *cli, cJSON *object, const char *key, int64_t count)
{
    (void)kept(cli, cJSON_AddNumberToObject(object, key, (double)count));
}

void cop_json_text(
    struct cop_cli *cli, cJSON *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)kept(cli, cJSON_AddStringToObject(object, key, text));
    else
        (void)kept(cli, cJSON_AddNullToObject(object, key));
}

void cop_json_bool(struct cop_cli *cli, cJSON *object, const char *key, bool is_true)
{
    (void)kept(cli, cJSON_AddBoolToObject(object, key, is_true));
}

cJSON *cop_json_object(struct cop_cli *cli, cJSON *object, const char *key)
{
    return kept(cli, cJSON_AddObjectToObject(object, key));
}

cJSON *cop_json_array(struct cop_cli *cli, cJSON *object, const char *key)
{
    return kept(cli, cJSON_AddArrayToObject(object, key));
}

/* Hands @p item over to the array. */
static cJSON *append(struct cop_cli *cli, cJSON *array, cJSON *item)
{
    if (kept(cli, item) == NULL) return NULL;
    if (cJSON_AddItemToArray(array, item)) return item;
    cJSON_Delete(item);
    return kept(cli, NULL);
}

cJSON *cop_json_element(struct cop_cli *cli, cJSON *array)
{
    return append(cli, array, cJSON_CreateObject());
}

void cop_json_text_element(struct cop_cli *cli, cJSON *array, const char *text)
{
    (void)append(cli, array, cJSON_CreateString(text));
}

void cop_json_dims(
    struct cop_cli *cli,
    cJSON *object,
    const char *key,
    const int64_t *dims,
    int32_t n_dims)
{
    cJSON *array = cop_json_array(cli, object, key);
    for (int32_t i = 0; i < n_dims; ++i)
        (void)append(cli, array, cJSON_CreateNumber((double)dims[i]));
}

void cop_json_raw(struct cop_cli *cli, cJSON *object, const char *key, const char *json)
{
    cJSON *item = json != NULL && json[0] != 0 ? cJSON_Parse(json) : NULL;
    if (item == NULL) {
        cop_json_text(cli, object, key, NULL);
    } else if (!cJSON_AddItemToObject(object, key, item)) {
        cJSON_Delete(item);
        (void)kept(cli, NULL);
    }
}

enum cop_status cop_json_print(
    struct cop_cli *cli, cJSON *document, struct cop_err *err)
{
    char *text = cli->is_json_failed ? NULL : cJSON_Print(document);
    cJSON_Delete(document);
    if (text == NULL) return COP_FAIL_NOMEM(err);
    puts(text);
    cJSON_free(text);
    return COP_OK;
}
