/* importers/keras_json.c - see keras_json.h. */
#include "importers/keras_json.h"

#include <math.h>

const cJSON *cop_keras__get(const cJSON *config, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    return item != NULL && !cJSON_IsNull(item) ? item : NULL;
}

const char *cop_keras__text(const cJSON *config, const char *key, const char *otherwise)
{
    const cJSON *item = cop_keras__get(config, key);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

bool cop_keras__flag(const cJSON *config, const char *key, bool otherwise)
{
    const cJSON *item = cop_keras__get(config, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

static enum cop_status as_int(const cJSON *item, int64_t *number, struct cop_err *err)
{
    if (!cJSON_IsNumber(item) || rint(item->valuedouble) != item->valuedouble ||
        fabs(item->valuedouble) > COP_KERAS_INT)
        return COP_FAIL(
            err, COP_EFORMAT, "is not a whole number up to %d", COP_KERAS_INT);
    *number = (int64_t)item->valuedouble;
    return COP_OK;
}

static enum cop_status at_key(
    enum cop_status status, const char *key, struct cop_err *err)
{
    if (status != COP_OK) cop_err_in(err, "'%s'", key);
    return status;
}

enum cop_status cop_keras__int(
    const cJSON *config,
    const char *key,
    int64_t otherwise,
    int64_t *number,
    struct cop_err *err)
{
    const cJSON *item = cop_keras__get(config, key);
    *number = otherwise;
    if (item == NULL) return COP_OK;
    return at_key(as_int(item, number, err), key, err);
}

enum cop_status cop_keras__real(
    const cJSON *config,
    const char *key,
    double otherwise,
    double *number,
    struct cop_err *err)
{
    const cJSON *item = cop_keras__get(config, key);
    *number = otherwise;
    if (item == NULL) return COP_OK;
    if (cJSON_IsObject(item)) item = cop_keras__get(item, "value");
    if (!cJSON_IsNumber(item))
        return COP_FAIL(err, COP_EFORMAT, "'%s': is not a number", key);
    *number = item->valuedouble;
    return COP_OK;
}

enum cop_status cop_keras__ints(
    const cJSON *config,
    const char *key,
    int64_t *ints,
    int32_t most,
    int32_t *n,
    struct cop_err *err)
{
    const cJSON *item = cop_keras__get(config, key);
    const cJSON *element = NULL;
    *n = 0;
    if (item == NULL) return COP_OK;
    if (!cJSON_IsArray(item)) {
        *n = 1;
        return at_key(as_int(item, ints, err), key, err);
    }
    cJSON_ArrayForEach(element, item)
    {
        if (*n == most)
            return COP_FAIL(err, COP_EFORMAT, "'%s': has more than %d", key, most);
        COP_TRY(at_key(as_int(element, &ints[*n], err), key, err));
        (*n)++;
    }
    return COP_OK;
}

enum cop_status cop_keras__pair(
    const cJSON *config,
    const char *key,
    int64_t otherwise,
    int64_t pair[2],
    struct cop_err *err)
{
    int32_t n = 0;
    pair[0] = pair[1] = otherwise;
    COP_TRY(cop_keras__ints(config, key, pair, 2, &n, err));
    if (n == 1) pair[1] = pair[0];
    return COP_OK;
}
