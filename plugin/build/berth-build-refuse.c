/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says what is wrong with what somebody asked for, or sent. */
#include "plugin/build/berth-build-refuse.h"

#include "pool/berth-error.h"

gboolean
berth_build_refuse (GError **error, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_propagate_error (error,
                     g_error_new_valist (BERTH_ERROR, BERTH_ERROR_INVALID, format, arguments));
  va_end (arguments);
  return FALSE;
}
