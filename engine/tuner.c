/* engine/tuner.c - the table of measured choices and its file; see tuner.h. */
#include "engine/tuner.h"

#include "base/file.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 100000, MAX_FILE_BYTES = 32 << 20, LINE_BYTES = 512 };
static const char format[] = "coppice tuning 1";

struct entry {
    char key[COP_TUNER_KEY];
    char method[COP_TUNER_METHOD];
};

struct cop_tuner {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t n;
    size_t cap;
    bool is_changed;
};

enum cop_status cop_tuner_create(struct cop_tuner **tuner, struct cop_err *err)
{
    *tuner = cop_mem_array(1, sizeof **tuner);
    if (*tuner == NULL) return COP_FAIL_NOMEM(err);
    if (pthread_mutex_init(&(*tuner)->lock, NULL) == 0) return COP_OK;
    cop_mem_free(*tuner);
    *tuner = NULL;
    return COP_FAIL(err, COP_EENGINE, "cannot make a lock");
}

void cop_tuner_destroy(struct cop_tuner *tuner)
{
    if (tuner == NULL) return;
    (void)pthread_mutex_destroy(&tuner->lock);
    cop_mem_free(tuner->entries);
    cop_mem_free(tuner);
}

/* ---- the table ---------------------------------------------------------------------------- */

static struct entry *find(const struct cop_tuner *tuner, const char *key)
{
    for (size_t i = 0; i < tuner->n; i++) {
        if (strcmp(tuner->entries[i].key, key) == 0) return &tuner->entries[i];
    }
    return NULL;
}

bool cop_tuner_find(struct cop_tuner *tuner, const char *key, char *method)
{
    (void)pthread_mutex_lock(&tuner->lock);
    const struct entry *entry = find(tuner, key);
    if (entry != NULL) memcpy(method, entry->method, sizeof entry->method);
    (void)pthread_mutex_unlock(&tuner->lock);
    return entry != NULL;
}

static bool fits(const char *text, size_t bytes)
{
    return strlen(text) < bytes && strpbrk(text, "\t\n") == NULL;
}

static enum cop_status put(
    struct cop_tuner *tuner, const char *key, const char *method, struct cop_err *err)
{
    struct entry *entry = find(tuner, key);
    if (entry == NULL && tuner->n >= MAX_ENTRIES) return COP_OK; /* enough is known */
    if (entry == NULL && tuner->n == tuner->cap) {
        size_t cap = tuner->cap == 0 ? 64 : 2 * tuner->cap;
        struct entry *grown =
            cop_mem_grow(tuner->entries, tuner->n, cap, sizeof *grown);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        tuner->entries = grown;
        tuner->cap = cap;
    }
    if (entry == NULL) entry = &tuner->entries[tuner->n++];
    (void)snprintf(entry->key, sizeof entry->key, "%s", key);
    (void)snprintf(entry->method, sizeof entry->method, "%s", method);
    return COP_OK;
}

enum cop_status cop_tuner_put(
    struct cop_tuner *tuner, const char *key, const char *method, struct cop_err *err)
{
    if (!fits(key, COP_TUNER_KEY) || !fits(method, COP_TUNER_METHOD))
        return COP_FAIL(
            err, COP_EINVAL, "'%s' is no key, or '%s' no method", key, method);
    (void)pthread_mutex_lock(&tuner->lock);
    enum cop_status status = put(tuner, key, method, err);
    tuner->is_changed = true;
    (void)pthread_mutex_unlock(&tuner->lock);
    return status;
}

/* ---- the file ----------------------------------------------------------------------------- */

/* The first line names format and machine; each other is a method, a tab and a key. */
static enum cop_status read_lines(
    struct cop_tuner *tuner, char *text, const char *machine, struct cop_err *err)
{
    char *rest = NULL;
    const char *line = strtok_r(text, "\n", &rest);
    char head[LINE_BYTES];
    (void)snprintf(head, sizeof head, "%s\t%s", format, machine);
    if (line == NULL || strcmp(line, head) != 0) return COP_OK;
    for (char *next = strtok_r(NULL, "\n", &rest); next != NULL;
         next = strtok_r(NULL, "\n", &rest)) {
        char *key = strchr(next, '\t');
        if (key == NULL) continue;
        *key++ = '\0';
        if (!fits(key, COP_TUNER_KEY) || !fits(next, COP_TUNER_METHOD)) continue;
        COP_TRY(put(tuner, key, next, err));
    }
    return COP_OK;
}

enum cop_status cop_tuner_load(
    struct cop_tuner *tuner, const char *path, const char *machine, struct cop_err *err)
{
    char *text;
    size_t n;
    if (cop_file_read(path, MAX_FILE_BYTES, &text, &n, NULL) != COP_OK) return COP_OK;
    (void)pthread_mutex_lock(&tuner->lock);
    enum cop_status status = read_lines(tuner, text, machine, err);
    (void)pthread_mutex_unlock(&tuner->lock);
    cop_mem_free(text);
    return status;
}

static enum cop_status write_line(
    struct cop_file *file, const char *first, const char *second, struct cop_err *err)
{
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "%s\t%s\n", first, second);
    return cop_file_write(file, line, (size_t)n, err);
}

enum cop_status cop_tuner_save(
    struct cop_tuner *tuner, const char *path, const char *machine, struct cop_err *err)
{
    if (!tuner->is_changed) return COP_OK;
    struct cop_file *file;
    COP_TRY(cop_file_create(path, &file, err));
    (void)pthread_mutex_lock(&tuner->lock);
    enum cop_status status = write_line(file, format, machine, err);
    for (size_t i = 0; status == COP_OK && i < tuner->n; i++)
        status = write_line(file, tuner->entries[i].method, tuner->entries[i].key, err);
    tuner->is_changed = tuner->is_changed && status != COP_OK;
    (void)pthread_mutex_unlock(&tuner->lock);
    if (status == COP_OK) return cop_file_commit(file, err);
    cop_file_discard(file);
    return status;
}
