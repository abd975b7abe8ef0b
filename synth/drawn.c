/* synth/drawn.c - see drawn.h. */
#include "synth/drawn.h"

static enum cop_status read_drawn(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    const struct cop_drawn *drawn = context;
    return cop_dataset_read(drawn->data, drawn->at + first, n, batch, err);
}

/* Room for @p n images; which ones is the caller's to say. */
static enum cop_status open_drawn(
    const struct cop_dataset *data,
    int64_t n,
    struct cop_arena *arena,
    struct cop_drawn *drawn,
    struct cop_err *err)
{
    *drawn = (struct cop_drawn){
        .data = data,
        .at = COP_ARENA_NEW_N(arena, n, int64_t),
        .samples = {.context = drawn, .n = n, .read = read_drawn},
    };
    return drawn->at != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

enum cop_status cop_drawn__make(
    const struct cop_dataset *data,
    int64_t n,
    uint64_t seed,
    struct cop_arena *arena,
    struct cop_drawn *drawn,
    struct cop_err *err)
{
    if (n > cop_dataset_n(data)) n = cop_dataset_n(data);
    COP_TRY(open_drawn(data, n, arena, drawn, err));
    COP_TRY(cop_dataset_draw(data, seed, &drawn->samples.n, drawn->at, err));
    if (drawn->samples.n > 0) return COP_OK;
    return COP_FAIL(err, COP_EINVAL, "the calibration data is empty");
}

enum cop_status cop_drawn__part(
    const struct cop_drawn *drawn,
    int64_t number,
    int64_t n,
    struct cop_arena *arena,
    struct cop_drawn *part,
    struct cop_err *err)
{
    int64_t n_all = drawn->samples.n;
    if (n > n_all) n = n_all;
    COP_TRY(open_drawn(drawn->data, n, arena, part, err));
    int64_t offset = number * (n_all / n / COP_DRAWN_PARTS);
    for (int64_t i = 0; i < n; i++)
        part->at[i] = drawn->at[i * n_all / n + offset];
    return COP_OK;
}
