/* tests/cli/json_check.c - are the keys that a verb prints exactly the documented ones?
 *
 * usage: json_check DOCS VERB <output
 * Reads the table under "## VERB" of docs/json.md: rows "| `path` | type | meaning |",
 * where a path is like `per_class[].class`.  Every key printed must be there with that
 * type, and every documented key must be printed, in every object that holds it.  Below a
 * key of type "any" nothing is checked. */
#include <cjson/cJSON.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 128, MAX_PATH = 96, MAX_TEXT = 1 << 22 };

struct row {
    char path[MAX_PATH];
    char type[32];
};

struct table {
    struct row rows[MAX_ROWS];
    int n;
    int faults;
};

/* Copies what stands between two marks; false if it does not fit or is not there. */
static bool between(
    const char *text, const char *from, const char *to, char *into, size_t bytes)
{
    const char *first = strstr(text, from);
    if (first == NULL) return false;
    first += strlen(from);
    const char *last = strstr(first, to);
    if (last == NULL || (size_t)(last - first) >= bytes) return false;
    memcpy(into, first, (size_t)(last - first));
    into[last - first] = 0;
    return true;
}

static bool read_table(const char *path, const char *verb, struct table *table)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    char line[1024];
    char title[64];
    bool is_inside = false;
    snprintf(title, sizeof title, "## %s\n", verb);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "## ", 3) == 0) is_inside = strcmp(line, title) == 0;
        if (!is_inside || strncmp(line, "| `", 3) != 0 || table->n == MAX_ROWS) continue;
        struct row *row = &table->rows[table->n];
        if (between(line, "| `", "` |", row->path, sizeof row->path) &&
            between(line, "` | ", " |", row->type, sizeof row->type))
            ++table->n;
        else
            printf("docs: cannot read this row: %s", line);
    }
    fclose(file);
    return table->n > 0;
}

static const struct row *find_row(const struct table *table, const char *path)
{
    for (int i = 0; i < table->n; ++i)
        if (strcmp(table->rows[i].path, path) == 0) return &table->rows[i];
    return NULL;
}

static bool fits(const cJSON *item, const char *type)
{
    const bool may_be_null = strstr(type, " or null") != NULL;
    if (cJSON_IsNull(item)) return may_be_null || strcmp(type, "any") == 0;
    if (strncmp(type, "any", 3) == 0) return true;
    if (strncmp(type, "text", 4) == 0) return cJSON_IsString(item);
    if (strncmp(type, "number", 6) == 0) return cJSON_IsNumber(item);
    if (strncmp(type, "bool", 4) == 0) return cJSON_IsBool(item);
    if (strncmp(type, "list", 4) == 0) return cJSON_IsArray(item);
    if (strncmp(type, "object", 6) == 0) return cJSON_IsObject(item);
    return false;
}

static void fault(struct table *table, const char *what, const char *path)
{
    printf("%s: %s\n", what, path);
    ++table->faults;
}

static void check_item(struct table *table, const cJSON *item, const char *path);

static void check_object(struct table *table, const cJSON *object, const char *prefix)
{
    char path[MAX_PATH];
    const size_t n = strlen(prefix);
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        snprintf(path, sizeof path, "%s%s", prefix, item->string);
        check_item(table, item, path);
    }
    for (int i = 0; i < table->n; ++i) {
        const char *rest = table->rows[i].path + n;
        const bool is_mine = strncmp(table->rows[i].path, prefix, n) == 0 &&
                             strpbrk(rest, ".[") == NULL;
        if (is_mine && cJSON_GetObjectItemCaseSensitive(object, rest) == NULL)
            fault(table, "documented, not printed", table->rows[i].path);
    }
}

static void check_item(struct table *table, const cJSON *item, const char *path)
{
    const struct row *row = find_row(table, path);
    char below[MAX_PATH];
    if (row == NULL) {
        fault(table, "printed, not documented", path);
        return;
    }
    if (!fits(item, row->type)) fault(table, "of another type than documented", path);
    if (strncmp(row->type, "any", 3) == 0) return;
    if (cJSON_IsObject(item)) {
        snprintf(below, sizeof below, "%s.", path);
        check_object(table, item, below);
    }
    if (!cJSON_IsArray(item)) return;
    for (const cJSON *element = item->child; element != NULL; element = element->next) {
        snprintf(below, sizeof below, "%s[]", path);
        if (!cJSON_IsObject(element)) {
            check_item(table, element, below);
            continue;
        }
        snprintf(below, sizeof below, "%s[].", path);
        check_object(table, element, below);
    }
}

int main(int argc, char **argv)
{
    static struct table table;
    static char text[MAX_TEXT];
    if (argc != 3) {
        puts("usage: json_check DOCS VERB <output");
        return 2;
    }
    if (!read_table(argv[1], argv[2], &table)) {
        printf("%s: no table under '## %s'\n", argv[1], argv[2]);
        return 1;
    }
    const size_t n = fread(text, 1, sizeof text - 1, stdin);
    const char *end = NULL;
    cJSON *document = cJSON_ParseWithLengthOpts(text, n, &end, false);
    if (document == NULL || !cJSON_IsObject(document)) {
        printf("not one JSON object: %.200s\n", text);
        cJSON_Delete(document);
        return 1;
    }
    /* Nothing but white space may follow: one document. */
    if (strspn(end, " \t\r\n") != strlen(end))
        fault(&table, "text behind the document", end);
    check_object(&table, document, "");
    cJSON_Delete(document);
    if (table.faults == 0) puts("keys as documented");
    return table.faults == 0 ? 0 : 1;
}
