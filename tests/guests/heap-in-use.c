/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: whoever opens the FIFO that BERTH_HEAP_IN_USE names reads one line there,
 * the bytes that the process has allocated and not freed. Unlike its pages, these do not depend on
 * where in the heap what is still used happens to lie. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void *
serve (void *path)
{
  for (;;)
    {
      FILE *reader = fopen (path, "we"); /* waits for one */
      struct mallinfo2 heap = mallinfo2 ();

      if (reader == NULL)
        return NULL;
      fprintf (reader, "%zu\n", heap.uordblks + heap.hblkhd);
      fclose (reader);
    }
}

__attribute__ ((constructor)) static void
begin (void)
{
  char *path = getenv ("BERTH_HEAP_IN_USE");
  sigset_t all, before;
  pthread_t thread;

  if (path == NULL)
    return;
  sigfillset (&all); /* signals are for berthd's own threads */
  pthread_sigmask (SIG_SETMASK, &all, &before);
  if (pthread_create (&thread, NULL, serve, path) == 0)
    pthread_detach (thread);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
}
