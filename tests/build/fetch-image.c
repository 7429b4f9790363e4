/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fetches an image as 'berth template build' does, and writes what it would send to its VM. Usage:
 * IMAGE */
#include <stdio.h>
#include <unistd.h>

#include "plugin/build/berth-build-fetch.h"

static void
copy (int from)
{
  char piece[65536];
  ssize_t size;

  lseek (from, 0, SEEK_SET);
  while ((size = read (from, piece, sizeof piece)) > 0)
    if (write (STDOUT_FILENO, piece, (size_t)size) != size)
      return;
}

int
main (int argc, char **argv)
{
  g_autoptr (BerthBuildSpec) spec = berth_build_spec_new ();
  g_autofree char *reference = NULL;
  g_autoptr (GError) error = NULL;
  int fd;

  spec->oci = g_strdup (argv[argc - 1]);
  spec->plain = argc > 2;
  fd = berth_build_fetch (spec, &reference, &error);
  if (fd < 0)
    {
      fprintf (stderr, "%s\n", error->message);
      return 1;
    }
  copy (fd);
  return 0;
}
