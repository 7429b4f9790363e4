/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a request for the metrics: no crash, and the page is for who asks for it alone. */
#include <string.h>

#include "plugin/cli/berth-cli-http.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  BerthHttpRequest request = berth_http_parse ((const char *)data, size, "/metrics");
  g_autoptr (GString) answer = berth_http_make_answer (request, "text\n", NULL);

  g_assert_cmpint (request, <=, BERTH_HTTP_BAD);
  if (request <= BERTH_HTTP_HEAD)
    g_assert_true (g_str_has_prefix (answer->str, "HTTP/1.1 200 "));
  if (request == BERTH_HTTP_GET)
    g_assert_true (size > 13 && memcmp (data, "GET /metrics", 12) == 0);
  return 0;
}
