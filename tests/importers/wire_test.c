/* tests/importers/wire_test.c - the wire format, byte by byte. */
#include "importers_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"

#include "importers/wire.h"

#include <string.h>

static struct cop_importers__wire over(const void *bytes, size_t n)
{
    return cop_importers__wire_over(
        bytes, (struct cop_importers__span){.at = bytes, .n = n});
}

static void test_every_type(void **state)
{
    (void)state;
    struct cop_err err;
    struct pb pb = {0};
    pb_int(&pb, 1, -2);
    pb_text(&pb, 2, "ab");
    pb_float(&pb, 300, 1.0F);
    pb_key(&pb, 4, 1);
    pb_raw(&pb, "12345678", 8);
    struct cop_importers__wire wire = over(pb.at, pb.n);
    struct cop_importers__field field;
    assert_ok(cop_importers__wire_next(&wire, &field, &err));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.type, COP_WIRE_VARINT);
    assert_true(field.varint == (uint64_t)-2);
    assert_int_equal(field.whole.n, 11);
    assert_ok(cop_importers__wire_next(&wire, &field, &err));
    assert_int_equal(field.number, 2);
    assert_int_equal(field.type, COP_WIRE_BYTES);
    assert_int_equal(field.body.n, 2);
    assert_memory_equal(field.body.at, "ab", 2);
    assert_ok(cop_importers__wire_next(&wire, &field, &err));
    assert_int_equal(field.number, 300);
    assert_int_equal(field.type, COP_WIRE_FIXED32);
    assert_int_equal(field.body.n, 4);
    assert_ok(cop_importers__wire_next(&wire, &field, &err));
    assert_int_equal(field.type, COP_WIRE_FIXED64);
    assert_memory_equal(field.body.at, "12345678", 8);
    assert_false(cop_importers__wire_more(&wire));
    pb_free(&pb);
}

/* Every cut of a sound message is refused or ends at a field's end, with nothing read
 * behind the cut (the sanitizer build sees to that: the copy is exactly as long). */
static void test_every_cut(void **state)
{
    (void)state;
    struct cop_err err;
    struct pb pb = {0};
    pb_int(&pb, 1, 1LL << 40);
    pb_text(&pb, 2, "hello");
    pb_float(&pb, 3, 1.0F);
    int n_refused = 0;
    for (size_t cut = 0; cut < pb.n; cut++) {
        struct pb copy = {0};
        pb_raw(&copy, pb.at, cut);
        struct cop_buf *exact = pb_buf(&copy);
        struct cop_importers__wire wire = over(cop_buf_data(exact), cut);
        enum cop_status status = COP_OK;
        while (status == COP_OK && cop_importers__wire_more(&wire)) {
            struct cop_importers__field field;
            status = cop_importers__wire_next(&wire, &field, &err);
        }
        if (status != COP_OK) {
            assert_int_equal(status, COP_EFORMAT);
            n_refused++;
        }
        cop_buf_release(exact);
    }
    assert_int_equal(n_refused, (int)pb.n - 3); /* all but the three ends of fields */
    pb_free(&pb);
}

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
         12,
         "damaged number at byte 1"},
        {"\x08\x80", 2, "cut off at byte 1"},
        {"\x00\x01", 2, "damaged field number"},
        {"\x0b\x01", 2, "damaged field type"}, /* a group */
        {"\x0f\x01", 2, "damaged field type"}, /* type 7 */
        {"\x0a\x05xx", 4, "field overruns its message"},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xx", 13, "field overruns"},
        {"\x0dxxx", 4, "field overruns"},
        {"\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 11, "damaged field number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cop_err err;
        struct cop_importers__wire wire = over(cases[i].bytes, cases[i].n);
        struct cop_importers__field field;
        assert_fails(cop_importers__wire_next(&wire, &field, &err), COP_EFORMAT);
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

int run_wire_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
