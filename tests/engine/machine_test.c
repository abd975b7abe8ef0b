/* tests/engine/machine_test.c - the description of the machine and the self test. */
#include "engine_tests.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static void machine_is_described(void **state)
{
    struct cop_err err;
    struct cop_engine *engine;
    struct cop_engine_info info;
    (void)state;
    assert_ok(cop_engine_create(&engine, &err));
    cop_engine_describe(engine, &info);
    assert_string_not_equal(info.isa, "");
    assert_string_not_equal(info.isa, "unknown");
    assert_true(info.version[0] >= '2' && strchr(info.version, '.') != NULL);
    assert_string_not_equal(info.cpu, "");
    assert_null(strchr(info.cpu, '\n'));
    assert_true(info.threads >= 1);
    assert_int_equal(info.channel_block, strncmp(info.isa, "avx512", 6) == 0 ? 16 : 8);
    cop_engine_destroy(engine);
    cop_engine_destroy(NULL);
    cop_plan_destroy(NULL);
}

static void self_test_passes(void **state)
{
    struct cop_err err;
    struct cop_engine *engine;
    (void)state;
    assert_ok(cop_engine_create(&engine, &err));
    assert_ok(cop_engine_self_test(engine, &err));
    cop_engine_destroy(engine);
}

static void creation_without_memory_is_told(void **state)
{
    struct cop_err err;
    struct cop_engine *engine;
    (void)state;
    for (int64_t n = 1; n <= 2; n++) {
        cop_mem_fail_from(n);
        enum cop_status status = cop_engine_create(&engine, &err);
        cop_mem_fail_from(0);
        assert_int_equal(status, COP_ENOMEM);
        assert_null(engine);
    }
    assert_ok(cop_engine_create(&engine, &err));
    enum cop_status status = COP_ENOMEM;
    for (int64_t n = 1; n < 500 && status == COP_ENOMEM; n += 7) {
        cop_mem_fail_from(n);
        status = cop_engine_self_test(engine, &err);
        cop_mem_fail_from(0);
        assert_true(status == COP_ENOMEM || status == COP_OK);
    }
    cop_engine_destroy(engine);
}

int test_machine(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_is_described),
        cmocka_unit_test(self_test_passes),
        cmocka_unit_test(creation_without_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
