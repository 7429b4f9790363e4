/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: its wall clock is off by as many seconds as the file BERTH_CLOCK_JUMP says
 * now. The clock that never jumps is left alone, and so is everybody else's. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

typedef int (*ClockGettime) (clockid_t id, struct timespec *now);

int __attribute__ ((visibility ("default"))) clock_gettime (clockid_t id, struct timespec *now)
{
  ClockGettime real = (ClockGettime)dlsym (RTLD_NEXT, "clock_gettime");
  const char *path = getenv ("BERTH_CLOCK_JUMP");
  FILE *file = id == CLOCK_REALTIME && path != NULL ? fopen (path, "re") : NULL;
  int before = errno, result = real (id, now);
  long seconds;

  if (file == NULL)
    return result;
  if (fscanf (file, "%ld", &seconds) == 1)
    now->tv_sec += seconds;
  fclose (file);
  errno = before;
  return result;
}

int __attribute__ ((visibility ("default")))
gettimeofday (struct timeval *restrict now, void *restrict zone)
{
  struct timespec spec;

  if (clock_gettime (CLOCK_REALTIME, &spec) != 0)
    return -1;
  now->tv_sec = spec.tv_sec;
  now->tv_usec = spec.tv_nsec / 1000;
  return 0;
}
