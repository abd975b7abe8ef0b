/* tests/explain/explain_tests.h - the groups that main_test.c runs. */
#ifndef COP_TESTS_EXPLAIN_TESTS_H
#define COP_TESTS_EXPLAIN_TESTS_H

int test_occlusion(void);
int test_ablation(void);
int test_lrp(void);
int test_explain(void);
int test_compare(void);
int test_png(void);
int test_html(void);
int test_report(void);

#endif
