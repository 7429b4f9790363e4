/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a proxy's answer: a yes begins as one, all else is told in words. */
#include <string.h>

#include "plugin/connector/berth-connector-http.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *head = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;

  if (berth_connector_http_check (head, strlen (head), &error))
    {
      g_assert_no_error (error);
      g_assert_true (g_str_has_prefix (head, "HTTP/1.") && head[9] == '2');
      return 0;
    }
  g_assert_nonnull (error);
  g_assert_true (g_str_has_prefix (error->message, "network_proxy"));
  return 0;
}
