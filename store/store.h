/* store/store.h - the project file: one SQLite database of models, numbers and reasons.
 *
 * Sees rows and bytes, never graphs.  Strings in rows read back live in the arena the
 * caller gives.  Evidence rows (evaluations, measurements, candidates, cuts, maps) are
 * only appended, and every one is linked into the audit chain: SHA-256 over its canonical
 * bytes and the link before.  One writer at a time; every put is a transaction of its own
 * unless the caller opened one.  Every failure of the file is COP_ESTORE. */
#ifndef COP_STORE_STORE_H
#define COP_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_store;

enum { COP_HASH_HEX = 65 };

/** A new project file; COP_ESTORE if the file exists. */
COP_NODISCARD enum cop_status cop_store_create(
    const char *path, struct cop_store **store, struct cop_err *err);
/** Opens and, if an older Coppice wrote it, migrates.  COP_ENOTFOUND; COP_ESTORE if it is
 *  no project file, or a newer one. */
COP_NODISCARD enum cop_status cop_store_open(
    const char *path, struct cop_store **store, struct cop_err *err);
void cop_store_close(struct cop_store *store);
/** Of the SQLite library in use, e.g. "3.40.1"; static. */
const char *cop_store_sqlite_version(void);

/** Several puts as one: all or none.  Not nested. */
COP_NODISCARD enum cop_status cop_store_begin(
    struct cop_store *store, struct cop_err *err);
COP_NODISCARD enum cop_status cop_store_commit(
    struct cop_store *store, struct cop_err *err);
void cop_store_rollback(struct cop_store *store);

/* ---- bytes, by content --------------------------------------------------------- */

/** Stores @p n bytes once, in chunks of at most 4 MiB; @p sha256 names them. */
COP_NODISCARD enum cop_status cop_store_put_blob(
    struct cop_store *store,
    const void *bytes,
    size_t n,
    char sha256[COP_HASH_HEX],
    struct cop_err *err);
/** COP_ENOTFOUND; COP_ESTORE when the bytes no longer match their name. */
COP_NODISCARD enum cop_status cop_store_get_blob(
    struct cop_store *store,
    const char *sha256,
    struct cop_buf **bytes,
    struct cop_err *err);

/* ---- models --------------------------------------------------------------------- */

struct cop_model_row {
    int64_t id;            /* 0 before it is put */
    const char *name;      /* unique */
    int64_t parent_id;     /* 0: an original */
    const char *graph_sha; /* blob: ONNX skeleton; its tensors are blobs of their own */
    const char *source;    /* file it came from, or how it was made */
    const char *origin_json; /* recipe: decision vector, seed, data hash, scores */
    int64_t macs;            /* per sample */
    int64_t params;
    int64_t bytes; /* of parameters */
    int64_t created_us;
};

/** Sets row->id. COP_EINVAL when the name is taken. */
COP_NODISCARD enum cop_status cop_store_put_model(
    struct cop_store *store, struct cop_model_row *row, struct cop_err *err);
COP_NODISCARD enum cop_status cop_store_get_model(
    struct cop_store *store,
    const char *name,
    struct cop_arena *arena,
    struct cop_model_row *row,
    struct cop_err *err);
/** In the order they were put. */
COP_NODISCARD enum cop_status cop_store_list_models(
    struct cop_store *store,
    struct cop_arena *arena,
    struct cop_model_row **rows,
    int32_t *n,
    struct cop_err *err);

/* ---- data sets --------------------------------------------------------------------- */

struct cop_dataset_row {
    int64_t id;
    const char *name; /* unique */
    const char *path;
    const char *format;       /* "folder", "cifar", "idx", "records" */
    const char *labels;       /* as given; may be "" */
    const char *record_shape; /* "3x32x32" or "" */
    const char *preprocess;   /* cop_preprocess_print */
    const char *classes_json; /* array of names */
    const char *sha256;       /* of contents */
    int64_t n;
    int64_t created_us;
};
COP_NODISCARD enum cop_status cop_store_put_dataset(
    struct cop_store *store, struct cop_dataset_row *row, struct cop_err *err);
COP_NODISCARD enum cop_status cop_store_get_dataset(
    struct cop_store *store,
    const char *name,
    struct cop_arena *arena,
    struct cop_dataset_row *row,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_store_list_datasets(
    struct cop_store *store,
    struct cop_arena *arena,
    struct cop_dataset_row **rows,
    int32_t *n,
    struct cop_err *err);

/* ---- evidence: accuracy and time ------------------------------------------------------ */

/** What one model answered on one data set. */
struct cop_evaluation_row {
    int64_t id;
    int64_t model_id;
    int64_t dataset_id;
    int64_t n;   /* samples */
    double top1; /* percent */
    double top5;
    const char *per_class_json; /* [{"class":..,"n":..,"right":..}, ...] */
    const char *machine_json;   /* isa, oneDNN version, threads, cpu */
    const void *answers; /* n records: int32 sample, int32 answer, float32 p(answer),
                                   float32 p(label); little endian */
    size_t answers_bytes;
    int64_t created_us;
};
COP_NODISCARD enum cop_status cop_store_put_evaluation(
    struct cop_store *store, struct cop_evaluation_row *row, struct cop_err *err);
/** The newest of (model, data set); COP_ENOTFOUND.  @p dataset_id 0: any data set. */
COP_NODISCARD enum cop_status cop_store_last_evaluation(
    struct cop_store *store,
    int64_t model_id,
    int64_t dataset_id,
    struct cop_arena *arena,
    struct cop_evaluation_row *row,
    struct cop_err *err);

struct cop_measurement_row {
    int64_t id;
    int64_t model_id;
    int64_t mb;
    int64_t threads;
    int64_t runs;
    double median_ms;
    double p95_ms;
    double min_ms;
    int64_t peak_bytes; /* weights + activations + scratchpad of the plan */
    const char *machine_json;
    int64_t created_us;
};
COP_NODISCARD enum cop_status cop_store_put_measurement(
    struct cop_store *store, struct cop_measurement_row *row, struct cop_err *err);
/** The newest of the model; COP_ENOTFOUND. */
COP_NODISCARD enum cop_status cop_store_last_measurement(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_measurement_row *row,
    struct cop_err *err);

/* ---- the search --------------------------------------------------------------------- */

struct cop_run_row {
    int64_t id;
    int64_t model_id;
    const char *config_json;      /* canonical; equal text resumes the run */
    const char *feasibility_json; /* reachable minimum and maximum, what limits them */
    const char *status;           /* "running", "done" */
    int64_t created_us;
};
/** Finds the run of that model and config, or makes it ("running"). */
COP_NODISCARD enum cop_status cop_store_open_run(
    struct cop_store *store,
    int64_t model_id,
    const char *config_json,
    struct cop_arena *arena,
    struct cop_run_row *row,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_store_set_run(
    struct cop_store *store, const struct cop_run_row *row, struct cop_err *err);
/** The newest run of the model; COP_ENOTFOUND. */
COP_NODISCARD enum cop_status cop_store_last_run(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_run_row *row,
    struct cop_err *err);

struct cop_candidate_row {
    int64_t id;
    int64_t run_id;
    int64_t seq;               /* unique in the run: the generator's counter */
    const char *decision_json; /* what was generated: width per group */
    int64_t model_id;          /* 0: not kept */
    int64_t macs;
    int64_t params;
    int64_t bytes;
    double median_ms;
    double base_ms; /* the original, timed in turn: median_ms over the median ratio */
    double top1;    /* percent, on the validation data */
    double base_top1;
    bool is_accepted;
    const char *reason; /* one sentence: why accepted or not */
    int64_t created_us;
};
COP_NODISCARD enum cop_status cop_store_put_candidate(
    struct cop_store *store, struct cop_candidate_row *row, struct cop_err *err);
/** Of one run, by seq. */
COP_NODISCARD enum cop_status cop_store_list_candidates(
    struct cop_store *store,
    int64_t run_id,
    struct cop_arena *arena,
    struct cop_candidate_row **rows,
    int32_t *n,
    struct cop_err *err);

/** What became of one channel group of one variant, and why.  Variants made before schema 2
 *  have rows only for the groups that were cut. */
struct cop_cut_row {
    int64_t id;
    int64_t model_id;
    const char *layer;        /* the producing node the group is named after */
    const char *members_json; /* tensors that go together: tensor, axis, reads, layer,
                                 ranges as cop_group_ranges gives them */
    int64_t width_before;
    int64_t width_after; /* equal to width_before: nothing was cut */
    const void *
        channels; /* records: int32 channel, float32 score, uint8 kept; packed, first to
                      go first; none for a frozen group */
    size_t channels_bytes;
    const char *reason;
    const char
        *effect_json; /* {"score":method,"macs":..,"params":..,"ms":..,"error":..}:
                                what the cut saves alone; {} if unknown */
};
COP_NODISCARD enum cop_status cop_store_put_cut(
    struct cop_store *store, struct cop_cut_row *row, struct cop_err *err);
/** The groups that were cut. */
COP_NODISCARD enum cop_status cop_store_list_cuts(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_cut_row **rows,
    int32_t *n,
    struct cop_err *err);
/** All groups: those left whole and the frozen ones too. */
COP_NODISCARD enum cop_status cop_store_list_groups(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_cut_row **rows,
    int32_t *n,
    struct cop_err *err);

/* ---- explanations ----------------------------------------------------------------------- */

/** One map or channel vector: (model, sample, layer) -> float32 values. */
struct cop_attribution_row {
    int64_t id;
    int64_t model_id;
    int64_t dataset_id;
    int64_t sample;          /* -1: a mean over samples */
    const char *method;      /* "occlusion", "channel-ablation" */
    const char *layer;       /* "" : the input */
    int64_t target;          /* class whose logit is explained */
    int64_t rows, cols;      /* of the map; rows 1 for channel vectors */
    double f_x;              /* logit of the target on the untouched input */
    const char *config_json; /* window, stride, fill, ... */
    const void *values;      /* rows * cols float32, little endian */
    size_t values_bytes;
};
COP_NODISCARD enum cop_status cop_store_put_attribution(
    struct cop_store *store, struct cop_attribution_row *row, struct cop_err *err);
/** Newest first for equal (sample, layer). */
COP_NODISCARD enum cop_status cop_store_list_attributions(
    struct cop_store *store,
    int64_t model_id,
    const char *method,
    struct cop_arena *arena,
    struct cop_attribution_row **rows,
    int32_t *n,
    struct cop_err *err);

/* ---- the audit chain ----------------------------------------------------------------------- */

/** Root (last link) and length of the chain. */
COP_NODISCARD enum cop_status cop_store_audit_root(
    struct cop_store *store,
    char root[COP_HASH_HEX],
    int64_t *length,
    struct cop_err *err);
/** Recomputes every link and every blob's hash.  COP_ESTORE names the first that does not
 *  hold. */
COP_NODISCARD enum cop_status cop_store_verify(
    struct cop_store *store, struct cop_err *err);

#endif
