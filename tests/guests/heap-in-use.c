/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: whoever connects to the socket that BERTH_HEAP_IN_USE names is told, up to
 * the end-of-file, how many bytes the process has allocated and not freed. Unlike its pages, these
 * do not depend on where in the heap what is still used happens to lie. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *
serve (void *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

  snprintf (address.sun_path, sizeof address.sun_path, "%s", (char *)path);
  if (bind (listener, (struct sockaddr *)&address, sizeof address) != 0
      || listen (listener, 1) != 0)
    return NULL;
  while ((fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
    {
      struct mallinfo2 heap = mallinfo2 ();

      dprintf (fd, "%zu\n", heap.uordblks + heap.hblkhd);
      close (fd);
    }
  return NULL;
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
