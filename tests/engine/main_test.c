/* tests/engine/main_test.c - the engine, on graphs of one toy operator. */
#include "engine_tests.h"

#include "support/test.h"

int main(void)
{
    return test_machine() + test_forward() + test_plans() + test_backward() +
           test_streams() + test_winograd() + test_methods() + test_direct() +
           test_rewrites() + test_slices() + test_depthwise() + test_profiles();
}
