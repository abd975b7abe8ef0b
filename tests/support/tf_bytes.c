/* tests/support/tf_bytes.c - see tf_bytes.h. */
#include "support/tf_bytes.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 2000 };
/* GraphDef, NodeDef and the entries of its map */
enum { GRAPH_NODE = 1, GRAPH_VERSIONS = 4, NAME = 1, OP = 2, INPUT = 3, ATTR = 5 };
/* AttrValue */
enum {
    LIST = 1,
    TEXT = 2,
    INT = 3,
    FLOAT = 4,
    BOOL = 5,
    TYPE = 6,
    SHAPE = 7,
    TENSOR = 8
};

/* Integers separated by commas, each as a field of @p to, or all packed into one (field 0
 * of the message is none). */
static const char *put_ints(struct pb *to, uint32_t field, const char *at)
{
    char *end = NULL;
    for (;; at = end + 1) {
        const long long number = strtoll(at, &end, 10);
        if (end == at) return at;
        if (field > 0)
            pb_int(to, field, number);
        else
            pb_varint(to, (uint64_t)number);
        if (*end != ',') return end;
    }
}

static struct pb shape_of(const char **at)
{
    struct pb shape = {0};
    if (**at == '?') {
        pb_int(&shape, 3, 1);
        ++*at;
        return shape;
    }
    for (char *end = NULL; **at == '-' || (**at >= '0' && **at <= '9'); *at = end) {
        struct pb dim = {0};
        pb_int(&dim, 1, strtoll(*at, &end, 10));
        pb_message(&shape, 2, &dim);
        if (*end == ',') end++;
    }
    return shape;
}

/* ---- tensors ----------------------------------------------------------------------------- */

static const struct {
    char letter;
    int number; /* of the type */
    uint32_t field;
    unsigned bytes; /* of a raw element */
    bool is_real;
} types[] = {
    {'f', 1, 5, 4, true},
    {'d', 2, 6, 8, true},
    {'i', 3, 7, 4, false},
    {'l', 9, 10, 8, false},
    {'b', 10, 11, 1, false},
    {'s', 7, 8, 1, false}};

static size_t type_of(char letter)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].letter == letter) return i;
    fail_msg("no type '%c'", letter);
    return 0;
}

static void put_element(struct pb *to, size_t type, bool is_raw, double number)
{
    const float narrow = (float)number;
    const int64_t whole = (int64_t)number;
    if (types[type].letter == 'f')
        pb_raw(to, &narrow, sizeof narrow);
    else if (types[type].letter == 'd')
        pb_raw(to, &number, sizeof number);
    else if (is_raw)
        pb_raw(to, &whole, types[type].bytes);
    else
        pb_varint(to, (uint64_t)whole);
}

/* Behind the '{'. */
static struct pb tensor_of(const char *at)
{
    struct pb tensor = {0};
    struct pb elements = {0};
    const size_t type = type_of(*at++);
    const bool is_raw = *at == '*';
    at += is_raw ? 2 : 1;
    pb_int(&tensor, 1, types[type].number);
    struct pb shape = shape_of(&at);
    pb_message(&tensor, 2, &shape);
    if (*at++ != ';') fail_msg("tensor without elements: %s", at);
    char *end = NULL;
    if (*at == '~') {
        const long n = strtol(at + 1, &end, 10);
        for (long i = 0; i < n; i++)
            put_element(&elements, type, is_raw, (double)((i * 7 + 3) % 11 - 5) / 4);
    } else {
        for (;; at = end + 1) {
            const double number = strtod(at, &end);
            if (end == at) break;
            put_element(&elements, type, is_raw, number);
            if (*end != ',') break;
        }
    }
    if (*end != '}') fail_msg("tensor without an end: %s", end);
    if (elements.n > 0) pb_message(&tensor, is_raw ? 4 : types[type].field, &elements);
    return tensor;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static struct pb value_of(const char *at)
{
    struct pb value = {0};
    struct pb part = {0};
    struct pb numbers = {0};
    const size_t n = strlen(at);
    const char *const inner = at + 1;
    switch (*at) {
    case '\'': pb_bytes(&value, TEXT, inner, n - 2); break;
    case '#': pb_int(&value, TYPE, strtoll(inner, NULL, 10)); break;
    case 't':
    case 'f': pb_int(&value, BOOL, *at == 't'); break;
    case '<':
        at = inner;
        part = shape_of(&at);
        pb_message(&value, SHAPE, &part);
        break;
    case '[':
        (void)put_ints(&numbers, 0, inner);
        pb_message(&part, INT, &numbers);
        pb_message(&value, LIST, &part);
        break;
    case '{':
        part = tensor_of(inner);
        pb_message(&value, TENSOR, &part);
        break;
    default:
        if (strpbrk(at, ".n") != NULL)
            pb_float(&value, FLOAT, strtof(at, NULL));
        else
            pb_int(&value, INT, strtoll(at, NULL, 10));
    }
    return value;
}

static void put_attr(struct pb *node, char *word)
{
    struct pb entry = {0};
    char *const equals = strchr(word, '=');
    if (equals == NULL) {
        fail_msg("no attribute: %s", word);
        return;
    }
    *equals = '\0';
    struct pb value = value_of(equals + 1);
    pb_text(&entry, 1, word);
    pb_message(&entry, 2, &value);
    pb_message(node, ATTR, &entry);
}

static struct pb node_of(char *line)
{
    struct pb node = {0};
    char *place = NULL;
    bool is_attr = false;
    int n = 0;
    for (char *word = strtok_r(line, " ", &place); word != NULL;
         word = strtok_r(NULL, " ", &place), n++) {
        if (strcmp(word, "|") == 0)
            is_attr = true;
        else if (is_attr)
            put_attr(&node, word);
        else
            pb_text(&node, n == 0 ? OP : n == 1 ? NAME : INPUT, word);
    }
    return node;
}

void tf_nodes(struct pb *graph, const char *text)
{
    char line[MAX_LINE];
    while (*text != '\0') {
        const size_t n = strcspn(text, "\n");
        if (n >= sizeof line) fail_msg("a line is too long: %.60s", text);
        memcpy(line, text, n);
        line[n] = '\0';
        struct pb node = node_of(line);
        pb_message(graph, GRAPH_NODE, &node);
        text += n + (text[n] == '\n');
    }
}

struct pb tf_graph(const char *text)
{
    struct pb graph = {0};
    struct pb versions = {0};
    tf_nodes(&graph, text);
    pb_int(&versions, 1, 27);
    pb_message(&graph, GRAPH_VERSIONS, &versions);
    return graph;
}
