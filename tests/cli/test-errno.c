/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that no error of the caller's own machine asks for a retry that can't help. */
#include "plugin/base/berth-errno.h"

#include <errno.h>

#define ERRNO_MAX 4095 /* the kernel's own */

static void
assert_all (const int *numbers, BerthError code)
{
  for (guint i = 0; numbers[i] != 0; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = g_strdup_printf ("a/b: %s", g_strerror (numbers[i]));

      berth_errno_set (&error, numbers[i], "a/b");
      g_assert_error (error, BERTH_ERROR, (int)code);
      g_assert_cmpstr (error->message, ==, text);
      g_assert_cmpint (berth_error_is_retryable (error), ==, code == BERTH_ERROR_UNAVAILABLE);
    }
}

static void
test_codes (void)
{
  const int callers[]
      = { ENOENT, ENOTDIR, EISDIR, EEXIST, ELOOP, ENAMETOOLONG, EACCES, EPERM, EROFS, EINVAL, 0 };
  const int machines[] = { ENOSPC, EDQUOT,  EFBIG,  EIO,      EPIPE,      EBADF, EMFILE,
                           ENXIO,  ENOLINK, ESTALE, ENOTCONN, ECONNRESET, 0 };
  const int passing[] = { EAGAIN, EINTR, EBUSY, ENFILE, ENOMEM, ENOBUFS, 0 };

  assert_all (callers, BERTH_ERROR_INVALID);
  assert_all (machines, BERTH_ERROR_LOCAL);
  assert_all (passing, BERTH_ERROR_UNAVAILABLE);
}

/* What the table does not name asks for no retry. */
static void
test_every_number (void)
{
  guint n_passing = 0;

  for (int number = 1; number <= ERRNO_MAX; number++)
    if (berth_errno_get_code (number) == BERTH_ERROR_UNAVAILABLE)
      n_passing++;
  g_assert_cmpuint (n_passing, ==, 6);
}

static void
test_gio (void)
{
  g_autoptr (GError) many = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES, "x");
  g_autoptr (GError) busy = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "x");
  g_autoptr (GError) error = NULL;

  berth_errno_set_gio (&error, many, "this process");
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL);
  g_assert_cmpstr (error->message, ==, "this process: x");
  g_clear_error (&error);
  berth_errno_set_gio (&error, busy, "this process");
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/errno/codes", test_codes);
  g_test_add_func ("/errno/every-number", test_every_number);
  g_test_add_func ("/errno/gio", test_gio);
  return g_test_run ();
}
