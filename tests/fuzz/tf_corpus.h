/* tests/fuzz/tf_corpus.h - the TensorFlow seeds of corpus/, as texts of support/tf_bytes.h. */
#ifndef COP_TESTS_TF_CORPUS_H
#define COP_TESTS_TF_CORPUS_H

struct tf_seed {
    const char *name;
    const char *text;
};

/** Ends with a seed without a name. */
extern const struct tf_seed tf_corpus[];

#endif
