/* engine/tuner.h - what was measured on this machine: the fastest method for a case.
 *
 * A table from text keys to method names, safe from any thread, kept in a text file.  It is
 * a cache: a file that is missing, of another machine or damaged is an empty one.  What a
 * case or a method is, its users know. */
#ifndef COP_ENGINE_TUNER_H
#define COP_ENGINE_TUNER_H

#include "base/err.h"

#include <stdbool.h>

struct cop_tuner;

enum { COP_TUNER_KEY = 160, COP_TUNER_METHOD = 24 }; /* bytes with the final 0 */

COP_NODISCARD enum cop_status cop_tuner_create(
    struct cop_tuner **tuner, struct cop_err *err);
/** Accepts NULL. */
void cop_tuner_destroy(struct cop_tuner *tuner);

/** @param method COP_TUNER_METHOD bytes */
bool cop_tuner_find(struct cop_tuner *tuner, const char *key, char *method);
/** Replaces what is known of @p key.  COP_ENOMEM; COP_EINVAL if a text is too long or has
 *  a tab or line feed. */
COP_NODISCARD enum cop_status cop_tuner_put(
    struct cop_tuner *tuner, const char *key, const char *method, struct cop_err *err);

/** Adds what the file knows of @p machine.  COP_ENOMEM; a missing or damaged file, or one
 *  of another machine, adds nothing. */
COP_NODISCARD enum cop_status cop_tuner_load(
    struct cop_tuner *tuner,
    const char *path,
    const char *machine,
    struct cop_err *err);
/** Writes everything, if anything was put since the last load or save.  COP_EIO. */
COP_NODISCARD enum cop_status cop_tuner_save(
    struct cop_tuner *tuner,
    const char *path,
    const char *machine,
    struct cop_err *err);

#endif
