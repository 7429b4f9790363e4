/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: whatever QEMU is made to write, the difference is no larger than it but for the
 * names of blocks, and one that is told as good is taken apart again to itself. */
#include "plugin/snapshot/berth-difference.h"

#include <sys/mman.h>
#include <unistd.h>

#define SIZE (8u * 4096u)

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gboolean
split (int in, int out, int ram, BerthDifferenceStats *out_stats)
{
  const BerthDifferenceBase base = { .block = "ram0", .fd = ram, .size = SIZE };
  g_autoptr (GError) error = NULL;
  gboolean ok;

  lseek (in, 0, SEEK_SET);
  ok = berth_difference_split (in, out, &base, NULL, out_stats, &error);
  g_assert_cmpint (ok, ==, error == NULL);
  return ok;
}

/* Files without bytes, the same ones for each input: to make them costs more than to split. */
static int
reuse (int *fd, const char *name)
{
  if (*fd < 0)
    *fd = memfd_create (name, MFD_CLOEXEC);
  g_assert_cmpint (ftruncate (*fd, 0), ==, 0);
  lseek (*fd, 0, SEEK_SET);
  return *fd;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static int fds[] = { -1, -1, -1, -1 };
  int in = reuse (&fds[0], "in");
  int left = reuse (&fds[1], "left");
  int again = reuse (&fds[2], "again");
  int ram = reuse (&fds[3], "ram");
  BerthDifferenceStats stats;
  BerthDifferenceStats more;

  g_assert_cmpint (ftruncate (ram, SIZE), ==, 0);
  g_assert_cmpint (write (in, data, size), ==, (gssize)size);
  if (split (in, left, ram, &stats))
    {
      g_assert_cmpuint (stats.in_bytes, ==, size);
      g_assert_cmpuint (stats.kept, <=, stats.pages);
      g_assert_true (split (left, again, ram, &more));
      g_assert_cmpuint (more.out_bytes, ==, stats.out_bytes);
    }
  return 0;
}
