/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves which programs may be run (contract.md, Input), each rule at its limit and one beyond, and
 * how a result is told. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/berth-protocol.h"
#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-result-private.h"
#include "pool/berth-error.h"

#define MIB (1024 * 1024)

static BerthExec *
exec_of (const char *code, gssize length)
{
  g_autoptr (GBytes) bytes = g_bytes_new (code, length < 0 ? strlen (code) : (gsize)length);

  return berth_exec_new (bytes);
}

static void
assert_good (BerthExec *exec)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_exec_check (exec, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

static void
assert_bad (BerthExec *exec, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_exec_check (exec, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  if (strstr (error->message, part) == NULL || strchr (error->message, '\n') != NULL)
    g_error ("'%s' is not in '%s', or that is no line", part, error->message);
}

static void
assert_code (const char *code, gssize length, const char *complaint)
{
  g_autoptr (BerthExec) exec = exec_of (code, length);

  if (complaint == NULL)
    assert_good (exec);
  else
    assert_bad (exec, complaint);
}

static void
assert_command (const char *block, gsize size, const char *complaint)
{
  g_autoptr (BerthExec) exec = exec_of (block, (gssize)size);

  exec->is_command = TRUE;
  if (complaint == NULL)
    assert_good (exec);
  else
    assert_bad (exec, complaint);
}

static void
test_command (void)
{
  g_autofree char *longest = g_strnfill (BERTH_ARGS_BYTES_MAX, 'a');
  g_autofree char *many = g_malloc0 (2 * BERTH_ARGS_MAX + 2);

  assert_command ("ls", 3, NULL);
  /* any bytes but NUL are an argument's, none is white space or a mark to be dropped */
  assert_command ("\xEF\xBB\xBF\0\xff\n\0\0", 8, NULL);
  assert_command ("", 0, "names no program");
  assert_command ("", 1, "names no program");
  assert_command ("\0ls", 4, "names no program");
  assert_command ("ls\0-l", 5, "no NUL behind it");
  longest[BERTH_ARGS_BYTES_MAX - 1] = '\0';
  assert_command (longest, BERTH_ARGS_BYTES_MAX, NULL);
  for (guint i = 0; i <= BERTH_ARGS_MAX; i++)
    many[2 * i] = 'x';
  assert_command (many, 2 * BERTH_ARGS_MAX, NULL);
  assert_command (many, 2 * BERTH_ARGS_MAX + 2, "at most 4096 of 131072 bytes");
}

static void
test_command_too_long (void)
{
  g_autofree char *block = g_strnfill (BERTH_ARGS_BYTES_MAX + 1, 'a');

  block[BERTH_ARGS_BYTES_MAX] = '\0';
  assert_command (block, BERTH_ARGS_BYTES_MAX + 1, "1 arguments of 131073 bytes");
}

static void
test_terminal (void)
{
  g_autoptr (BerthExec) exec = exec_of ("ls", 3);

  exec->tty = berth_tty_new (24, 80);
  exec->is_command = TRUE;
  assert_good (exec);
  exec->is_command = FALSE;
  g_clear_pointer (&exec->code, g_bytes_unref);
  exec->code = g_bytes_new_static ("ls", 2);
  assert_bad (exec, "a terminal is a command's");
}

static void
test_command_is_no_code (void)
{
  for (guint i = 0; i < 3; i++)
    {
      const char *argv[] = { "ls", "-l", NULL };
      g_autoptr (GBytes) code = berth_exec_pack_command (argv);
      g_autoptr (BerthExec) exec = berth_exec_new (code);

      g_assert_cmpuint (g_bytes_get_size (code), ==, 6);
      exec->is_command = TRUE;
      assert_good (exec);
      exec->language = i == 0 ? g_strdup ("shell") : NULL;
      exec->suffix = i == 1 ? g_strdup (".sh") : NULL;
      exec->is_script = i == 2;
      assert_bad (exec, "it is no code");
    }
}

static void
test_suffix (void)
{
  const char *const good[] = { ".mjs", ".cjs", ".a1", ".abcdefghijklmno" };
  const char *const bad[] = { "", ".", "mjs", ".m js", "./mjs", ".mjs.", ".abcdefghijklmnop" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (BerthExec) exec = exec_of ("x", -1);

      exec->suffix = g_strdup (good[i]);
      assert_good (exec);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (BerthExec) exec = exec_of ("x", -1);

      exec->suffix = g_strdup (bad[i]);
      assert_bad (exec, "suffix");
    }
}

static void
test_code (void)
{
  g_autofree char *large = g_strnfill (MIB + 1, '#');

  assert_code (large, MIB, NULL);
  assert_code (large, MIB + 1, "1048577 bytes");
  assert_code ("# a remark alone", -1, NULL);
  assert_code ("", -1, "nothing to run");
  assert_code (" \t\r\n\v\f", -1, "nothing to run");
  assert_code ("x\0y", 3, "NUL byte at offset 1");
  assert_code ("\0", 1, "NUL");
  assert_code ("\xff\xfe not UTF-8", -1, NULL);
}

static void
test_byte_order_mark (void)
{
  g_autofree char *large = g_strnfill (MIB + 3, '#');
  g_autoptr (BerthExec) exec = exec_of ("\xEF\xBB\xBFprint(1)", -1);

  assert_good (exec);
  g_assert_cmpmem (g_bytes_get_data (exec->code, NULL), g_bytes_get_size (exec->code), "print(1)",
                   8);
  memcpy (large, "\xEF\xBB\xBF", 3);
  assert_code (large, MIB + 3, NULL);
  assert_code ("\xEF\xBB\xBF", -1, "nothing to run");
  assert_code ("\xEF\xBB\xBF \n", -1, "nothing to run");
}

static void
test_timeout (void)
{
  static const struct
  {
    guint ms;
    gboolean ok;
  } limits[] = { { 999, FALSE },      { 1000, TRUE }, { 86400000, TRUE },
                 { 86400001, FALSE }, { 0, FALSE },   { G_MAXUINT, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autoptr (BerthExec) exec = exec_of ("x", -1);

      g_assert_cmpuint (exec->timeout_ms, ==, 30000);
      exec->timeout_ms = limits[i].ms;
      if (limits[i].ok)
        assert_good (exec);
      else
        assert_bad (exec, "timeout");
    }
}

static void
test_language (void)
{
  static const char *const good[] = { "python", "javascript", "shell", "raw" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (BerthExec) exec = exec_of ("x", -1);

      exec->language = g_strdup (good[i]);
      assert_good (exec);
      exec->language[0] = 'X';
      assert_bad (exec, "language");
    }
}

/* Takes over @entry. */
static void
assert_env (char *entry, const char *complaint)
{
  g_autoptr (BerthExec) exec = exec_of ("x", -1);

  exec->env = g_new0 (char *, 2);
  exec->env[0] = entry;
  if (complaint == NULL)
    assert_good (exec);
  else
    assert_bad (exec, complaint);
}

static char *
env_of (guint name_length, guint value_length)
{
  g_autofree char *name = g_strnfill (name_length, 'N');
  g_autofree char *value = g_strnfill (value_length, 'v');

  return g_strconcat (name, "=", value, NULL);
}

static void
test_environment (void)
{
  static const char *const good[]
      = { "A=", "_=x", "a1_=1=2", "HOME=/tmp", "T=\t", "U=\xc3\xa4", "C=\xc2\x85" };
  static const char *const bad[]
      = { "",        "=x",        "1A=x",   "A B=x", "A-B=x", "\xc3\xa4=x", "A=\n",
          "A=\x01x", "A=\x1b[0m", "A=\x7f", "A=\r",  "A",     "A=\xff" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    assert_env (g_strdup (good[i]), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_env (g_strdup (bad[i]), "environment: ");
  assert_env (env_of (256, 1), NULL);
  assert_env (env_of (257, 1), "NAME=VALUE");
  assert_env (env_of (1, 4096), NULL);
  assert_env (env_of (1, 4097), "4097 bytes");
}

static char **
many_variables (guint count)
{
  char **env = g_new0 (char *, count + 1);

  for (guint i = 0; i < count; i++)
    env[i] = g_strdup ("A=1");
  return env;
}

static void
test_environment_count (void)
{
  g_autoptr (BerthExec) most = exec_of ("x", -1);
  g_autoptr (BerthExec) more = exec_of ("x", -1);

  most->env = many_variables (100);
  assert_good (most);
  more->env = many_variables (101);
  assert_bad (more, "101 variables");
}

static void
test_descriptors_are_owned (void)
{
  int ends[2];
  BerthExec *exec = exec_of ("x", -1);

  g_assert_cmpint (pipe (ends), ==, 0);
  exec->stdin_fd = ends[0];
  exec->stdout_fd = ends[1];
  berth_exec_free (exec);
  g_assert_cmpint (fcntl (ends[0], F_GETFD), ==, -1);
  g_assert_cmpint (fcntl (ends[1], F_GETFD), ==, -1);
}

static void
assert_told (const BerthResult *result, const char *wanted)
{
  g_autoptr (GVariant) told = g_variant_ref_sink (berth_result_to_variant (result));
  g_autoptr (GVariant) expected
      = g_variant_parse (G_VARIANT_TYPE_VARDICT, wanted, NULL, NULL, NULL);

  g_assert_true (g_variant_is_normal_form (told));
  g_assert_cmpvariant (told, expected);
}

#define TIMES_AND_USAGE                                                                            \
  "'timing': <{'wait_ms': <1.0>, 'claim_ms': <2.5>, 'start_ms': <2.5>, "                           \
  "'spawn_ms': <1.5>, 'connect_ms': <0.75>, 'exec_ms': <3.0>, "                                    \
  "'destroy_ms': <4.0>, 'total_ms': <10.5>}>, "                                                    \
  "'usage': <{'cpu_ms': <7.0>, 'memory_peak_mb': <1.5>}>}"

static void
test_result (void)
{
  g_autoptr (BerthResult) result = berth_result_new ();

  result->stdout_data = g_strdup ("out");
  result->exit_code = 3;
  result->template_name = g_strdup ("python");
  result->sandbox_id = g_strdup ("id");
  result->origin.start = "warm";
  result->origin.wait_us = 1000;
  result->origin.start_us = 2500;
  result->origin.spawn_us = 1500;
  result->origin.connect_us = 750;
  result->exec_us = 3000;
  result->destroy_us = 4000;
  result->total_us = 10500;
  result->cpu_us = 7000;
  result->memory_peak_bytes = 3 * MIB / 2;
  assert_told (result, "{'stdout': <'out'>, 'exit_code': <3>, 'timed_out': <false>, "
                       "'oom': <false>, 'stdout_truncated': <false>, 'stderr_truncated': <false>, "
                       "'destroy_unconfirmed': <false>, 'template': <'python'>, "
                       "'sandbox_id': <'id'>, 'warm_hit': <true>, "
                       "'start': <'warm'>, " TIMES_AND_USAGE);
}

static void
test_result_of_a_time_out (void)
{
  g_autoptr (BerthResult) result = berth_result_new ();
  g_autoptr (GVariant) without = NULL;
  g_autoptr (GVariant) with = NULL;
  gint32 exit_code;

  result->timed_out = TRUE;
  result->exit_code = -1;
  without = g_variant_ref_sink (berth_result_to_variant (result));
  g_assert_false (g_variant_lookup (without, "exit_code", "i", &exit_code));
  result->exit_code = 7;
  with = g_variant_ref_sink (berth_result_to_variant (result));
  g_assert_true (g_variant_lookup (with, "exit_code", "i", &exit_code));
  g_assert_cmpint (exit_code, ==, 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/exec/code", test_code);
  g_test_add_func ("/exec/command", test_command);
  g_test_add_func ("/exec/command-too-long", test_command_too_long);
  g_test_add_func ("/exec/command-is-no-code", test_command_is_no_code);
  g_test_add_func ("/exec/terminal", test_terminal);
  g_test_add_func ("/exec/suffix", test_suffix);
  g_test_add_func ("/exec/byte-order-mark", test_byte_order_mark);
  g_test_add_func ("/exec/timeout", test_timeout);
  g_test_add_func ("/exec/language", test_language);
  g_test_add_func ("/exec/environment", test_environment);
  g_test_add_func ("/exec/environment-count", test_environment_count);
  g_test_add_func ("/exec/descriptors-are-owned", test_descriptors_are_owned);
  g_test_add_func ("/exec/result", test_result);
  g_test_add_func ("/exec/result-of-a-time-out", test_result_of_a_time_out);
  return g_test_run ();
}
