/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mark comes back as it was written, and nothing else passes for one. */
#include <string.h>

#include "template/berth-mark-private.h"
#include "template/berth-template.h"

#define OPEN "<berth:vm xmlns:berth='urn:berth:domain:1' "
#define GOOD "instance='i' id='a' template='python' state='warm' created='1'"

static void
assert_equal (const BerthMark *a, const BerthMark *b)
{
  g_assert_cmpstr (a->instance, ==, b->instance);
  g_assert_cmpstr (a->id, ==, b->id);
  g_assert_cmpstr (a->template_name, ==, b->template_name);
  g_assert_cmpstr (a->language, ==, b->language);
  g_assert_cmpstr (a->snapshot, ==, b->snapshot);
  g_assert_cmpstr (a->state, ==, b->state);
  g_assert_cmpstr (a->tenant, ==, b->tenant);
  g_assert_cmpstr (a->task, ==, b->task);
  g_assert_cmpuint (a->uid, ==, b->uid);
  g_assert_cmpuint (a->idle_timeout_ms, ==, b->idle_timeout_ms);
  g_assert_cmpuint (a->idle_pause_ms, ==, b->idle_pause_ms);
  g_assert_cmpuint (a->idle_hibernate_ms, ==, b->idle_hibernate_ms);
  g_assert_cmpuint (a->generation, ==, b->generation);
  g_assert_cmpint (a->created, ==, b->created);
  g_assert_cmpstr (a->process, ==, b->process);
  g_assert_cmpstr (a->fork_of, ==, b->fork_of);
  g_assert_cmpstr (a->checkpoint, ==, b->checkpoint);
  g_assert_cmpstr (a->definition, ==, b->definition);
}

static gboolean
is_valid_by_schema (const char *xml)
{
  g_autoptr (xmlRelaxNGParserCtxt) parser = xmlRelaxNGNewParserCtxt (TEMPLATE_DIR "/berth.rng");
  g_autoptr (xmlRelaxNG) schema = xmlRelaxNGParse (parser);
  g_autoptr (xmlRelaxNGValidCtxt) context = xmlRelaxNGNewValidCtxt (schema);
  g_autoptr (xmlDoc) doc = berth_xml_parse (xml, strlen (xml), "mark", NULL);

  g_assert_nonnull (doc);
  return xmlRelaxNGValidateDoc (context, doc) == 0;
}

static const BerthMark marks[] = {
  { "i", "a", "python", NULL, NULL, "run", NULL, NULL, G_MAXUINT32, 0, 0, 0, 0, 0, NULL, NULL, NULL,
    NULL, NULL },
  { "i", "place", "python", NULL, NULL, "place", NULL, NULL, G_MAXUINT32, 0, 0, 0, 0, 0, NULL, NULL,
    NULL, NULL, "0123456789abcdef" },
  { "<&>\"'/]]>--", "0123456789abcdef0123456789abcdef", "my-own-template-2", "javascript",
    "python-1a2b.3", "session", "acme_Corp-1", "42", 0, 10000, 5000, 60000, 2, G_MAXINT64,
    "example.org:80,443 *.example.net:* *:1", "1234-5678-0123abcd-ef", "0123456789abcdef", "before",
    NULL },
  { "h\xc3\xb6st\xe2\x98\x83 \xf0\x9f\x9b\xb6 &amp; %s", "a-b_c", "x", "shell", "s", "warm", NULL,
    "-", G_MAXUINT32 - 1, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32, G_MININT64, NULL,
    NULL, NULL, NULL, NULL },
};

static void
test_round_trip (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    {
      g_autofree char *xml = berth_mark_to_xml (&marks[i]);
      g_autofree char *domain = g_strdup_printf (
          "<?xml version='1.0'?><domain type='kvm'><name>x</name><metadata><o:o xmlns:o='urn:o'/>"
          "%s</metadata><devices/></domain>",
          xml);
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthMark) alone = berth_mark_parse (xml, &error);
      g_autoptr (BerthMark) inside = berth_mark_parse (domain, &error);

      g_assert_no_error (error);
      assert_equal (alone, &marks[i]);
      assert_equal (inside, &marks[i]);
      g_assert_true (is_valid_by_schema (xml));
    }
}

/* what can't be written is replaced: the XML is always well-formed, the title always one line */
static void
test_nasty_text_is_cleaned (void)
{
  BerthMark mark = { "a\x01\n\t\x7f\xff\xef\xbf\xbf",
                     "a",
                     "py\nthon",
                     NULL,
                     NULL,
                     "warm",
                     "x\r\ny",
                     "\x1b[31m",
                     1,
                     0,
                     0,
                     0,
                     0,
                     2,
                     NULL,
                     NULL,
                     NULL,
                     NULL,
                     NULL };
  g_autofree char *xml = berth_mark_to_xml (&mark);
  g_autofree char *title = berth_mark_to_title (&mark);
  g_autoptr (xmlDoc) doc = berth_xml_parse (xml, strlen (xml), "mark", NULL);

  g_assert_nonnull (doc);
  g_assert_cmpstr (title, ==,
                   "py\xef\xbf\xbdthon, tenant x\xef\xbf\xbd\xef\xbf\xbdy, task \xef\xbf\xbd[31m");
}

static void
test_title (void)
{
  BerthMark mark = { "i", "a", "python", NULL, NULL, "warm", NULL, NULL, 1,   0,
                     0,   0,   0,        2,    NULL, NULL,   NULL, NULL, NULL };
  g_autofree char *warm = berth_mark_to_title (&mark);
  g_autofree char *both = NULL;
  g_autofree char *task = NULL;
  g_autofree char *fork = NULL;
  g_autofree char *checkpoint = NULL;
  g_autofree char *back = NULL;

  mark.state = "session";
  mark.task = "42";
  task = berth_mark_to_title (&mark);
  mark.tenant = "acme";
  both = berth_mark_to_title (&mark);
  mark.fork_of = "0123";
  fork = berth_mark_to_title (&mark);
  mark.checkpoint = "before";
  checkpoint = berth_mark_to_title (&mark);
  mark.fork_of = "a";
  back = berth_mark_to_title (&mark);
  g_assert_cmpstr (warm, ==, "python, warm");
  g_assert_cmpstr (task, ==, "python, task 42");
  g_assert_cmpstr (both, ==, "python, tenant acme, task 42");
  g_assert_cmpstr (fork, ==, "python, tenant acme, task 42, fork of 0123");
  g_assert_cmpstr (checkpoint, ==, "python, tenant acme, task 42, fork of 0123 at before");
  g_assert_cmpstr (back, ==, "python, tenant acme, task 42, rolled back at before");
}

static void
test_no_mark (void)
{
  static const char *const others[] = {
    "<domain/>",
    "<domain><metadata/></domain>",
    "<domain><metadata><vm " GOOD "/></metadata></domain>",
    "<domain><metadata><b:vm xmlns:b='urn:berth:domain:2' " GOOD "/></metadata></domain>",
    "<domain><metadata><b:template xmlns:b='urn:berth:domain:1'/></metadata></domain>",
    "<domain><devices>" OPEN GOOD "/></devices></domain>",
    "<domain><metadata><x>" OPEN GOOD "/></x></metadata></domain>",
    "<network><metadata>" OPEN GOOD "/></metadata></network>",
    "<vm " GOOD "/>",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (berth_mark_parse (others[i], &error));
      g_assert_no_error (error);
    }
}

static void
test_broken (void)
{
  static const char *const broken[] = {
    "",
    "x",
    "<domain>",
    "<!DOCTYPE x [<!ENTITY a 'b'>]>" OPEN GOOD "/>",
    OPEN "/>",
    OPEN "id='a' template='python' state='warm' created='1'/>",
    OPEN "instance='i' id='../a' template='python' state='warm' created='1'/>",
    OPEN "instance='i' id='' template='python' state='warm' created='1'/>",
    OPEN "instance='i' id='a' template='python' state='dead' created='1'/>",
    OPEN "instance='i' id='a' template='py/thon' state='warm' created='1'/>",
    OPEN "instance='i' id='a' template='python' state='warm' created='soon'/>",
    OPEN "instance='i' id='a' template='python' state='warm'/>",
    OPEN "instance='i&#10;' id='a' template='python' state='warm' created='1'/>",
    OPEN GOOD " language='perl'/>",
    OPEN GOOD " tenant='a b'/>",
    OPEN GOOD " task='\xc3\xa4'/>",
    OPEN GOOD " snapshot='.'/>",
    OPEN GOOD " snapshot='..'/>",
    OPEN GOOD " snapshot='a/b'/>",
    OPEN GOOD " uid='-1'/>",
    OPEN GOOD " uid='4294967296'/>",
    "<domain><metadata>" OPEN GOOD "/>" OPEN GOOD "/></metadata></domain>",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (broken); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (berth_mark_parse (broken[i], &error));
      g_assert_nonnull (error);
      g_assert_true (error->domain == BERTH_TEMPLATE_ERROR);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

static void
assert_word_of (gsize length, gboolean is_good)
{
  g_autofree char *word = g_strnfill (length, 'x');
  g_autofree char *xml = g_strdup_printf (OPEN GOOD " tenant='%s'/>", word);
  g_autoptr (BerthMark) mark = berth_mark_parse (xml, NULL);

  g_assert_true ((mark != NULL) == is_good);
}

static void
test_bounds (void)
{
  g_autofree char *deep = g_strnfill (3000, '<');
  g_autofree char *large = g_strnfill (BERTH_XML_MAX_BYTES + 1, 'x');
  g_autofree char *nested = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  assert_word_of (128, TRUE);
  assert_word_of (129, FALSE);
  for (int i = 0; i < 100000; i++)
    g_string_append (text, "<a>");
  nested = g_string_free (g_steal_pointer (&text), FALSE);
  g_assert_null (berth_mark_parse (nested, NULL));
  g_assert_null (berth_mark_parse (deep, NULL));
  g_assert_null (berth_mark_parse (large, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mark/round-trip", test_round_trip);
  g_test_add_func ("/mark/nasty-text-is-cleaned", test_nasty_text_is_cleaned);
  g_test_add_func ("/mark/title", test_title);
  g_test_add_func ("/mark/no-mark", test_no_mark);
  g_test_add_func ("/mark/broken", test_broken);
  g_test_add_func ("/mark/bounds", test_bounds);
  return g_test_run ();
}
