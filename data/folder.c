/* data/folder.c - folders of pictures, with ImageFolder's meaning: class i is the i-th
 * folder by name, and its pictures may lie in folders of their own.  A folder that holds
 * pictures and no folders is an unlabelled set. */
#include "data/source.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_DEPTH = 8,              /* of folders inside a class: links may go in circles */
    MAX_NAMES_BYTES = 16 << 20, /* of a file of class names */
    MAX_CLASSES = 1 << 20
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_ending(const char *name, const char *const *endings)
{
    const size_t n = strlen(name);
    for (; *endings != NULL; endings++) {
        const size_t n_ending = strlen(*endings);
        if (n > n_ending && strcasecmp(name + n - n_ending, *endings) == 0) return true;
    }
    return false;
}

/* Growing list of names, on the heap until it is complete. */
static enum cop_status push_name(
    struct cop_data__names *names, int64_t *room, const char *name, struct cop_err *err)
{
    if (name == NULL) return COP_FAIL_NOMEM(err);
    if (names->n == *room) {
        const int64_t more = *room == 0 ? 64 : *room * 2;
        const char **grown =
            cop_mem_grow(names->name, (size_t)*room, (size_t)more, sizeof *names->name);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        names->name = grown;
        *room = more;
    }
    names->name[names->n++] = name;
    return COP_OK;
}

/* Moves the list into the arena, whatever @p status is. */
static enum cop_status settle_names(
    struct cop_dataset *dataset,
    struct cop_data__names *names,
    enum cop_status status,
    struct cop_err *err)
{
    const char **heap = names->name;
    names->name = NULL;
    if (status == COP_OK) {
        names->name = COP_ARENA_NEW_N(dataset->arena, names->n, const char *);
        if (names->name == NULL) status = COP_FAIL_NOMEM(err);
    }
    if (status == COP_OK && names->n > 0) {
        memcpy(names->name, heap, (size_t)names->n * sizeof *heap);
    }
    cop_mem_free(heap);
    return status;
}

/* Endings NULL: folders. */
static bool wanted(const char *folder, const char *name, const char *const *endings)
{
    if (name[0] == '.') return false;
    if (endings != NULL && !has_ending(name, endings)) return false;
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    return cop_file_is_dir(path) == (endings == NULL);
}

static enum cop_status list(
    struct cop_dataset *dataset,
    const char *path,
    const char *const *endings,
    struct cop_data__names *names,
    struct cop_err *err)
{
    *names = (struct cop_data__names){0};
    DIR *folder = opendir(path);
    if (folder == NULL) {
        const enum cop_status status = errno == ENOENT ? COP_ENOTFOUND : COP_EIO;
        return COP_FAIL(err, status, "folder %s: %s", path, strerror(errno));
    }
    int64_t room = 0;
    enum cop_status status = COP_OK;
    const struct dirent *entry;
    while (status == COP_OK && (entry = readdir(folder)) != NULL) {
        if (!wanted(path, entry->d_name, endings)) continue;
        status = push_name(
            names, &room, cop_arena_strdup(dataset->arena, entry->d_name), err);
    }
    (void)closedir(folder);
    if (names->n > 1)
        qsort(names->name, (size_t)names->n, sizeof *names->name, by_name);
    return settle_names(dataset, names, status, err);
}

enum cop_status cop_data__list_folders(
    struct cop_dataset *dataset,
    const char *path,
    struct cop_data__names *names,
    struct cop_err *err)
{
    return list(dataset, path, NULL, names, err);
}

enum cop_status cop_data__list_files(
    struct cop_dataset *dataset,
    const char *path,
    const char *const *endings,
    struct cop_data__names *names,
    struct cop_err *err)
{
    return list(dataset, path, endings, names, err);
}

enum cop_status cop_data__read_names(
    struct cop_dataset *dataset,
    const char *path,
    struct cop_data__names *names,
    struct cop_err *err)
{
    *names = (struct cop_data__names){0};
    char *bytes = NULL;
    size_t n = 0;
    COP_TRY(cop_file_read(path, MAX_NAMES_BYTES, &bytes, &n, err));
    int64_t room = 0;
    enum cop_status status = COP_OK;
    if (memchr(bytes, '\0', n) != NULL) {
        status = COP_FAIL(err, COP_EFORMAT, "%s is no text file of class names", path);
    }
    for (size_t at = 0; at < n && status == COP_OK;) {
        const size_t n_line = strcspn(bytes + at, "\r\n");
        if (n_line > 0) {
            status = push_name(
                names,
                &room,
                cop_arena_strndup(dataset->arena, bytes + at, n_line),
                err);
        }
        at += n_line + 1;
    }
    cop_mem_free(bytes);
    return settle_names(dataset, names, status, err);
}

static const char *const picture_endings[] = {".jpg", ".jpeg", ".png", NULL};

/* Adds the pictures of root/inner; inner "" is the root itself. */
static enum cop_status add_pictures(
    struct cop_dataset *dataset,
    const char *root,
    const char *inner,
    int32_t label,
    struct cop_err *err)
{
    struct cop_data__names names;
    const char *slash = inner[0] == '\0' ? "" : "/";
    const char *path = cop_arena_printf(dataset->arena, "%s%s%s", root, slash, inner);
    if (path == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(list(dataset, path, picture_endings, &names, err));
    for (int64_t i = 0; i < names.n; i++) {
        const char *file =
            cop_arena_printf(dataset->arena, "%s/%s", path, names.name[i]);
        if (file == NULL) return COP_FAIL_NOMEM(err);
        const struct cop_data__sample sample = {
            .file = dataset->n_files, .label = label};
        const char *name = file + strlen(root) + 1;
        COP_TRY(cop_data__add_file(dataset, file, name, NULL, err));
        COP_TRY(cop_data__add_sample(dataset, sample, err));
    }
    return COP_OK;
}

static int depth_of(const char *path)
{
    int depth = 0;
    for (; *path != '\0'; path++)
        depth += *path == '/';
    return depth;
}

/* Appends the folders directly in root/inner, as paths inside root. */
static enum cop_status push_folders(
    struct cop_dataset *dataset,
    const char *root,
    const char *inner,
    struct cop_data__names *folders,
    int64_t *room,
    struct cop_err *err)
{
    struct cop_data__names names;
    const char *path = cop_arena_printf(dataset->arena, "%s/%s", root, inner);
    if (path == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(list(dataset, path, NULL, &names, err));
    for (int64_t i = 0; i < names.n; i++) {
        const char *next =
            cop_arena_printf(dataset->arena, "%s/%s", inner, names.name[i]);
        COP_TRY(push_name(folders, room, next, err));
    }
    return COP_OK;
}

/* Adds the pictures of a class folder and of all folders in it, folder by folder in the
 * order of their paths, as Python's sorted(os.walk(...)). */
static enum cop_status add_class(
    struct cop_dataset *dataset,
    const char *root,
    const char *name,
    int32_t label,
    struct cop_err *err)
{
    struct cop_data__names folders = {0};
    int64_t room = 0;
    enum cop_status status = push_name(&folders, &room, name, err);
    for (int64_t i = 0; i < folders.n && status == COP_OK; i++) {
        if (depth_of(folders.name[i]) == MAX_DEPTH) continue;
        status = push_folders(dataset, root, folders.name[i], &folders, &room, err);
    }
    COP_TRY(settle_names(dataset, &folders, status, err));
    qsort(folders.name, (size_t)folders.n, sizeof *folders.name, by_name);
    for (int64_t i = 0; i < folders.n; i++) {
        COP_TRY(add_pictures(dataset, root, folders.name[i], label, err));
    }
    return COP_OK;
}

static int64_t find_name(const struct cop_data__names *names, const char *name)
{
    for (int64_t i = 0; i < names->n; i++) {
        if (strcmp(names->name[i], name) == 0) return i;
    }
    return -1;
}

/* Which label each class folder has.  A file of names that lists the folders gives the
 * order; one of as many lines renames them; anything else is an error. */
static enum cop_status label_folders(
    struct cop_dataset *dataset,
    const struct cop_data__names *folders,
    const char *labels,
    int32_t *label_of,
    struct cop_err *err)
{
    struct cop_data__names names = *folders;
    if (labels != NULL) COP_TRY(cop_data__read_names(dataset, labels, &names, err));
    if (names.n > MAX_CLASSES) {
        return COP_FAIL(
            err, COP_EFORMAT, "%lld classes are too many", (long long)names.n);
    }
    const char *unknown = NULL;
    for (int64_t i = 0; i < folders->n && unknown == NULL; i++) {
        label_of[i] = (int32_t)find_name(&names, folders->name[i]);
        if (label_of[i] < 0) unknown = folders->name[i];
    }
    if (unknown != NULL && names.n != folders->n) {
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s has %lld class names, the data set %lld class folders, and '%s' is not "
            "among the names",
            labels,
            (long long)names.n,
            (long long)folders->n,
            unknown);
    }
    for (int64_t i = 0; i < folders->n && unknown != NULL; i++)
        label_of[i] = (int32_t)i;
    dataset->class_names = names.name;
    dataset->n_classes = (int32_t)names.n;
    return COP_OK;
}

enum cop_status cop_data__open_folder(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err)
{
    const char *root = cop_arena_strdup(dataset->arena, source->path);
    if (root == NULL) return COP_FAIL_NOMEM(err);
    struct cop_data__names folders;
    COP_TRY(cop_data__list_folders(dataset, root, &folders, err));
    if (folders.n == 0) return add_pictures(dataset, root, "", -1, err);
    int32_t *label_of = COP_ARENA_NEW_N(dataset->arena, folders.n, int32_t);
    if (label_of == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(label_folders(dataset, &folders, source->labels, label_of, err));
    for (int64_t i = 0; i < folders.n; i++) {
        COP_TRY(add_class(dataset, root, folders.name[i], label_of[i], err));
    }
    return COP_OK;
}
