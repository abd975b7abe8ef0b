/* tests/fuzz/mutate_json.c - see mutate.h. */
#include "mutate.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const double odd_numbers[] = {
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    7,
    8,
    0.5,
    -2,
    16,
    255,
    65536,
    1048576,
    1e6,
    1e9,
    -1e9,
    4e9,
    1e18,
    1e300,
    2147483647,
    -2147483648.0,
    1e-9};
static const char *const odd_texts[] = {
    "",       "same",    "valid",      "channels_first", "channels_last", "relu",
    "Model",  "softmax", "Sequential", "InputLayer",     "Dense",         "Flatten",
    "linear", "Add",     "Reshape",    "bilinear",       "gelu",          "Conv2D",
    "causal", "\n\x01",  "float16",    "Concatenate",    "Permute",       "Functional"};

static size_t below(struct cop_rng *rng, size_t n)
{
    return n == 0 ? 0 : (size_t)cop_rng_below(rng, (int64_t)n);
}

static size_t count_nodes(const cJSON *node)
{
    size_t n = 1;
    for (const cJSON *child = node->child; child != NULL; child = child->next)
        n += count_nodes(child);
    return n;
}

/* Element @p k in the order of the text, with what holds it. */
static cJSON *find_node(cJSON *node, size_t *k, cJSON *holder, cJSON **found_holder)
{
    if ((*k)-- == 0) {
        *found_holder = holder;
        return node;
    }
    for (cJSON *child = node->child; child != NULL; child = child->next) {
        cJSON *found = find_node(child, k, node, found_holder);
        if (found != NULL) return found;
    }
    return NULL;
}

static cJSON *any_node(struct cop_rng *rng, cJSON *root, cJSON **holder)
{
    size_t k = below(rng, count_nodes(root));
    return find_node(root, &k, NULL, holder);
}

static cJSON *odd_node(struct cop_rng *rng, const cJSON *node)
{
    const size_t n_numbers = sizeof odd_numbers / sizeof *odd_numbers;
    const size_t n_texts = sizeof odd_texts / sizeof *odd_texts;
    switch (below(rng, 8)) {
    case 0: return cJSON_CreateNull();
    case 1: return cJSON_CreateArray();
    case 2: return cJSON_CreateObject();
    case 3: return cJSON_CreateBool(below(rng, 2) == 0);
    case 4: return cJSON_CreateString(odd_texts[below(rng, n_texts)]);
    default: break;
    }
    if (cJSON_IsString(node)) return cJSON_CreateString(odd_texts[below(rng, n_texts)]);
    if (cJSON_IsNumber(node) && below(rng, 2) == 0)
        return cJSON_CreateNumber(node->valuedouble + (double)below(rng, 5) - 2);
    return cJSON_CreateNumber(odd_numbers[below(rng, n_numbers)]);
}

static void put_in_place(cJSON *holder, cJSON *node, cJSON *fresh)
{
    const cJSON_bool is_in =
        node->string != NULL
            ? cJSON_ReplaceItemInObjectCaseSensitive(holder, node->string, fresh)
            : cJSON_ReplaceItemViaPointer(holder, node, fresh);
    if (!is_in) cJSON_Delete(fresh);
}

static void change_one(struct cop_rng *rng, cJSON *root)
{
    cJSON *holder = NULL;
    cJSON *other_holder = NULL;
    cJSON *node = any_node(rng, root, &holder);
    if (holder == NULL) return;
    const cJSON *other = any_node(rng, root, &other_holder);
    switch (below(rng, 6)) {
    case 0: cJSON_Delete(cJSON_DetachItemViaPointer(holder, node)); return;
    case 1:
        if (cJSON_IsArray(holder)) {
            cJSON *again = cJSON_Duplicate(node, 1);
            if (!cJSON_AddItemToArray(holder, again)) cJSON_Delete(again);
        }
        return;
    case 2:
        if (count_nodes(other) < 200)
            put_in_place(holder, node, cJSON_Duplicate(other, 1));
        return;
    default: put_in_place(holder, node, odd_node(rng, node)); return;
    }
}

void mutate_json(
    struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out)
{
    cJSON *root = cJSON_ParseWithLength((const char *)a->at, a->n);
    if (root == NULL || below(rng, 10) == 0) {
        pb_raw(out, a->at, a->n);
        mutate_blindly(rng, b, out);
        cJSON_Delete(root);
        return;
    }
    const size_t n = 1 + below(rng, 4);
    for (size_t i = 0; i < n; i++)
        change_one(rng, root);
    char *text = cJSON_PrintUnformatted(root);
    if (text != NULL) pb_raw(out, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(root);
}
