/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of sessions share. Each test runs with a cgroup for each exec, where this host has
 * one to give, and without; with an interpreter that stood by. */
#include "agent-session-peer.h"

AgentResult *
session_exec_with (AgentPeer *peer, AgentExec exec)
{
  exec.flags |= BERTH_EXEC_SESSION;
  return agent_peer_run (peer, &exec);
}

AgentResult *
session_exec (AgentPeer *peer, BerthLanguage language, const char *code)
{
  AgentExec exec = { .language = language, .code = code };

  return session_exec_with (peer, exec);
}

/* The home in the place of each @; NULL for `err`: whatever. */
void
session_assert (AgentPeer *peer, BerthLanguage language, const char *code, int status,
                const char *out, const char *err)
{
  g_autoptr (AgentResult) result = session_exec (peer, language, code);
  g_auto (GStrv) out_parts = g_strsplit (out, "@", -1);
  g_auto (GStrv) err_parts = g_strsplit (err != NULL ? err : "", "@", -1);
  g_autofree char *expected_out = g_strjoinv (peer->home, out_parts);
  g_autofree char *expected_err = g_strjoinv (peer->home, err_parts);

  if (err != NULL)
    agent_assert_err (result, expected_err);
  g_assert_cmpstr (result->out->str, ==, expected_out);
  agent_assert_exit (result, status);
}

/* Leaves something in the interpreter that only itself knows. */
void
session_mark (AgentPeer *peer, BerthLanguage language)
{
  session_assert (peer, language, language == SH ? "mark=1" : "mark = 1", 0, "", "");
}

/* Whether the next exec finds what session_mark() left. */
void
session_assert_fresh (AgentPeer *peer, BerthLanguage language, gboolean is_fresh)
{
  static const char *const codes[] = { [PY] = "print('mark' in globals())",
                                       [JS] = "console.log(typeof mark === 'number')",
                                       [SH] = "[[ -v mark ]] && echo true || echo false" };
  g_autoptr (AgentResult) result = session_exec (peer, language, codes[language]);
  g_autofree char *lower = g_ascii_strdown (result->out->str, -1);

  agent_assert_exit (result, 0);
  g_assert_cmpstr (lower, ==, is_fresh ? "false\n" : "true\n");
}

gboolean
session_has_node (void)
{
  return g_file_test ("/usr/bin/node", G_FILE_TEST_IS_EXECUTABLE);
}

GPid
session_read_pid (AgentPeer *peer, const char *name)
{
  g_autofree char *path = g_build_filename (peer->home, name, NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return (GPid)g_ascii_strtoll (text, NULL, 10);
}

static void
add_test (const char *group, const char *kind, const SessionTest *test,
          void (*start) (AgentPeer *peer, gconstpointer data))
{
  const char *standby = g_str_has_prefix (test->name, "javascript") ? "javascript"
                        : g_str_has_prefix (test->name, "shell")    ? NULL
                                                                    : "python";
  g_autofree char *path = g_strdup_printf ("/%s%s/%s", group, kind, test->name);

  g_test_add (path, AgentPeer, standby, start, test->run, agent_peer_stop);
}

void
session_add_tests (const char *group, const SessionTest *tests, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      if (g_str_has_prefix (tests[i].name, "javascript") && !session_has_node ())
        continue;
      add_test (group, "", &tests[i], agent_peer_start);
      add_test (group, "-cgroup", &tests[i], agent_peer_start_in_cgroup);
    }
}
