/* cli/bar.h - progress on stderr: a bar on a terminal, else a line now and then. */
#ifndef COP_CLI_BAR_H
#define COP_CLI_BAR_H

#include "base/progress.h"

#include <signal.h>
#include <stdbool.h>

struct cop_bar {
    const volatile sig_atomic_t *stop_signal; /* set by the handler of main.c */
    bool is_terminal;
    const bool *is_quiet; /* the command's, known once it is parsed */
    bool is_drawn;        /* the cursor stands behind a bar */
    bool is_stop_told;    /* the user knows that we are stopping */
    char what[48];        /* of the bar in hand */
    double started_ms;    /* when this "what" began */
    double drawn_ms;      /* last time the bar was drawn, or a line printed */
    int64_t first_done;   /* steps done when it began: a resumed run is not fast */
    int last_tenth;       /* last line printed when stderr is no terminal */
};

/** Finds out what stderr is.  The bar outlives the progress. */
void cop_bar_init(
    struct cop_bar *bar,
    const bool *is_quiet,
    const volatile sig_atomic_t *stop_signal,
    struct cop_progress *progress);
/** Removes a bar that is still on the screen, so that text can follow. */
void cop_bar_clear(struct cop_bar *bar);

#endif
