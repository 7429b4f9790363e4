/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which errors of the caller's own machine pass by themselves, which are its request's, and
 * that it has to mend all others before trying again helps. */
#include "plugin/base/berth-errno.h"

#include <errno.h>

static const struct
{
  int number;
  BerthError code;
} errno_table[] = {
  { ENOENT, BERTH_ERROR_INVALID },       { ENOTDIR, BERTH_ERROR_INVALID },
  { EISDIR, BERTH_ERROR_INVALID },       { EEXIST, BERTH_ERROR_INVALID },
  { ENOTEMPTY, BERTH_ERROR_INVALID },    { ELOOP, BERTH_ERROR_INVALID },
  { ENAMETOOLONG, BERTH_ERROR_INVALID }, { EACCES, BERTH_ERROR_INVALID },
  { EPERM, BERTH_ERROR_INVALID },        { EROFS, BERTH_ERROR_INVALID },
  { EINVAL, BERTH_ERROR_INVALID },       { ETXTBSY, BERTH_ERROR_INVALID },
  { EAGAIN, BERTH_ERROR_UNAVAILABLE },   { EINTR, BERTH_ERROR_UNAVAILABLE },
  { EBUSY, BERTH_ERROR_UNAVAILABLE },    { ENFILE, BERTH_ERROR_UNAVAILABLE },
  { ENOMEM, BERTH_ERROR_UNAVAILABLE },   { ENOBUFS, BERTH_ERROR_UNAVAILABLE },
};

BerthError
berth_errno_get_code (int number)
{
  for (guint i = 0; i < G_N_ELEMENTS (errno_table); i++)
    if (errno_table[i].number == number)
      return errno_table[i].code;
  return BERTH_ERROR_LOCAL;
}

void
berth_errno_set (GError **error, int number, const char *what)
{
  g_set_error (error, BERTH_ERROR, (int)berth_errno_get_code (number), "%s: %s", what,
               g_strerror (number));
}

void
berth_errno_set_gio (GError **error, const GError *cause, const char *what)
{
  gboolean is_passing = g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)
                        || g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_BUSY);

  g_set_error (error, BERTH_ERROR, is_passing ? BERTH_ERROR_UNAVAILABLE : BERTH_ERROR_LOCAL,
               "%s: %s", what, cause->message);
}
