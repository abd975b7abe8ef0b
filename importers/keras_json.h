/* importers/keras_json.h - typed reading of a layer's configuration.
 *
 * Private to importers/.  An absent or null key is the default; one of another type than
 * wanted is COP_EFORMAT, and the text names the key. */
#ifndef COP_IMPORTERS_KERAS_JSON_H
#define COP_IMPORTERS_KERAS_JSON_H

#include "base/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/** Sizes, axes and counts of a configuration lie within +-COP_KERAS_INT, so that products
 *  of one with an extent cannot wrap. */
enum { COP_KERAS_INT = 1 << 20 };

/** NULL when there is none, or it is null. */
const cJSON *cop_keras__get(const cJSON *config, const char *key);
/** @p otherwise when there is none or it is no text. */
const char *cop_keras__text(
    const cJSON *config, const char *key, const char *otherwise);
bool cop_keras__flag(const cJSON *config, const char *key, bool otherwise);

COP_NODISCARD enum cop_status cop_keras__int(
    const cJSON *config,
    const char *key,
    int64_t otherwise,
    int64_t *number,
    struct cop_err *err);

/** Also what NumPy numbers become: {"type": "ndarray", "value": 0.3}. */
COP_NODISCARD enum cop_status cop_keras__real(
    const cJSON *config,
    const char *key,
    double otherwise,
    double *number,
    struct cop_err *err);

/** A number is a list of one; *n is 0 when there is no such key. */
COP_NODISCARD enum cop_status cop_keras__ints(
    const cJSON *config,
    const char *key,
    int64_t *ints,
    int32_t most,
    int32_t *n,
    struct cop_err *err);

/** One number for both, or two; both are @p otherwise when there is no such key. */
COP_NODISCARD enum cop_status cop_keras__pair(
    const cJSON *config,
    const char *key,
    int64_t otherwise,
    int64_t pair[2],
    struct cop_err *err);

#endif
