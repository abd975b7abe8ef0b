/* tests/graph/main_test.c - the graph with three toy operators: it knows none by name. */
#include "graph_tests.h"

#include "support/test.h"

int main(void)
{
    return test_shapes() + test_edits() + test_facts();
}
