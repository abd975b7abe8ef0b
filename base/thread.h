/* base/thread.h - which processors we may use, and threads that stay on theirs.
 *
 * Processors are logical ones, numbered as the system does.  Starting and joining threads
 * is plain POSIX and needs no help from here. */
#ifndef COP_BASE_THREAD_H
#define COP_BASE_THREAD_H

#include <stdbool.h>

/** The processors that the calling thread may run on (sched_getaffinity), in ascending
 *  order.  Writes at most @p cap of them.  @return how many there are, at least 1 */
int cop_thread_processors(int *processors, int cap);

/** Keeps the calling thread on @p n processors; threads that it starts later inherit
 *  this.  False, with nothing changed, where the system refuses. */
bool cop_thread_pin(const int *processors, int n);

#endif
