/* importers/hdf5_tape.h - how the process that reads an HDF5 file tells its parent.
 *
 * Private to importers/.  Numbers of eight bytes, and strings as a number and a terminated
 * text, one behind the other:
 *   config version backend n_layers { name n_tensors { name kind rank dims... where } }
 *   n_half n_double
 * where: the offset in the file, or n and then n bytes of float32.  The writer remembers
 * that it ran out of room; the reader believes nothing. */
#ifndef COP_IMPORTERS_HDF5_TAPE_H
#define COP_IMPORTERS_HDF5_TAPE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum cop_importers__tape_kind {
    COP_TAPE_OTHER = 0, /* no float32 tensor: nothing follows */
    COP_TAPE_IN_FILE,
    COP_TAPE_HERE,
};

enum { COP_TAPE_LAYERS = 1 << 16, COP_TAPE_TENSORS = 1 << 18, COP_TAPE_NAME = 4096 };

struct cop_importers__tape {
    unsigned char *at;
    size_t n;
    size_t cap;
    bool is_full;
};

/** Room for @p n bytes that the caller fills, or NULL. */
static inline void *cop_importers__tape_room(struct cop_importers__tape *tape, size_t n)
{
    if (tape->is_full || n > tape->cap - tape->n) {
        tape->is_full = true;
        return NULL;
    }
    void *room = tape->at + tape->n;
    tape->n += n;
    return room;
}

static inline void cop_importers__tape_number(
    struct cop_importers__tape *tape, uint64_t number)
{
    void *room = cop_importers__tape_room(tape, sizeof number);
    if (room != NULL) memcpy(room, &number, sizeof number);
}

static inline void cop_importers__tape_text(
    struct cop_importers__tape *tape, const char *text)
{
    const size_t n = strlen(text);
    cop_importers__tape_number(tape, n);
    void *room = cop_importers__tape_room(tape, n + 1);
    if (room != NULL) memcpy(room, text, n + 1);
}

/** What the child does: reads @p file with the HDF5 library and writes the tape. */
COP_NODISCARD enum cop_status cop_importers__h5_scan(
    const struct cop_buf *file, struct cop_importers__tape *tape, struct cop_err *err);

#endif
