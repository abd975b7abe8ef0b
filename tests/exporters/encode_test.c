/* tests/exporters/encode_test.c - the wire encoder against bytes written out by hand, and
 * its counting run against its writing run. */
#include "exporters_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"

#include "exporters/encode.h"

#include <stdlib.h>
#include <string.h>

static enum cop_status collect(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    (void)err;
    pb_raw(context, bytes, n);
    return COP_OK;
}

static struct cop_exporters__out open_out(struct pb *pb, uint8_t *pending)
{
    return (struct cop_exporters__out){
        .sink = collect, .context = pb, .pending = pending};
}

static void put_inner(struct cop_exporters__out *out, const void *what)
{
    cop_exporters__put_int(out, 1, 300);
    cop_exporters__put_text(out, 2, what);
}

static void put_outer(struct cop_exporters__out *out, const void *what)
{
    cop_exporters__put_message(out, 3, put_inner, what);
    cop_exporters__put_message(out, 16, put_inner, NULL);
    cop_exporters__put_float(out, 4, 1.0F);
    cop_exporters__put_int(out, 5, -1);
}

static void test_bytes(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0x1a, 0x07, 0x08, 0xac, 0x02, 0x12, 0x02, 'h',  'i', /* 3: {1: 300, 2: "hi"} */
        0x82, 0x01, 0x05, 0x08, 0xac, 0x02, 0x12, 0x00,      /* 16: {1: 300, 2: ""} */
        0x25, 0x00, 0x00, 0x80, 0x3f,                        /* 4: 1.0f */
        0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* 5: -1 */
    };
    uint8_t pending[COP_EXPORTERS_PENDING];
    struct pb pb = {0};
    struct cop_exporters__out out = open_out(&pb, pending);
    put_outer(&out, "hi");
    assert_int_equal(cop_exporters__finish(&out), COP_OK);
    assert_int_equal(pb.n, sizeof want);
    assert_memory_equal(pb.at, want, sizeof want);
    assert_true(out.n == pb.n);
    assert_true(cop_exporters__count(put_outer, "hi") == pb.n);
    pb_free(&pb);
}

/* Pieces of every size around the buffer's come out whole and in order. */
static void test_pending(void **state)
{
    (void)state;
    uint8_t pending[COP_EXPORTERS_PENDING];
    char *bytes = malloc(3 * COP_EXPORTERS_PENDING);
    assert_non_null(bytes);
    for (int i = 0; i < 3 * COP_EXPORTERS_PENDING; i++)
        bytes[i] = (char)(i * 31 >> 3);
    static const int sizes[] = {
        0,
        1,
        COP_EXPORTERS_PENDING - 4,
        COP_EXPORTERS_PENDING - 3,
        COP_EXPORTERS_PENDING,
        COP_EXPORTERS_PENDING + 1,
        3 * COP_EXPORTERS_PENDING};
    struct pb want = {0};
    struct pb got = {0};
    struct cop_exporters__out out = open_out(&got, pending);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            cop_exporters__put_bytes(&out, 1, bytes, (size_t)sizes[i]);
            cop_exporters__put_bytes(&out, 2, bytes, (size_t)sizes[k]);
            pb_bytes(&want, 1, bytes, (size_t)sizes[i]);
            pb_bytes(&want, 2, bytes, (size_t)sizes[k]);
        }
    }
    assert_int_equal(cop_exporters__finish(&out), COP_OK);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.at, want.at, want.n);
    pb_free(&got);
    pb_free(&want);
    free(bytes);
}

int run_encode_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_pending),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
