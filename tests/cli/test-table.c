/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows stay aligned whatever alphabet a name is written in. */
#include "plugin/cli/berth-cli-table.h"

static void
check_second_columns (const char *const *firsts, const char *wanted)
{
  g_autoptr (BerthTable) table = berth_table_new ();
  g_autofree char *text = NULL;

  for (guint i = 0; firsts[i] != NULL; i++)
    {
      const char *cells[] = { firsts[i], "|", NULL };

      berth_table_take_row (table, g_strdupv ((char **)cells));
    }
  text = berth_table_to_text (table, "");
  g_assert_cmpstr (text, ==, wanted);
}

static void
test_columns (void)
{
  const char *const accents[] = { "J\u00fcrgen", "Anne", NULL };
  const char *const wide[] = { "\u6771\u4eac", "Anne", "abcde", NULL };
  const char *const combining[] = { "e\u0301", "Anne", NULL };

  check_second_columns (accents, "J\u00fcrgen  |\nAnne    |\n");
  check_second_columns (wide, "\u6771\u4eac   |\nAnne   |\nabcde  |\n");
  check_second_columns (combining, "e\u0301     |\nAnne  |\n");
}

static void
test_bytes (void)
{
  const char *const broken[] = { "\xff\xfe", "Anne", NULL };

  check_second_columns (broken, "\ufffd\ufffd    |\nAnne  |\n");
}

/* What a terminal would obey: ESC [, the one character that is as much, and a turn of the line. */
static void
test_commands (void)
{
  const char *const commands[] = { "\x1b[2J",
                                   "\xc2\x9b"
                                   "2J",
                                   "\u202eab", NULL };

  check_second_columns (commands, "?[2J  |\n?2J   |\n?ab   |\n");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/table/columns", test_columns);
  g_test_add_func ("/table/bytes", test_bytes);
  g_test_add_func ("/table/commands", test_commands);
  return g_test_run ();
}
