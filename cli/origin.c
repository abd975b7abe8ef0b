/* cli/origin.c - see origin.h. */
#include "cli/origin.h"

#include "data/preprocess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Formats by the metadata that their readers leave; see importers/README.md. */
struct format {
    const char *name;
    const char *title;
    const char *mark;   /* a key that is always there */
    const char *prefix; /* of all keys */
};

static const struct format formats[] = {
    {"keras", "Keras", "keras.version", "keras."},
    {"tensorflow", "TensorFlow", "tf.producer", "tf."},
    {"onnx", "ONNX", "onnx.opset", "onnx."},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const struct format *find_format(const struct cop_graph *graph)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (cop_graph_meta(graph, formats[i].mark) != NULL) return &formats[i];
    return NULL;
}

/* ---- making --------------------------------------------------------------------- */

static void add_number(
    struct cop_cli *cli, cJSON *origin, const char *key, const char *text)
{
    if (text != NULL)
        cop_json_count(cli, origin, key, strtoll(text, NULL, 10));
    else
        cop_json_text(cli, origin, key, NULL);
}

static const char *producer_of(
    const struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct format *format)
{
    const char *text = format != NULL ? cop_graph_meta(graph, format->mark) : NULL;
    if (text == NULL || text[0] == '\0') return NULL;
    if (strcmp(format->name, "onnx") == 0) {
        text = cop_graph_meta(graph, "onnx.producer");
        return text != NULL && text[0] != '\0' ? text : NULL;
    }
    const char *const words =
        strcmp(format->name, "keras") == 0 ? "Keras" : "graph version";
    return cop_arena_printf(cli->arena, "%s %s", words, text);
}

/* Keys FORMAT.widened.DTYPE. */
static void add_widened(
    struct cop_cli *cli,
    cJSON *origin,
    const struct cop_graph *graph,
    const struct format *format)
{
    static const char word[] = "widened.";
    cJSON *list = cop_json_array(cli, origin, "widened");
    for (int32_t i = 0; i < cop_graph_n_meta(graph) && format != NULL; i++) {
        const char *key = NULL;
        const char *text = NULL;
        cop_graph_meta_at(graph, i, &key, &text);
        if (!starts_with(key, format->prefix)) continue;
        key += strlen(format->prefix);
        if (!starts_with(key, word)) continue;
        cJSON *element = cop_json_element(cli, list);
        cop_json_text(cli, element, "dtype", key + strlen(word));
        add_number(cli, element, "n", text);
    }
}

static void add_unused(
    struct cop_cli *cli,
    cJSON *origin,
    const struct cop_graph *graph,
    const struct format *format)
{
    char key[64] = "";
    cJSON *list = cop_json_array(cli, origin, "unused");
    if (format != NULL) (void)snprintf(key, sizeof key, "%sunused", format->prefix);
    const char *names = cop_graph_meta(graph, key);
    while (names != NULL && names[0] != '\0') {
        const size_t n = strcspn(names, "\n");
        const char *name = cop_arena_strndup(cli->arena, names, n);
        if (name == NULL) cli->is_json_failed = true;
        cop_json_text_element(cli, list, name != NULL ? name : "");
        names += n + (names[n] == '\n');
    }
}

cJSON *cop_origin_read(struct cop_cli *cli, const struct cop_graph *graph)
{
    const struct format *format = find_format(graph);
    cJSON *origin = cop_json_document(cli);
    cop_json_text(cli, origin, "format", format != NULL ? format->name : NULL);
    cop_json_text(cli, origin, "producer", producer_of(cli, graph, format));
    add_number(cli, origin, "opset", cop_graph_meta(graph, "onnx.opset"));
    add_number(cli, origin, "ir_version", cop_graph_meta(graph, "onnx.ir_version"));
    add_widened(cli, origin, graph, format);
    add_unused(cli, origin, graph, format);
    return origin;
}

static void add_missing(struct cop_cli *cli, cJSON *origin)
{
    static const char *const texts[] = {"format", "producer", "opset", "ir_version"};
    static const char *const lists[] = {"widened", "unused"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!cJSON_HasObjectItem(origin, texts[i]))
            cop_json_text(cli, origin, texts[i], NULL);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!cJSON_IsArray(cJSON_GetObjectItem(origin, lists[i])))
            (void)cop_json_array(cli, origin, lists[i]);
}

cJSON *cop_origin_parse(struct cop_cli *cli, const char *json)
{
    cJSON *origin = cJSON_Parse(json);
    if (!cJSON_HasObjectItem(origin, "format")) {
        cJSON_Delete(origin);
        origin = cop_json_document(cli);
    }
    add_missing(cli, origin);
    return origin;
}

/* ---- printing ------------------------------------------------------------------- */

static const char *title_of(const char *name)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(formats[i].name, name) == 0) return formats[i].title;
    return name;
}

static void print_number(const cJSON *origin, const char *key, const char *words)
{
    const cJSON *item = cJSON_GetObjectItem(origin, key);
    if (cJSON_IsNumber(item)) printf(", %s %d", words, item->valueint);
}

static void print_widened(const cJSON *list, int width)
{
    const cJSON *item = NULL;
    if (cJSON_GetArraySize(list) == 0) return;
    printf("%-*s", width, "widened");
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *dtype = cJSON_GetObjectItem(item, "dtype");
        const cJSON *n = cJSON_GetObjectItem(item, "n");
        if (!cJSON_IsString(dtype) || !cJSON_IsNumber(n)) continue;
        printf(
            "%s%d of %s",
            item == list->child ? "" : ", ",
            n->valueint,
            dtype->valuestring);
    }
    puts(": these tensors are held as float32");
}

/* Long lists are told in full by --json. */
enum { MOST_NAMES = 4 };

static void print_unused(const cJSON *list, int width)
{
    const cJSON *item = NULL;
    const int n = cJSON_GetArraySize(list);
    int i = 0;
    if (n == 0) return;
    printf("%-*s%d that no node reads:", width, "unused", n);
    cJSON_ArrayForEach(item, list)
    {
        if (i < MOST_NAMES && cJSON_IsString(item))
            printf("%s %s", i > 0 ? "," : "", item->valuestring);
        i++;
    }
    puts(n > MOST_NAMES ? ", ..." : "");
}

void cop_origin_print(const cJSON *origin, int width)
{
    const cJSON *format = cJSON_GetObjectItem(origin, "format");
    const cJSON *producer = cJSON_GetObjectItem(origin, "producer");
    if (cJSON_IsString(format)) {
        printf("%-*s%s", width, "format", title_of(format->valuestring));
        print_number(origin, "opset", "opset");
        print_number(origin, "ir_version", "IR version");
        if (cJSON_IsString(producer)) printf(", by %s", producer->valuestring);
        putchar('\n');
    }
    print_widened(cJSON_GetObjectItem(origin, "widened"), width);
    print_unused(cJSON_GetObjectItem(origin, "unused"), width);
}

void cop_origin_move(cJSON *origin, cJSON *document)
{
    while (origin != NULL && origin->child != NULL) {
        cJSON *item = cJSON_DetachItemViaPointer(origin, origin->child);
        if (!cJSON_AddItemToObject(document, item->string, item)) cJSON_Delete(item);
    }
}

/* ---- metadata ------------------------------------------------------------------- */

/* What the readers noted and what `preprocess` tells are not the file's own. */
static bool is_own(const char *key)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (starts_with(key, formats[i].prefix)) return false;
    return strcmp(key, COP_PREPROCESS_META) != 0;
}

void cop_origin_print_metadata(const struct cop_graph *graph, int width)
{
    enum { MOST = 100 };
    const char *title = "metadata";
    for (int32_t i = 0; i < cop_graph_n_meta(graph); i++) {
        const char *key = NULL;
        const char *text = NULL;
        cop_graph_meta_at(graph, i, &key, &text);
        if (!is_own(key)) continue;
        printf("%-*s%.*s: ", width, title, MOST, key);
        printf("%.*s%s\n", MOST, text, strlen(text) > MOST ? "..." : "");
        title = "";
    }
}

void cop_origin_add_metadata(
    struct cop_cli *cli, cJSON *document, const struct cop_graph *graph)
{
    cJSON *list = cop_json_array(cli, document, "metadata");
    for (int32_t i = 0; i < cop_graph_n_meta(graph); i++) {
        const char *key = NULL;
        const char *text = NULL;
        cop_graph_meta_at(graph, i, &key, &text);
        if (!is_own(key)) continue;
        cJSON *element = cop_json_element(cli, list);
        cop_json_text(cli, element, "key", key);
        cop_json_text(cli, element, "text", text);
    }
}

/* ---- shared weights -------------------------------------------------------------- */

/* How many nodes read a weight; 0 for what is no weight. */
static int32_t count_readers(const struct cop_value *value)
{
    int32_t n = 0;
    if (value == NULL || value->data == NULL || value->dtype != COP_F32) return 0;
    if (cop_shape_n(&value->shape) < 2) return 0;
    for (int32_t i = 0; i < value->n_uses; i++) /* uses by one node stand together */
        n += i == 0 || value->uses[i - 1].node != value->uses[i].node;
    return n;
}

void cop_origin_print_shared(const struct cop_graph *graph, int width)
{
    const char *title = "shared";
    int n = 0;
    for (int32_t i = 0; i < cop_graph_n_values(graph); i++) {
        const struct cop_value *value = cop_graph_value(graph, i);
        const int32_t readers = count_readers(value);
        if (readers < 2) continue;
        if (n++ < MOST_NAMES)
            printf("%-*s%s, read by %d nodes\n", width, title, value->name, readers);
        title = "";
    }
    if (n > MOST_NAMES) printf("%-*sand %d more\n", width, "", n - MOST_NAMES);
}

void cop_origin_add_shared(
    struct cop_cli *cli, cJSON *document, const struct cop_graph *graph)
{
    cJSON *list = cop_json_array(cli, document, "shared");
    for (int32_t i = 0; i < cop_graph_n_values(graph); i++) {
        const struct cop_value *value = cop_graph_value(graph, i);
        const int32_t readers = count_readers(value);
        if (readers < 2) continue;
        cJSON *element = cop_json_element(cli, list);
        cop_json_text(cli, element, "weight", value->name);
        cop_json_count(cli, element, "readers", readers);
    }
}
