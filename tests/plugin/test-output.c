/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream's way to a reader that is slow, but never stops. */
#include <glib.h>
#include <unistd.h>

#include "berth-output.h"
#include "plugin/base/berth-caller-fd.h"
#include "resident.h"

#define PIECE (32u * 1024u)
#define PIECES 2048u
/* of 64 MiB that pass; a sanitizer keeps what was freed while that is looked at */
#define GROWTH_MAX_KB (30 * 1024)

static void
drained_cb (gsize size, gpointer user_data)
{
  gsize *taken = user_data;

  *taken += size;
}

static void
read_piece (int fd, guint8 *bytes)
{
  for (gsize got = 0; got < PIECE;)
    {
      gssize more = read (fd, bytes + got, PIECE - got);

      g_assert_cmpint (more, >, 0);
      got += (gsize)more;
    }
}

/* It has never all of it, so what is held never gets empty, and must not grow for that. */
static void
test_reader_behind (void)
{
  g_autofree guint8 *bytes = g_malloc0 (PIECE);
  gsize taken = 0;
  glong before, most;
  BerthOutput *output;
  int fds[2];

  g_assert_no_errno (pipe (fds));
  output = berth_output_new_for_fd (berth_caller_fd_take (fds[1], FALSE, geteuid (), NULL),
                                    drained_cb, &taken);
  close (fds[1]);
  for (guint i = 0; i < 8; i++) /* four times what the pipe takes */
    berth_output_write (output, bytes, PIECE);
  before = most = resident_kb ();
  for (guint i = 0; i < PIECES; i++)
    {
      gsize now = taken;

      read_piece (fds[0], bytes);
      while (taken == now)
        g_main_context_iteration (NULL, TRUE);
      g_assert_false (berth_output_is_drained (output));
      berth_output_write (output, bytes, PIECE);
      most = MAX (most, resident_kb ());
    }
  g_test_message ("%u KiB passed, memory grew by %ld KiB", PIECES * PIECE / 1024, most - before);
  g_assert_cmpint (most - before, <, GROWTH_MAX_KB);
  berth_output_free (output);
  close (fds[0]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/output/10-reader-behind", test_reader_behind);
  return g_test_run ();
}
