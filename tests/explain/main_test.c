/* tests/explain/main_test.c - occlusion, ablation, relevance, comparison, the report. */
#include "explain_tests.h"

#include "support/test.h"

int main(void)
{
    int failed = 0;
    failed += test_occlusion();
    failed += test_ablation();
    failed += test_lrp();
    failed += test_explain();
    failed += test_compare();
    failed += test_png();
    failed += test_html();
    failed += test_report();
    return failed;
}
