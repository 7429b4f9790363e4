/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as an authentication: it ends, answers no more than a line for a line, and nobody is
 * let in who does not say EXTERNAL and then BEGIN. */
#include <string.h>

#include "plugin/daemon/berth-sasl.h"

#define UID 1000
#define ANSWER_BYTES 64u /* of the longest answer to a line */

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  BerthSaslState state = BERTH_SASL_MORE;
  BerthSasl sasl;
  gsize used = 0;

  berth_sasl_init (&sasl, UID, "0123456789abcdef0123456789abcdef");
  while (used < size && state == BERTH_SASL_MORE)
    state = berth_sasl_take (&sasl, data[used++], answer);
  g_assert_cmpuint (used, <=, 1 + BERTH_SASL_LINES * BERTH_SASL_LINE_BYTES);
  g_assert_cmpuint (answer->len, <=, BERTH_SASL_LINES * ANSWER_BYTES);
  if (state == BERTH_SASL_DONE)
    {
      g_assert_nonnull (strstr (answer->str, "OK 0123456789abcdef0123456789abcdef\r\n"));
      g_assert_nonnull (g_strstr_len ((const char *)data + 1, (gssize)size - 1, "EXTERNAL"));
      g_assert_cmpint (memcmp (data + used - 2, "\r\n", 2), ==, 0);
    }
  return 0;
}
