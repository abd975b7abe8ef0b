/* graph/names.c - see names.h. */
#include "graph/names.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

struct cop_names_slot {
    const char *name; /* NULL with thing NULL: free; NULL with thing set: a grave */
    void *thing;
};

static size_t hash_name(const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *c = name; *c != '\0'; c++) {
        hash ^= (unsigned char)*c;
        hash *= UINT64_C(1099511628211);
    }
    return (size_t)hash;
}

static struct cop_names_slot *find_slot(const struct cop_names *names, const char *name)
{
    if (names->cap == 0) return NULL;
    for (size_t i = hash_name(name);; i++) {
        struct cop_names_slot *slot = &names->slots[i & (names->cap - 1)];
        if (slot->name == NULL && slot->thing == NULL) return NULL;
        if (slot->name != NULL && strcmp(slot->name, name) == 0) return slot;
    }
}

void *cop_graph__names_find(const struct cop_names *names, const char *name)
{
    const struct cop_names_slot *slot = find_slot(names, name);
    return slot != NULL ? slot->thing : NULL;
}

static void insert(struct cop_names *names, const char *name, void *thing)
{
    size_t i = hash_name(name);
    while (names->slots[i & (names->cap - 1)].thing != NULL)
        i++;
    names->slots[i & (names->cap - 1)] =
        (struct cop_names_slot){.name = name, .thing = thing};
    names->n++;
    names->used++;
}

static enum cop_status rehash(struct cop_names *names, struct cop_err *err)
{
    struct cop_names grown = {.cap = 64};
    while (grown.cap < 4 * (names->n + 1))
        grown.cap *= 2;
    grown.slots = cop_mem_array(grown.cap, sizeof *grown.slots);
    if (grown.slots == NULL) return COP_FAIL_NOMEM(err);
    for (size_t i = 0; i < names->cap; i++) {
        if (names->slots[i].name != NULL)
            insert(&grown, names->slots[i].name, names->slots[i].thing);
    }
    cop_mem_free(names->slots);
    *names = grown;
    return COP_OK;
}

enum cop_status cop_graph__names_add(
    struct cop_names *names, const char *name, void *thing, struct cop_err *err)
{
    if (2 * (names->used + 1) > names->cap) COP_TRY(rehash(names, err));
    insert(names, name, thing);
    return COP_OK;
}

void cop_graph__names_remove(struct cop_names *names, const char *name)
{
    struct cop_names_slot *slot = find_slot(names, name);
    if (slot == NULL) return;
    slot->name = NULL; /* thing stays: probes must pass over this grave */
    names->n--;
}

void cop_graph__names_clear(struct cop_names *names)
{
    cop_mem_free(names->slots);
    *names = (struct cop_names){0};
}
