/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a program starts: the folder that its request names, in every language and every way of
 * running one. */
#include "agent-peer.h"

#include <glib/gstdio.h>

typedef struct
{
  BerthLanguage language;
  const char *tell; /* prints where it is */
} Teller;

static const Teller tellers[] = {
  { BERTH_LANGUAGE_PYTHON, "import os\nprint(os.getcwd())" },
  { BERTH_LANGUAGE_JAVASCRIPT, "console.log(process.cwd())" },
  { BERTH_LANGUAGE_SHELL, "pwd" },
};

static AgentResult *
run_in (AgentPeer *peer, const Teller *teller, guint32 flags, const char *workdir)
{
  AgentExec exec
      = { .language = teller->language, .code = teller->tell, .flags = flags, .workdir = workdir };

  return agent_peer_run (peer, &exec);
}

static void
assert_place (AgentPeer *peer, const Teller *teller, guint32 flags, const char *workdir,
              const char *place)
{
  g_autoptr (AgentResult) result = run_in (peer, teller, flags, workdir);
  g_autofree char *line = g_strconcat (place, "\n", NULL);

  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, line);
  g_assert_cmpstr (result->err->str, ==, "");
}

static char *
make_folder (AgentPeer *peer, const char *name)
{
  char *path = g_build_filename (peer->home, name, NULL);

  g_assert_no_errno (g_mkdir (path, 0755));
  return path;
}

static void
test_run (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *folder = make_folder (peer, "a 'folder'");

  for (guint i = 0; i < G_N_ELEMENTS (tellers); i++)
    {
      assert_place (peer, &tellers[i], 0, folder, folder);
      assert_place (peer, &tellers[i], 0, "a 'folder'", folder);
      assert_place (peer, &tellers[i], 0, "/", "/");
      assert_place (peer, &tellers[i], 0, NULL, peer->home);
    }
}

/* As after a cd: the session stays there. */
static void
test_session (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *folder = make_folder (peer, "a 'folder'");

  for (guint i = 0; i < G_N_ELEMENTS (tellers); i++)
    {
      assert_place (peer, &tellers[i], BERTH_EXEC_SESSION, NULL, peer->home);
      assert_place (peer, &tellers[i], BERTH_EXEC_SESSION, "a 'folder'", folder);
      assert_place (peer, &tellers[i], BERTH_EXEC_SESSION, NULL, folder);
      assert_place (peer, &tellers[i], BERTH_EXEC_SESSION, "/", "/");
    }
}

/* What needs an interpreter of its own from the start, and a script that another program runs */
static void
test_fresh (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *folder = make_folder (peer, "folder");
  const char *const env[] = { "PYTHONDONTWRITEBYTECODE=1", NULL };
  AgentExec python = {
    .language = BERTH_LANGUAGE_PYTHON, .code = tellers[0].tell, .env = env, .workdir = "folder"
  };
  AgentExec script
      = { .language = BERTH_LANGUAGE_SHELL, .code = "#!/bin/sh\npwd", .workdir = "folder" };
  g_autoptr (AgentResult) python_result = agent_peer_run (peer, &python);
  g_autoptr (AgentResult) script_result = agent_peer_run (peer, &script);

  agent_assert_exit (python_result, 0);
  g_assert_true (g_str_has_prefix (python_result->out->str, folder));
  agent_assert_exit (script_result, 0);
  g_assert_true (g_str_has_prefix (script_result->out->str, folder));
}

static void
assert_refused (AgentPeer *peer, guint32 flags, const char *workdir, const char *reason)
{
  for (guint i = 0; i < G_N_ELEMENTS (tellers); i++)
    {
      g_autoptr (AgentResult) result = run_in (peer, &tellers[i], flags, workdir);

      g_assert_cmpuint (result->error, ==, BERTH_AGENT_ERROR_INVALID);
      g_assert_nonnull (strstr (result->text, reason));
      g_assert_false (result->is_started);
      /* the session lives on */
      assert_place (peer, &tellers[i], flags, NULL, peer->home);
    }
}

static void
test_refused (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *file = g_build_filename (peer->home, "file", NULL);

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  assert_refused (peer, 0, "missing", "missing: No such file or directory");
  assert_refused (peer, BERTH_EXEC_SESSION, "missing", "missing: No such file or directory");
  assert_refused (peer, 0, "file", "file: Not a directory");
  assert_refused (peer, 0, "fi\nle", "control character");
}

static void
add_tests (void)
{
  const struct
  {
    const char *path;
    void (*run) (AgentPeer *peer, gconstpointer data);
  } tests[] = {
    { "/agent/workdir/run", test_run },
    { "/agent/workdir/session", test_session },
    { "/agent/workdir/fresh", test_fresh },
    { "/agent/workdir/refused", test_refused },
  };

  /* in an interpreter that stands by in the home already */
  g_test_add ("/agent/workdir/run-python-standby", AgentPeer, "python", agent_peer_start, test_run,
              agent_peer_stop);
  g_test_add ("/agent/workdir/run-javascript-standby", AgentPeer, "javascript", agent_peer_start,
              test_run, agent_peer_stop);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, AgentPeer, NULL, agent_peer_start, tests[i].run, agent_peer_stop);
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}
