/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions of DNS and their answers, and which address stands for which name. */
#include <glib.h>
#include <string.h>

#include "agent-names.h"

#define HEAD 12u
#define TYPE_A 1u
#define TYPE_AAAA 28u
#define TYPE_HTTPS 65u

static BerthAgentNames *
names_new (const char *rules, gsize size)
{
  BerthAgentNames *self = g_new0 (BerthAgentNames, 1);

  g_assert_true (berth_agent_names_set_rules (self, rules, size));
  return self;
}

static bool
get_name (BerthAgentNames *self, guint32 address, char out_name[BERTH_AGENT_DNS_NAME_MAX + 1])
{
  guint8 bytes[16];

  berth_agent_address_map (bytes, address);
  return berth_agent_names_get_name (self, bytes, out_name);
}

static void
names_free (BerthAgentNames *self)
{
  berth_agent_names_clear (self);
  g_free (self);
}

static gsize
write_query (guint8 out[1024], const char *name, guint type)
{
  g_auto (GStrv) labels = g_strsplit (name, ".", -1);
  static const guint8 head[HEAD] = { 0x12, 0x34, 1, 0, 0, 1 };
  gsize at = HEAD;

  memcpy (out, head, HEAD);
  for (guint i = 0; labels[i] != NULL && labels[i][0] != '\0'; i++)
    {
      out[at++] = (guint8)strlen (labels[i]);
      memcpy (out + at, labels[i], strlen (labels[i]));
      at += strlen (labels[i]);
    }
  out[at++] = 0;
  out[at++] = 0;
  out[at++] = (guint8)type;
  out[at++] = 0;
  out[at++] = 1;
  return at;
}

/* The code of the answer; @out_address: 0 where it has none */
static guint
ask (BerthAgentNames *names, const char *name, guint type, guint32 *out_address)
{
  guint8 query[1024];
  guint8 answer[BERTH_AGENT_DNS_MAX];
  gsize size = write_query (query, name, type);
  gsize length = berth_agent_dns_answer (query, size, answer, berth_agent_names_get_address, names);

  *out_address = 0;
  g_assert_cmpuint (length, >=, HEAD);
  g_assert_cmpmem (answer, 2, query, 2);
  if (answer[7] == 1)
    {
      const guint8 *bytes = answer + length - 4;

      g_assert_cmpuint (length, ==, size + 16);
      *out_address
          = (guint32)bytes[0] << 24 | (guint32)bytes[1] << 16 | (guint32)bytes[2] << 8 | bytes[3];
    }
  return answer[3] & 15;
}

#define RULES                                                                                      \
  "example.org\0*.example.net\0"                                                                   \
  "192.0.2.7"

static void
test_allowed (void)
{
  BerthAgentNames *names = names_new (RULES, sizeof RULES);
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  guint32 address;
  guint32 same;

  g_assert_cmpuint (ask (names, "example.org", TYPE_A, &address), ==, 0);
  g_assert_cmphex (address & BERTH_AGENT_NAMES_NETMASK, ==, BERTH_AGENT_NAMES_NETWORK);
  g_assert_cmpuint (ask (names, "EXAMPLE.Org.", TYPE_A, &same), ==, 0);
  g_assert_cmphex (same, ==, address);
  g_assert_true (get_name (names, address, name));
  g_assert_cmpstr (name, ==, "example.org");
  g_assert_cmpuint (ask (names, "a.b.example.net", TYPE_A, &same), ==, 0);
  g_assert_cmphex (same, !=, address);
  /* nothing else is known of it */
  g_assert_cmpuint (ask (names, "example.org", TYPE_AAAA, &same), ==, 0);
  g_assert_cmphex (same, ==, 0);
  g_assert_cmpuint (ask (names, "example.org", TYPE_HTTPS, &same), ==, 0);
  g_assert_cmphex (same, ==, 0);
  names_free (names);
}

static void
test_refused (void)
{
  static const char *const others[]
      = { "example.com",  "example.net", "xexample.net", "org", "example.org.example.com", "",
          "a.example.org" };
  BerthAgentNames *names = names_new (RULES, sizeof RULES);
  guint32 address;

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_assert_cmpuint (ask (names, others[i], TYPE_A, &address), ==, 3);
      g_assert_cmphex (address, ==, 0);
      g_assert_cmpuint (ask (names, others[i], TYPE_AAAA, &address), ==, 3);
    }
  names_free (names);
}

static void
test_long (void)
{
  g_autofree char *label = g_strnfill (63, 'a');
  g_autofree char *longest = g_strdup_printf ("%s.%s.%s.%.61s", label, label, label, label);
  g_autofree char *longer = g_strdup_printf ("%s.%s.%s.%.62s", label, label, label, label);
  BerthAgentNames *names = names_new ("*", 2);
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  guint32 address;

  g_assert_cmpuint (strlen (longest), ==, 253);
  g_assert_cmpuint (ask (names, longest, TYPE_A, &address), ==, 0);
  g_assert_true (get_name (names, address, name));
  g_assert_cmpstr (name, ==, longest);
  g_assert_cmpuint (ask (names, longer, TYPE_A, &address), ==, 1);
  names_free (names);
}

/* A program that kept an address of a name that is forgotten reaches nobody else by it. */
static void
test_reuse (void)
{
  BerthAgentNames *names = names_new ("*", 2);
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  guint32 kept;
  guint32 first;
  guint32 address;

  ask (names, "first.example", TYPE_A, &first);
  ask (names, "kept.example", TYPE_A, &kept);
  for (guint i = 0; i < BERTH_AGENT_NAMES_COUNT * 2; i++)
    {
      g_autofree char *other = g_strdup_printf ("n%u.example", i);

      g_assert_cmpuint (ask (names, other, TYPE_A, &address), ==, 0);
      g_assert_cmphex (address, !=, first);
      g_assert_cmphex (address, !=, kept);
      g_assert_cmphex (address & BERTH_AGENT_NAMES_NETMASK, ==, BERTH_AGENT_NAMES_NETWORK);
      /* it is used */
      g_assert_true (get_name (names, kept, name));
      g_assert_cmpstr (name, ==, "kept.example");
    }
  g_assert_false (get_name (names, first, name));
  g_assert_false (get_name (names, BERTH_AGENT_NAMES_NETWORK + 1, name));
  names_free (names);
}

static void
count_cb (void *data, const uint8_t bytes[16])
{
  guint32 address;

  g_assert_true (berth_agent_address_unmap (bytes, &address));
  g_assert_cmphex (address, ==, 0xc0000207);
  ++*(guint *)data;
}

static void
test_literals (void)
{
  BerthAgentNames *names = names_new (RULES, sizeof RULES);
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  guint count = 0;

  berth_agent_names_each_address (names, count_cb, &count);
  g_assert_cmpuint (count, ==, 1);
  g_assert_true (get_name (names, 0xc0000207, name));
  g_assert_cmpstr (name, ==, "192.0.2.7");
  g_assert_false (get_name (names, 0xc0000208, name));
  names_free (names);
}

static void
test_no_rules (void)
{
  BerthAgentNames names = { 0 };
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  guint32 address;

  g_assert_cmpuint (ask (&names, "example.org", TYPE_A, &address), ==, 3);
  g_assert_false (get_name (&names, BERTH_AGENT_NAMES_NETWORK + 5000, name));
  g_assert_false (berth_agent_names_set_rules (&names, "a", 1));
  g_assert_false (berth_agent_names_set_rules (&names, "a\0\0b", 5));
  g_assert_false (berth_agent_names_set_rules (&names, "a ", 3));
  g_assert_false (berth_agent_names_set_rules (&names, "a x", 4));
  g_assert_false (berth_agent_names_set_rules (&names, " 1", 3));
  g_assert_true (berth_agent_names_set_rules (&names, "", 0));
  g_assert_cmpuint (ask (&names, "example.org", TYPE_A, &address), ==, 3);
  berth_agent_names_clear (&names);
}

/* "+198.18.16.0 80", what is open, "-..." what is not any more, "!..." what is shut */
static void
gate_cb (void *data, const BerthAgentEndpoint *endpoint, BerthAgentGateState state)
{
  GString *told = data;
  guint32 address = 0;

  berth_agent_address_unmap (endpoint->address, &address);
  g_string_append_printf (told, "%c%x:%u ", "-+!"[state], address, endpoint -> port);
}

static void
assert_told (GString *told, const char *expected)
{
  g_assert_cmpstr (told->str, ==, expected);
  g_string_truncate (told, 0);
}

/* It is open where a name is known, at its ports of all rules, and shut when its place is another's
 * or the rules are others. */
static void
test_gate (void)
{
  static const char rules[] = "a.example 80,443\0*.example 22\0any.test\0"
                              "192.0.2.7 1";
  g_autoptr (GString) told = g_string_new (NULL);
  BerthAgentNames names = { .gate = { .set = gate_cb, .data = told } };
  guint32 address;

  g_assert_true (berth_agent_names_set_rules (&names, rules, sizeof rules));
  assert_told (told, "+c0000207:1 ");
  ask (&names, "a.example", TYPE_A, &address);
  assert_told (told, "+c6121000:80 +c6121000:443 +c6121000:22 ");
  ask (&names, "a.example", TYPE_A, &address);
  assert_told (told, "");
  ask (&names, "any.test", TYPE_A, &address);
  assert_told (told, "+c6121001:0 ");
  g_assert_true (berth_agent_names_set_rules (&names, "a.example 80", 13));
  assert_told (told,
               "-c0000207:1 -c6121000:80 -c6121000:443 -c6121000:22 -c6121001:0 +c6121000:80 ");
  g_assert_true (berth_agent_names_set_rules (&names, "*", 2));
  g_string_truncate (told, 0);
  for (guint i = 0; i < BERTH_AGENT_NAMES_COUNT; i++)
    {
      g_autofree char *other = g_strdup_printf ("n%u.example", i);

      ask (&names, other, TYPE_A, &address);
    }
  g_assert_nonnull (strstr (told->str, "-c6121000:0 "));
  berth_agent_names_clear (&names);
}

/* What is refused although it is allowed: a name has no address then, or has not all of its ports.
 */
static void
test_denied (void)
{
  static const char rules[] = "*.example\0*.example 22\0!b.example\0!c.example 22,80\0"
                              "192.0.2.7\0!192.0.2.7 80\0"
                              "192.0.2.8\0!192.0.2.8\0*\0!*.test";
  g_autoptr (GString) told = g_string_new (NULL);
  BerthAgentNames names = { .gate = { .set = gate_cb, .data = told } };
  char name[BERTH_AGENT_DNS_NAME_MAX + 1];
  guint32 address;

  g_assert_false (berth_agent_names_set_rules (&names, "!", 2));
  g_assert_false (berth_agent_names_set_rules (&names, "! 80", 5));
  g_assert_true (berth_agent_names_set_rules (&names, rules, sizeof rules));
  assert_told (told, "+c0000207:0 !c0000207:80 ");
  g_assert_true (get_name (&names, 0xc0000207, name));
  g_assert_false (get_name (&names, 0xc0000208, name));
  g_assert_cmpuint (ask (&names, "b.example", TYPE_A, &address), ==, 3);
  g_assert_cmpuint (ask (&names, "a.test", TYPE_A, &address), ==, 3);
  assert_told (told, "");
  g_assert_cmpuint (ask (&names, "c.example", TYPE_A, &address), ==, 0);
  assert_told (told, "+c6121000:0 +c6121000:22 +c6121000:0 !c6121000:22 !c6121000:80 ");
  g_assert_true (berth_agent_names_set_rules (&names, "", 0));
  g_assert_nonnull (strstr (told->str, "-c6121000:80 "));
  berth_agent_names_clear (&names);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-dns/allowed", test_allowed);
  g_test_add_func ("/agent-dns/refused", test_refused);
  g_test_add_func ("/agent-dns/long", test_long);
  g_test_add_func ("/agent-dns/reuse", test_reuse);
  g_test_add_func ("/agent-dns/literals", test_literals);
  g_test_add_func ("/agent-dns/gate", test_gate);
  g_test_add_func ("/agent-dns/denied", test_denied);
  g_test_add_func ("/agent-dns/no-rules", test_no_rules);
  return g_test_run ();
}
