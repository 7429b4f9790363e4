/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a terminal's past is shown again: all but what a terminal would answer to. */
#include <glib.h>
#include <string.h>

#include "berth-replay.h"

typedef struct
{
  const char *name;
  const char *in;
  const char *out;
} Case;

static const Case cases[] = {
  { "text", "gr\xc3\xbcn\r\n\tx", "gr\xc3\xbcn\r\n\tx" },
  { "colours", "\x1b[1;32mgreen\x1b[0m\x1b[2J\x1b[10;20H",
    "\x1b[1;32mgreen\x1b[0m\x1b[2J\x1b[10;20H" },
  { "modes", "\x1b[?1049h\x1b[?25l\x1b[>4;2m\x1b[?2004h",
    "\x1b[?1049h\x1b[?25l\x1b[>4;2m\x1b[?2004h" },
  { "what-it-is",
    "a\x1b[c\x1b[0c\x1b[>c\x1b[=0c\x1bZ"
    "b",
    "ab" },
  { "state", "a\x1b[5n\x1b[6n\x1b[?6nb", "ab" },
  { "keys-off", "\x1b[>4n", "\x1b[>4n" },
  { "mode", "a\x1b[?2026$p\x1b[4$pb\x1b[!p", "ab\x1b[!p" },
  { "version", "a\x1b[>q\x1b[>0qb\x1b[2 q", "ab\x1b[2 q" },
  { "keyboard", "a\x1b[?u\x1b[?4mb\x1b[>1u\x1b[u", "ab\x1b[>1u\x1b[u" },
  { "window", "a\x1b[18t\x1b[14;2t\x1b[21tb\x1b[22;0t\x1b[8;24;80t", "ab\x1b[22;0t\x1b[8;24;80t" },
  { "parameters", "a\x1b[x\x1b[1xb\x1b[1;2;3;4;5$x", "ab\x1b[1;2;3;4;5$x" },
  { "sum", "a\x1b[1;1;1;2;2*yb", "ab" },
  { "enquiry",
    "a\x05"
    "b",
    "ab" },
  { "colour", "a\x1b]11;?\a\x1b]4;1;?\x1b\\b\x1b]11;#000000\a", "ab\x1b]11;#000000\a" },
  { "title", "\x1b]0;what?\a\x1b]2;a\x1b\\", "\x1b]0;what?\a\x1b]2;a\x1b\\" },
  { "clipboard", "a\x1b]52;c;?\ab", "ab" },
  { "setting", "a\x1bP$qm\x1b\\\x1bP+q544e\x1b\\b\x1bPq#0\x1b\\", "ab\x1bPq#0\x1b\\" },
  { "graphics", "a\x1b_Gi=1,a=q;AAAA\x1b\\b\x1b_Gf=24;AAAA\x1b\\", "ab\x1b_Gf=24;AAAA\x1b\\" },
  { "broken-off", "\x1b[6\x1b[31m\x1b]11;\x18?\a\x1b", "\x1b[6\x1b[31m\x1b]11;\x18?\a\x1b" },
  { "control-within", "a\x1b[6\rn\x1b\n[c\x1b[3\r1m", "a\x1b[3\r1m" },
  { "c1-in-utf-8",
    "a\xc2\x9b"
    "6n\xc2\x9d"
    "11;?\xc2\x9c\xc2\x9a"
    "b\xc2\xa9\xc2\x9b"
    "31m\xc2",
    "ab\xc2\xa9\xc2\x9b"
    "31m\xc2" },
  { "c1-within",
    "a\x1b[\xc2\x9b"
    "6n\x1b\xc2\x9b"
    "cb\x1b]0;x\xc2\x9b"
    "5nc\x1b]0;\xc2\xa9\a",
    "a\x1b[\x1b"
    "b\x1b]0;xc\x1b]0;\xc2\xa9\a" },
  { "string-broken-off", "a\x1b]11;?\x1b\x1b\\b\x1bPx\x1b[cc", "a\x1b\x1b\\b\x1bPxc" },
  { "charset",
    "\x1b(B\x1b)0\x1b=\x1b>\x1b"
    "7\x1b"
    "8",
    "\x1b(B\x1b)0\x1b=\x1b>\x1b"
    "7\x1b"
    "8" },
  { "string-in-string", "\x1b]0;a\x1b[6nb\a", "\x1b]0;ab\a" },
};

/* Passed in pieces of @step, with what is held in the end */
static GString *
pass (const char *in, gsize size, gsize step)
{
  GString *all = g_string_new (NULL);
  BerthReplay replay = { 0 };
  guint8 room[4096];

  for (gsize at = 0; at < size; at += step)
    {
      guint32 part = (guint32)MIN (step, size - at);
      guint32 fill = berth_replay_pass (&replay, (const guint8 *)in + at, part, room);

      g_assert_cmpuint (fill, <=, part + BERTH_REPLAY_HELD);
      g_string_append_len (all, (char *)room, fill);
    }
  g_string_append_len (all, (char *)room, berth_replay_end (&replay, room));
  return all;
}

static void
test_case (gconstpointer data)
{
  const Case *test = data;

  for (gsize step = 1; step <= strlen (test->in); step++)
    {
      g_autoptr (GString) shown = pass (test->in, strlen (test->in), step);

      g_assert_cmpstr (shown->str, ==, test->out);
    }
}

/* A sequence without an end holds nothing back but its beginning, and nothing up. */
static void
test_endless (void)
{
  g_autoptr (GString) text = g_string_new ("\x1b]0;");
  g_autoptr (GString) shown = NULL;

  for (guint i = 0; i < 2000; i++)
    g_string_append_c (text, 'x');
  shown = pass (text->str, text->len, 7);
  g_assert_cmpstr (shown->str, ==, text->str);
}

static GString *
make_long (const char *begin, char filler, const char *end)
{
  GString *text = g_string_new (begin);

  for (guint i = 0; i < 300; i++)
    g_string_append_c (text, filler);
  return g_string_append (text, end);
}

typedef struct
{
  const char *begin;
  char filler;
  const char *end;
  const char *shown; /* NULL: as it was */
} Long;

/* What is longer than any sequence of use is a question all the same. */
static void
test_long (void)
{
  static const Long rows[] = {
    { "a\x1b[", '0', "6nb", "ab" },
    { "a\x1b[", '0', "\x1b[cb", "ab" },
    { "a\x1bP+q", '4', "\x1b\\b", "a\x1b\\b" },
    { "a\x1b_Ga=q;", 'A',
      "\xc2\x9c"
      "b",
      "ab" },
    { "a\x1b]4;1;?;", '2', ";?\ab", "ab" },
    { "\x1bP", 'x', "\x1b\\", NULL },
    { "\x1b]0;", 'x', "?\xc2\x9c;?", NULL },
    { "\x1b]0;", 'x', "?\a;?", NULL },
    { "\x1b]0;", 'x', "\xc2\xa9\xc2", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = make_long (rows[i].begin, rows[i].filler, rows[i].end);
      g_autoptr (GString) shown = pass (text->str, text->len, 1 + i);

      g_assert_cmpstr (shown->str, ==, rows[i].shown != NULL ? rows[i].shown : text->str);
    }
}

/* Only its marks are taken out of one that has begun to be shown. */
static void
test_long_colours (void)
{
  g_autoptr (GString) text = make_long ("\x1b]4;1;", '2', ";?;3;?\a;?");
  g_autoptr (GString) expected = make_long ("\x1b]4;1;", '2', ";;3;\a;?");
  g_autoptr (GString) shown = pass (text->str, text->len, 7);

  g_assert_cmpstr (shown->str, ==, expected->str);
}

/* A C1 breaks it off, wherever that is. */
static void
test_long_broken_off (void)
{
  for (gsize at = 4; at < 304; at++)
    {
      g_autoptr (GString) text = make_long ("\x1b]0;", 'x', "b\x1b[\xc2\x9b\x63");
      g_autoptr (GString) expected = make_long ("\x1b]0;", 'x', "b\x1b[");
      g_autoptr (GString) shown = NULL;

      g_string_insert (text, (gssize)at, "\xc2\x9b\x36n");
      shown = pass (text->str, text->len, 5);
      g_assert_cmpstr (shown->str, ==, expected->str);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/agent/replay/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/agent/replay/endless", test_endless);
  g_test_add_func ("/agent/replay/long", test_long);
  g_test_add_func ("/agent/replay/long-colours", test_long_colours);
  g_test_add_func ("/agent/replay/long-broken-off", test_long_broken_off);
  return g_test_run ();
}
