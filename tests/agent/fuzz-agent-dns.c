/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a question of DNS: the answer is none, or one that fits, has the question's id and
 * question, and counts right. */
#include <glib.h>

#include "agent-names.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static bool
lookup (void *data, const char *name, uint32_t *out_address)
{
  g_assert_cmpuint (strlen (name), <=, BERTH_AGENT_DNS_NAME_MAX);
  for (const char *at = name; *at != '\0'; at++)
    g_assert_false (g_ascii_isupper (*at) || g_ascii_isspace (*at) || *at & 0x80);
  *out_address = 0xc6121234;
  return name[0] != 'x';
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree guint8 *query = g_memdup2 (data, size);
  guint8 answer[BERTH_AGENT_DNS_MAX];
  gsize length;
  gsize question;

  length = berth_agent_dns_answer (query, size, answer, lookup, NULL);
  g_assert_cmpuint (length, <=, sizeof answer);
  if (length == 0)
    {
      g_assert_true (size < 12 || (query[2] & 0x80) != 0);
      return 0;
    }
  question = length - 12 - (answer[7] > 0 ? 16 : 0);
  g_assert_cmpmem (answer, 2, query, 2);
  g_assert_true ((answer[2] & 0x80) != 0);
  g_assert_cmpuint (answer[5], ==, question > 0);
  g_assert_cmpmem (answer + 12, question, query + 12, question);
  return 0;
}
