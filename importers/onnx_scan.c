/* importers/onnx_scan.c - see onnx_scan.h.
 *
 * The tables below are the schema of onnx.proto once more, with a limit for each field.
 * They name no message within itself, so the walk is at most seven messages deep however
 * deep the file nests: subgraphs and other unknown parts are stepped over unseen. */
#include "importers/onnx_scan.h"

#include "base/mem.h"

#include <string.h>

enum {
    MAX_SKELETON = 64 << 20, /* bytes besides tensors */
    MAX_FIELDS = 1 << 21,    /* kept, in the whole file; protobuf-c needs ~100 B each */
    MAX_NODES = 1 << 16,
    MAX_TENSORS = 1 << 16,
    MAX_LIST = 1 << 16, /* elements written one by one; packed ones count as one */
    MAX_DEPTH = 8,      /* the longest path through the tables has seven messages */
    PADDED_LENGTH = 5,  /* bytes: lengths are written once the message is complete */
    PAYLOAD_FIELD = 1000
};

enum message {
    ENTRY,
    OPSET,
    TENSOR,
    DIMENSION,
    SHAPE,
    TENSOR_TYPE,
    TYPE,
    VALUE_INFO,
    ATTRIBUTE,
    NODE,
    GRAPH,
    MODEL,
    N_MESSAGES
};

enum action {
    NUMBER, /* a number, or a packed or unpacked list of numbers */
    BYTES,
    TEXT, /* UTF-8 without a zero */
    DESCEND,
    REFUSE
};

struct rule {
    uint32_t field;
    enum action action;
    enum cop_importers__wire_type type; /* of one NUMBER */
    uint32_t most;                      /* occurrences in one message */
    const char *name;
    enum message message; /* of DESCEND */
};

enum { MAX_RULES = 9 };

static const struct rule rules[N_MESSAGES][MAX_RULES] =
    {
        [ENTRY] =
            {
                {1, TEXT, COP_WIRE_BYTES, 1, "key", 0},
                {2, TEXT, COP_WIRE_BYTES, 1, "value", 0},
            },
        [OPSET] =
            {
                {1, TEXT, COP_WIRE_BYTES, 1, "domain", 0},
                {2, NUMBER, COP_WIRE_VARINT, 1, "version", 0},
            },
        [TENSOR] =
            {
                {1, NUMBER, COP_WIRE_VARINT, 64, "dims", 0},
                {2, NUMBER, COP_WIRE_VARINT, 1, "data_type", 0},
                {3, REFUSE, COP_WIRE_BYTES, 0, "a segmented tensor", 0},
                {8, TEXT, COP_WIRE_BYTES, 1, "tensor name", 0},
                {13, DESCEND, COP_WIRE_BYTES, 64, "external_data", ENTRY},
                {14, NUMBER, COP_WIRE_VARINT, 1, "data_location", 0},
            },
        [DIMENSION] =
            {
                {1, NUMBER, COP_WIRE_VARINT, 1, "dim_value", 0},
                {2, TEXT, COP_WIRE_BYTES, 1, "dim_param", 0},
            },
        [SHAPE] = {{1, DESCEND, COP_WIRE_BYTES, 64, "dim", DIMENSION}},
        [TENSOR_TYPE] =
            {
                {1, NUMBER, COP_WIRE_VARINT, 1, "elem_type", 0},
                {2, DESCEND, COP_WIRE_BYTES, 1, "shape", SHAPE},
            },
        [TYPE] = {{1, DESCEND, COP_WIRE_BYTES, 1, "tensor_type", TENSOR_TYPE}},
        [VALUE_INFO] =
            {
                {1, TEXT, COP_WIRE_BYTES, 1, "value name", 0},
                {2, DESCEND, COP_WIRE_BYTES, 1, "type", TYPE},
            },
        [ATTRIBUTE] =
            {
                {1, TEXT, COP_WIRE_BYTES, 1, "attribute name", 0},
                {2, NUMBER, COP_WIRE_FIXED32, 1, "f", 0},
                {3, NUMBER, COP_WIRE_VARINT, 1, "i", 0},
                {4, BYTES, COP_WIRE_BYTES, 1, "s", 0},
                {5, DESCEND, COP_WIRE_BYTES, 1, "t", TENSOR},
                {7, NUMBER, COP_WIRE_FIXED32, MAX_LIST, "floats", 0},
                {8, NUMBER, COP_WIRE_VARINT, MAX_LIST, "ints", 0},
                {20, NUMBER, COP_WIRE_VARINT, 1, "attribute type", 0},
                {21, TEXT, COP_WIRE_BYTES, 1, "ref_attr_name", 0},
            },
        [NODE] =
            {
                {1, TEXT, COP_WIRE_BYTES, 4096, "input", 0},
                {2, TEXT, COP_WIRE_BYTES, 4096, "output", 0},
                {3, TEXT, COP_WIRE_BYTES, 1, "node name", 0},
                {4, TEXT, COP_WIRE_BYTES, 1, "op_type", 0},
                {5, DESCEND, COP_WIRE_BYTES, 256, "attribute", ATTRIBUTE},
                {7, TEXT, COP_WIRE_BYTES, 1, "domain", 0},
            },
        [GRAPH] =
            {
                {1, DESCEND, COP_WIRE_BYTES, MAX_NODES, "node", NODE},
                {2, TEXT, COP_WIRE_BYTES, 1, "graph name", 0},
                {5, DESCEND, COP_WIRE_BYTES, MAX_TENSORS, "initializer", TENSOR},
                {11, DESCEND, COP_WIRE_BYTES, MAX_TENSORS, "graph input", VALUE_INFO},
                {12, DESCEND, COP_WIRE_BYTES, 4096, "graph output", VALUE_INFO},
                {15, REFUSE, COP_WIRE_BYTES, 0, "a sparse initializer", 0},
            },
        [MODEL] =
            {
                {1, NUMBER, COP_WIRE_VARINT, 1, "ir_version", 0},
                {2, TEXT, COP_WIRE_BYTES, 1, "producer_name", 0},
                {3, TEXT, COP_WIRE_BYTES, 1, "producer_version", 0},
                {7, DESCEND, COP_WIRE_BYTES, 1, "graph", GRAPH},
                {8, DESCEND, COP_WIRE_BYTES, 256, "opset_import", OPSET},
                {14, DESCEND, COP_WIRE_BYTES, 4096, "metadata_props", ENTRY},
            },
};

/* ---- writing the skeleton ------------------------------------------------------------ */

static enum cop_status reserve(
    struct cop_importers__scan *scan, size_t n, struct cop_err *err)
{
    if (n > MAX_SKELETON - scan->n_skeleton)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "more than %d MiB besides the tensors",
            MAX_SKELETON >> 20);
    size_t need = scan->n_skeleton + n;
    if (need <= scan->cap_skeleton) return COP_OK;
    size_t cap = scan->cap_skeleton < 1024 ? 1024 : scan->cap_skeleton;
    while (cap < need)
        cap *= 2;
    uint8_t *grown = cop_mem_grow(scan->skeleton, scan->cap_skeleton, cap, 1);
    if (grown == NULL) return COP_FAIL_NOMEM(err);
    scan->skeleton = grown;
    scan->cap_skeleton = cap;
    return COP_OK;
}

/* The shortest form of a number, or one of exactly `padded` bytes. */
static void put_varint(struct cop_importers__scan *scan, uint64_t number, int padded)
{
    for (int i = 1; number > 0x7f || i < padded; i++, number >>= 7)
        scan->skeleton[scan->n_skeleton++] = (uint8_t)(0x80U | (number & 0x7fU));
    scan->skeleton[scan->n_skeleton++] = (uint8_t)number;
}

static enum cop_status put_field(
    struct cop_importers__scan *scan,
    struct cop_importers__span whole,
    struct cop_err *err)
{
    COP_TRY(reserve(scan, whole.n, err));
    memcpy(scan->skeleton + scan->n_skeleton, whole.at, whole.n);
    scan->n_skeleton += whole.n;
    return COP_OK;
}

/* Notes where a TensorProto lies and gives the skeleton its number. */
static enum cop_status put_payload(
    struct cop_importers__scan *scan,
    struct cop_importers__span tensor,
    struct cop_err *err)
{
    if (scan->n_payloads == scan->cap_payloads) {
        size_t cap = scan->cap_payloads == 0 ? 64 : scan->cap_payloads * 2;
        struct cop_importers__span *grown = cop_mem_grow(
            scan->payloads, scan->cap_payloads, cap, sizeof *scan->payloads);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        scan->payloads = grown;
        scan->cap_payloads = cap;
    }
    COP_TRY(reserve(scan, 12, err));
    put_varint(scan, PAYLOAD_FIELD << 3 | COP_WIRE_VARINT, 0);
    put_varint(scan, scan->n_payloads, 0);
    scan->payloads[scan->n_payloads++] = tensor;
    return COP_OK;
}

/* ---- checking ------------------------------------------------------------------------ */

static enum cop_status check_field(
    const struct cop_importers__scan *scan,
    const struct rule *rule,
    const struct cop_importers__field *field,
    uint32_t n_before,
    struct cop_err *err)
{
    if (rule->action == REFUSE)
        return COP_FAIL(err, COP_EUNSUPPORTED, "%s is not supported", rule->name);
    ptrdiff_t at = field->whole.at - scan->file;
    bool is_packed =
        rule->action == NUMBER && rule->most > 1 && field->type == COP_WIRE_BYTES;
    if (field->type != rule->type && !is_packed)
        return COP_FAIL(err, COP_EFORMAT, "%s is damaged at byte %td", rule->name, at);
    if (n_before >= rule->most)
        return COP_FAIL(
            err, COP_EFORMAT, "more than %u times %s", rule->most, rule->name);
    if (scan->n_fields >= MAX_FIELDS)
        return COP_FAIL(err, COP_EFORMAT, "more than %d fields", MAX_FIELDS);
    if (rule->action == TEXT && !cop_importers__is_text(field->body))
        return COP_FAIL(
            err, COP_EFORMAT, "%s at byte %td is not UTF-8 text", rule->name, at);
    return COP_OK;
}

/* ---- the walk ------------------------------------------------------------------------ */

static const struct rule *find_rule(enum message message, uint32_t field)
{
    for (int i = 0; i < MAX_RULES && rules[message][i].field != 0; i++) {
        if (rules[message][i].field == field) return &rules[message][i];
    }
    return NULL;
}

/* A message on the way from the model down to the one in hand. */
struct level {
    enum message message;
    uint32_t counts[MAX_RULES]; /* occurrences so far, by rule */
    struct cop_importers__wire wire;
    struct cop_importers__span body;
    size_t length_at; /* in the skeleton; not of the model itself */
};

/* Writes key and room for a length, and enters the message. */
static enum cop_status enter(
    struct cop_importers__scan *scan,
    const struct rule *rule,
    struct cop_importers__span body,
    struct level *level,
    struct cop_err *err)
{
    COP_TRY(reserve(scan, PADDED_LENGTH + 5, err));
    put_varint(scan, rule->field << 3 | COP_WIRE_BYTES, 0);
    *level = (struct level){
        .message = rule->message,
        .wire = cop_importers__wire_over(scan->file, body),
        .body = body,
        .length_at = scan->n_skeleton,
    };
    scan->n_skeleton += PADDED_LENGTH;
    return COP_OK;
}

/* The message is complete: now its length is known. */
static enum cop_status leave(
    struct cop_importers__scan *scan, const struct level *level, struct cop_err *err)
{
    if (level->message == MODEL) return COP_OK;
    if (level->message == TENSOR) COP_TRY(put_payload(scan, level->body, err));
    size_t end = scan->n_skeleton;
    scan->n_skeleton = level->length_at;
    put_varint(scan, end - level->length_at - PADDED_LENGTH, PADDED_LENGTH);
    scan->n_skeleton = end;
    return COP_OK;
}

/* One field of the message in hand; *depth grows when it is a message to walk. */
static enum cop_status scan_field(
    struct cop_importers__scan *scan,
    struct level *levels,
    size_t *depth,
    struct cop_err *err)
{
    struct level *level = &levels[*depth - 1];
    struct cop_importers__field field;
    COP_TRY(cop_importers__wire_next(&level->wire, &field, err));
    const struct rule *rule = find_rule(level->message, field.number);
    if (rule == NULL) return COP_OK;
    uint32_t *count = &level->counts[rule - rules[level->message]];
    COP_TRY(check_field(scan, rule, &field, *count, err));
    ++*count;
    scan->n_fields++;
    if (rule->action != DESCEND) return put_field(scan, field.whole, err);
    return enter(scan, rule, field.body, &levels[(*depth)++], err);
}

enum cop_status cop_importers__scan_model(
    struct cop_importers__scan *scan,
    struct cop_importers__span file,
    struct cop_err *err)
{
    *scan = (struct cop_importers__scan){.file = file.at};
    struct level levels[MAX_DEPTH];
    size_t depth = 1;
    levels[0] = (struct level){
        .message = MODEL,
        .wire = cop_importers__wire_over(file.at, file),
        .body = file,
    };
    while (depth > 0) {
        if (cop_importers__wire_more(&levels[depth - 1].wire))
            COP_TRY(scan_field(scan, levels, &depth, err));
        else
            COP_TRY(leave(scan, &levels[--depth], err));
    }
    return COP_OK;
}

void cop_importers__scan_clear(struct cop_importers__scan *scan)
{
    cop_mem_free(scan->skeleton);
    cop_mem_free(scan->payloads);
    *scan = (struct cop_importers__scan){0};
}
